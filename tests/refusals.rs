//! Every refusal by real nodes: at the leader over gRPC, and at each helper on its own when the leader checks nothing.

#![allow(clippy::unwrap_used)]

mod drafts;
mod rogue;
mod trio;
mod wired;

use std::collections::BTreeSet;

use drafts::{Draft, REFUSALS};
use rogue::{Rogue, Round};
use serde_json::json;
use tonic::Code;
use tonic::transport::Channel;
use tonic_types::StatusExt as _;
use trio::target;
use tumar::client::{Client, Prepared};
use tumar::log::entry::{Event, Reason};
use tumar::log::receipt::Outcome;
use tumar::node::Node;
use tumar::party::Party;
use tumar::request::Method;
use tumar::service::{MAX_REQUEST, reasons};
use tumar::share::{Masks, split};
use tumar::wire::peer::v1::relayed::Request;
use tumar::wire::peer::v1::{Relayed, Verdict};
use tumar::wire::v1;
use tumar::wire::v1::matching_service_client::MatchingServiceClient;
use wired::{
    BURST, Call, DIMENSION, Installation, Seal, answer, assert_refused, draft_of, enrolment, envelope, face, fresh_id,
    is_carried, relay, relayed, shut_envelopes, stop, unknown_key, withdrawal,
};
use zeroize::Zeroizing;

/// Checked in `tests/tokens.rs` alone, since no message comes to these checks: the type of the message is the call, so none is
/// of another call; and what is not exactly one sample where one is due is no well-formed request.
const NO_MESSAGE_SAYS: [&str; 3] = ["ACTION_OTHER", "SAMPLES_UNEXPECTED", "SAMPLES_MISSING"];

/// What the leader says beyond the table of drafts; `Leader::met` holds those that were.
const AT_THE_LEADER: [&str; 18] = [
    "COMMITTEE_INCOMPLETE",
    "ENVELOPE_INVALID",
    "ENVELOPE_KEY_UNKNOWN",
    "ENVELOPE_MALFORMED",
    "NOT_LEADER",
    "PEER_LOST",
    "PROOF_ABSENT",
    "PROOF_REPLAYED",
    "RATE_LIMITED",
    "REQUEST_ID_REUSED",
    "REQUEST_INVALID",
    "SUBJECT_EXISTS",
    "SUBJECT_LOCKED",
    "SUBJECT_UNKNOWN",
    "TEMPLATE_INCONSISTENT",
    "TEMPLATE_LENGTH",
    "TOKEN_ABSENT",
    "TOKEN_SPENT",
];

/// What helpers say beyond it when the leader does not do its part.
const AT_A_HELPER: [&str; 5] =
    ["BATCH_MIXED", "CHANGE_REFUSED", "NODES_OUT_OF_STEP", "PEER_BROKEN", "REQUEST_IN_FLIGHT"];

/// What helpers are not asked, or find out in a run only: `a_template_that_no_extractor_makes_..` sees all three find that out.
const NOT_A_HELPERS: [&str; 6] = [
    // The public service's, before there is a request; the leader relays a token and a proof, be they empty.
    "TOKEN_ABSENT",
    "PROOF_ABSENT",
    "NOT_LEADER",
    "COMMITTEE_INCOMPLETE",
    // Of the run.
    "TEMPLATE_INCONSISTENT",
    "TEMPLATE_LENGTH",
];

/// No sequence of calls leads to these with certainty.
const NOT_CALLED_UP: [&str; 7] = [
    // Messages of the protocol must be falsified: tests/cheating.rs does.
    "PEERS_DISAGREE",
    "RUN_FAILED",
    // The disk must fail: tests/access_log.rs and tests/store.rs see to what happens then.
    "LOG_HALTED",
    "STORE_FAILED",
    // More than a thousand requests must wait at once, which depends on the machine's speed.
    "OVERLOADED",
    // A helper must be rogue: it must end a request otherwise than the others, or give a code from the future.
    "ANSWER_MISSING",
    "UNKNOWN",
];

#[test]
fn every_reason_is_met_here_or_said_to_be_met_elsewhere() {
    let of_drafts = REFUSALS.iter().map(|(reason, _)| *reason);
    let mut met: Vec<&str> = of_drafts.chain(AT_THE_LEADER).chain(AT_A_HELPER).chain(NOT_CALLED_UP).collect();
    met.sort_unstable();
    met.dedup();
    let mut all: Vec<&str> = reasons().map(|row| row.code).collect();
    all.sort_unstable();
    assert_eq!(met, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_token_is_refused_at_the_leader() {
    let installation = Installation::new();
    let nodes = installation.start_all().await;
    let client = installation.client().await;
    let [bare, shown] = [installation.channel(Party::A, false).await, installation.channel(Party::A, true).await];
    let mut left: Vec<&str> = REFUSALS.iter().map(|(reason, _)| *reason).collect();
    for (place, (reason, change)) in REFUSALS.iter().enumerate() {
        let mut draft = Draft::good();
        change(&mut draft);
        if is_carried(&draft) {
            let envelopes = shut_envelopes(&client, draft.ask.method);
            let Relayed { token, proof, request, .. } = relayed(&mut draft, &envelopes);
            let channel = if draft.certificate.is_some() { &shown } else { &bare };
            let status = Call::new(&token, &proof, request.unwrap()).send(channel).await.unwrap_err();
            assert_refused(&status, reason, Party::A, &format!("row {place}"));
            left.retain(|code| code != reason);
        }
    }
    left.dedup();
    assert_eq!(left, NO_MESSAGE_SAYS);

    // Without a fault, it is let through as far as the subject, who is unknown; bound to a certificate, only by who shows it.
    let mut bound = Draft::good();
    bound.claims["cnf"]["x5t#S256"] = json!(tumar::token::jws::to_base64(&installation.certificate));
    for (mut draft, channel, reason) in [(Draft::good(), &bare, "SUBJECT_UNKNOWN"), (bound, &bare, "TOKEN_CERTIFICATE")]
    {
        let Relayed { token, proof, request, .. } = relayed(&mut draft, &shut_envelopes(&client, Method::Verify));
        let call = Call::new(&token, &proof, request.unwrap());
        assert_refused(&call.send(channel).await.unwrap_err(), reason, Party::A, "without a fault");
        if reason == "TOKEN_CERTIFICATE" {
            // The same id of token and proof again: this one has come through all checks of its genuineness.
            assert_refused(&call.send(&shown).await.unwrap_err(), "PROOF_REPLAYED", Party::A, "shown");
        }
    }
    for helper in &nodes[1..] {
        assert_eq!(helper.counters().forged_requests(), 0, "the leader relays nothing that it refuses");
    }
    stop(nodes).await;
}

/// Three nodes, and the codes that the leader was seen to refuse with.
struct Leader {
    installation: Installation,
    nodes: Vec<Node>,
    client: Client,
    channel: Channel,
    met: BTreeSet<String>,
}

impl Leader {
    /// With one person enrolled, `c-1`, whose face is the first.
    async fn with_one() -> Self {
        let installation = Installation::new();
        let nodes = installation.start_all().await.into();
        let (client, channel) = (installation.client().await, installation.channel(Party::A, false).await);
        assert_eq!(answer(&client, &enrolment(&client, "c-1", &face(1))).await.outcome, Outcome::Enrolled);
        Self { installation, nodes, client, channel, met: BTreeSet::new() }
    }

    /// Sends, and is refused.
    async fn refused(&mut self, call: &Call, reason: &str, node: Party, about: &str) -> tonic::Status {
        let status = call.send(&self.channel).await.map(|_| "answered").unwrap_err();
        assert_refused(&status, reason, node, about);
        self.met.insert(reason.to_owned());
        status
    }

    async fn requests_without_form(&mut self) {
        let good = withdrawal(&self.client, "c-1", &face(1));
        let call = Call::good(&good);
        let [token, proof] = [call.metadata[0].clone(), call.metadata[1].clone()];
        let bearer = ("authorization", token.1.replace("DPoP", "Bearer"));
        for (metadata, reason) in [
            (vec![], "TOKEN_ABSENT"),
            (vec![proof.clone()], "TOKEN_ABSENT"),
            (vec![bearer, proof.clone()], "TOKEN_ABSENT"),
            (vec![token.clone(), token.clone(), proof.clone()], "TOKEN_ABSENT"),
            (vec![token.clone()], "PROOF_ABSENT"),
            (vec![token, proof.clone(), proof], "PROOF_ABSENT"),
        ] {
            let call = Call { metadata, ..call.clone() };
            self.refused(&call, reason, Party::A, "metadata").await;
        }
        let Request::Verify(verify) = good.request() else { unreachable!() };
        let changes: [(&str, fn(&mut v1::VerifySubjectRequest)); 10] = [
            ("request_id", |m| m.request_id = "1".to_owned()),
            ("request_id", |m| m.request_id.make_ascii_uppercase()),
            ("gallery", |m| m.gallery = "banks/b17/*".to_owned()),
            ("subject", |m| m.subject = String::new()),
            ("subject", |m| m.subject = "x".repeat(65)),
            ("purpose", |m| m.purpose = "Cash".to_owned()),
            ("model", |m| m.samples[0].model = "fr 512".to_owned()),
            ("modality", |m| m.samples[0].modality = 7),
            ("samples", |m| m.samples.clear()),
            ("samples", |m| m.samples.push(m.samples[0].clone())),
        ];
        for (field, change) in changes {
            let mut message = verify.clone();
            change(&mut message);
            let call = Call { request: Request::Verify(message), ..call.clone() };
            let status = self.refused(&call, "REQUEST_INVALID", Party::A, field).await;
            assert_eq!(status.get_error_details().error_info().unwrap().metadata["field"], field);
        }
        let mut long = verify.clone();
        long.samples[0].envelope_a = vec![0; MAX_REQUEST];
        let call = Call { request: Request::Verify(long), ..call };
        let status = call.send(&self.channel).await.unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "gRPC's own word: it is not read, so no node refuses it");
    }

    async fn envelopes_that_do_not_open(&mut self) {
        for party in Party::ALL {
            for (reason, change) in spoilt_envelopes() {
                let mut request = withdrawal(&self.client, "c-1", &face(1)).into_request();
                change(envelope(&mut request, party));
                let call = Call::good(&Prepared::new(request).unwrap());
                self.refused(&call, reason, party, &format!("{reason} for {party}")).await;
            }
            for (about, change) in other_bindings() {
                let mut request = withdrawal(&self.client, "c-1", &face(1)).into_request();
                let mut seal = Seal::fitting(party, Prepared::new(request.clone()).unwrap().ask());
                change(&mut seal);
                *envelope(&mut request, party) = seal.envelope(&self.client, &[0; DIMENSION]);
                let call = Call::good(&Prepared::new(request).unwrap());
                self.refused(&call, "ENVELOPE_INVALID", party, &format!("{about} of {party}")).await;
                if (about, party) == ("request", Party::A) {
                    // It came to nothing, so it may be asked again: but not by the same proof.
                    self.refused(&call, "PROOF_REPLAYED", Party::A, "sent again").await;
                }
            }
        }
    }

    async fn what_was_used_up(&mut self) {
        let other = withdrawal(&self.client, "c-1", &face(1));
        let once = draft_of(other.ask());
        assert!(Call::with(&once, &other).send(&self.channel).await.is_ok());
        let third = withdrawal(&self.client, "c-1", &face(1));
        let (mut replayed, mut spent) = (draft_of(third.ask()), draft_of(third.ask()));
        replayed.proof["jti"] = once.proof["jti"].clone();
        self.refused(&Call::with(&replayed, &third), "PROOF_REPLAYED", Party::A, "the same jti").await;
        spent.claims["jti"] = once.claims["jti"].clone();
        self.refused(&Call::with(&spent, &third), "TOKEN_SPENT", Party::A, "a second use").await;

        let Request::Verify(mut message) = other.into_request() else { unreachable!() };
        message.amount_kzt += 1;
        let call = Call::good(&Prepared::new(Request::Verify(message)).unwrap());
        self.refused(&call, "REQUEST_ID_REUSED", Party::A, "another amount").await;
    }

    async fn subjects(&mut self) {
        let unknown = target("c-9", "subject_lock");
        for prepared in [
            withdrawal(&self.client, "c-9", &face(1)),
            Prepared::erase(&target("c-9", "erasure")).unwrap(),
            Prepared::lock(&unknown).unwrap(),
            Prepared::unlock(&unknown).unwrap(),
        ] {
            self.refused(&Call::good(&prepared), "SUBJECT_UNKNOWN", Party::A, "c-9").await;
        }
        let call = Call::good(&enrolment(&self.client, "c-1", &face(2)));
        self.refused(&call, "SUBJECT_EXISTS", Party::A, "c-1").await;
        let known = target("c-1", "subject_lock");
        assert_eq!(answer(&self.client, &Prepared::lock(&known).unwrap()).await.outcome, Outcome::Locked);
        let call = Call::good(&withdrawal(&self.client, "c-1", &face(1)));
        self.refused(&call, "SUBJECT_LOCKED", Party::A, "c-1").await;
        assert_eq!(answer(&self.client, &Prepared::unlock(&known).unwrap()).await.outcome, Outcome::Unlocked);
    }

    /// Another bank asks too often; the first one does not feel it.
    async fn rate(&mut self) {
        let locks = (0..=BURST).map(|number| lock_of_other_bank(&format!("p-{number}")));
        let calls: Vec<Call> = locks.map(|(draft, lock)| Call::with(&draft, &lock)).collect();
        let sent: Vec<_> = calls[..BURST]
            .iter()
            .map(|call| {
                let (call, channel) = (call.clone(), self.channel.clone());
                tokio::spawn(async move { call.send(&channel).await })
            })
            .collect();
        for sent in sent {
            let status = sent.await.unwrap().unwrap_err();
            assert_refused(&status, "SUBJECT_UNKNOWN", Party::A, "within the burst");
        }
        let status = self.refused(&calls[BURST], "RATE_LIMITED", Party::A, "beyond the burst").await;
        assert!(status.get_error_details().retry_info().unwrap().retry_delay.is_some());
    }

    async fn nodes_that_are_not_there(&mut self) {
        let call = Call::good(&withdrawal(&self.client, "c-1", &face(1)));
        for helper in [Party::B, Party::C] {
            let status = call.send(&self.installation.channel(helper, false).await).await.unwrap_err();
            assert_refused(&status, "NOT_LEADER", helper, "asked directly");
        }
        self.met.insert("NOT_LEADER".to_owned());
        assert_eq!(answer(&self.client, &withdrawal(&self.client, "c-1", &face(1))).await.outcome, Outcome::Match);
        stop(self.nodes.drain(2..)).await;
        self.refused(&call, "PEER_LOST", Party::A, "without C").await;
        let mut rpc = MatchingServiceClient::new(self.channel.clone());
        let status = rpc.get_committee(v1::GetCommitteeRequest {}).await.unwrap_err();
        assert_refused(&status, "COMMITTEE_INCOMPLETE", Party::A, "without C");
        self.met.insert("COMMITTEE_INCOMPLETE".to_owned());
    }
}

/// A lock that another bank may ask for.
fn lock_of_other_bank(subject: &str) -> (Draft, Prepared) {
    let gallery = "banks/b99/customers";
    let mut target = target(subject, "subject_lock");
    target.gallery = gallery.parse().unwrap();
    let prepared = Prepared::lock(&target).unwrap();
    let mut draft = draft_of(prepared.ask());
    draft.details()["relying_party"] = json!("banks/b99");
    draft.details()["galleries"] = json!([gallery]);
    (draft, prepared)
}

type Spoil = fn(&mut Vec<u8>);

fn spoilt_envelopes() -> [(&'static str, Spoil); 6] {
    [
        ("ENVELOPE_MALFORMED", |bytes| bytes.truncate(bytes.len() - 1)),
        ("ENVELOPE_MALFORMED", |bytes| bytes.push(0)),
        ("ENVELOPE_MALFORMED", Vec::clear),
        ("ENVELOPE_KEY_UNKNOWN", |bytes| bytes[..8].copy_from_slice(&unknown_key())),
        ("ENVELOPE_INVALID", |bytes| bytes[8] ^= 1),
        ("ENVELOPE_INVALID", |bytes| *bytes.last_mut().unwrap() ^= 1),
    ]
}

fn other_bindings() -> [(&'static str, fn(&mut Seal)); 6] {
    [
        ("request", |seal| seal.ask.request_id = tumar::name::RequestId::from_random([9; 16])),
        ("subject", |seal| seal.ask.subject = "c-2".parse().unwrap()),
        ("purpose", |seal| seal.ask.purpose = "card_activation".parse().unwrap()),
        ("gallery", |seal| seal.ask.gallery = "banks/b17/staff".parse().unwrap()),
        ("relying party", |seal| seal.relying_party = "banks/b18".parse().unwrap()),
        ("party", |seal| seal.party = seal.key.next()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_beyond_the_token_is_refused_at_the_leader() {
    let mut leader = Leader::with_one().await;
    leader.requests_without_form().await;
    leader.envelopes_that_do_not_open().await;
    leader.what_was_used_up().await;
    leader.subjects().await;
    leader.rate().await;
    leader.nodes_that_are_not_there().await;
    let templates = ["TEMPLATE_INCONSISTENT", "TEMPLATE_LENGTH"].map(str::to_owned);
    leader.met.extend(templates); // the next test's
    assert!(leader.met.iter().eq(AT_THE_LEADER.iter()), "{:?}", leader.met);
    stop(leader.nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_answered_is_answered_alike_whatever_the_helpers_make_of_it() {
    let leader = Leader::with_one().await;
    let asked = withdrawal(&leader.client, "c-1", &face(1));
    let mut draft = draft_of(asked.ask());
    draft.details()["max_uses"] = json!(2);
    let mut answers = Vec::new();
    for _ in 0..3 {
        draft.proof["jti"] = json!(fresh_id());
        let token = draft.token();
        answers.push(leader.client.call(token.access(), token.proof(), &asked).await.unwrap());
    }
    assert_eq!(answers[0].outcome, Outcome::Match);
    assert!(answers.iter().all(|answer| answer.receipts == answers[0].receipts), "the receipts that were kept");
    stop(leader.nodes).await;
    let rq = asked.ask().transcript();
    let once = [Event::Admitted, Event::Completed];
    assert_eq!(leader.installation.logged(Party::A, &rq), once);
    let again = [Event::Admitted, Event::Failed(Reason::fixed("REQUEST_ANSWERED"))];
    let spent = [Event::Denied(Reason::fixed("TOKEN_SPENT"))];
    for helper in HELPERS {
        assert_eq!(leader.installation.logged(helper, &rq), [&once[..], &again, &spent].concat(), "{helper}");
    }
}

/// A request for one sample, whose shares no honest terminal would make: of these packed nibbles; two holders of one summand
/// hold different ones if `torn`.
fn sealed_by_hand(client: &Client, prepared: Prepared, packed: &[u8], torn: bool) -> Prepared {
    let ask = prepared.ask().clone();
    let mut request = prepared.into_request();
    let masks = Masks::from_random(Zeroizing::new((0..=255).cycle().take(2 * packed.len()).collect()));
    let shares = split(packed, masks).unwrap();
    for party in Party::ALL {
        let mut content = shares[party.index()].for_envelope().to_vec();
        content[0] ^= u8::from(torn && party == Party::B);
        if ask.method == Method::Enroll {
            content.extend([party.as_str().as_bytes()[0]; 32]);
        }
        *envelope(&mut request, party) = Seal::fitting(party, &ask).envelope(client, &content);
    }
    Prepared::new(request).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_no_extractor_makes_is_refused_at_all_three_nodes_and_leaves_nothing() {
    let mut leader = Leader::with_one().await;
    let (good, largest) = (face(2).pack().to_vec(), [0x77; DIMENSION / 2]);
    let nothing = [0; DIMENSION / 2];
    let mut refused = Vec::new();
    for (packed, torn, reason) in [
        (largest.as_slice(), false, "TEMPLATE_LENGTH"),
        (&nothing, false, "TEMPLATE_LENGTH"),
        (&good, true, "TEMPLATE_INCONSISTENT"),
    ] {
        let reference = enrolment(&leader.client, "c-2", &face(2));
        let probe = withdrawal(&leader.client, "c-1", &face(1));
        for prepared in [reference, probe] {
            let prepared = sealed_by_hand(&leader.client, prepared, packed, torn);
            leader.refused(&Call::good(&prepared), reason, Party::A, "by hand").await;
            refused.push((prepared.ask().transcript(), reason));
        }
        let call = Call::good(&withdrawal(&leader.client, "c-2", &face(2)));
        leader.refused(&call, "SUBJECT_UNKNOWN", Party::A, "never enrolled").await;
    }
    let (config, committee) = (leader.client.config(), leader.client.committee());
    let (whom, model) = (target("c-1", "cash_withdrawal"), trio::model());
    let probe = Prepared::danger_verify_packed(config, &committee, &whom, model.id(), &largest, 0).unwrap();
    leader.refused(&Call::good(&probe), "TEMPLATE_LENGTH", Party::A, "by the client").await;
    refused.push((probe.ask().transcript(), "TEMPLATE_LENGTH"));

    // No attempt was counted: the fourth is the first. And whoever was refused can be enrolled, by shares made the same way.
    let taken = sealed_by_hand(&leader.client, enrolment(&leader.client, "c-2", &face(2)), &good, false);
    assert_eq!(answer(&leader.client, &taken).await.outcome, Outcome::Enrolled);
    for (subject, outcome) in [("c-1", Outcome::NoMatch), ("c-2", Outcome::Match)] {
        assert_eq!(answer(&leader.client, &withdrawal(&leader.client, subject, &face(2))).await.outcome, outcome);
    }
    stop(leader.nodes).await;
    for (rq, reason) in refused {
        for party in Party::ALL {
            let failed = Event::Failed(Reason::new(reason).unwrap());
            assert_eq!(leader.installation.logged(party, &rq), [Event::Admitted, failed], "{party}");
        }
    }
}

const HELPERS: [Party; 2] = [Party::B, Party::C];

/// What both helpers admitted ends for this reason.
async fn both_end_in(mut round: Round<'_>, reason: &str, met: &mut BTreeSet<String>) {
    for helper in HELPERS {
        assert_eq!(round.failures(helper).await, [reason], "{helper}");
    }
    met.insert(reason.to_owned());
}

/// Two honest helpers behind a rogue leader, and the codes that both were seen to refuse with.
struct Helpers {
    rogue: Rogue,
    client: Client,
    met: BTreeSet<String>,
}

impl Helpers {
    /// Proposes, and is refused for these reasons by both helpers, each by its own checks; nothing comes of it.
    async fn both_refuse(&mut self, requests: &[Relayed], expected: &[&str], about: &str) {
        self.met.extend(expected.iter().map(|&reason| reason.to_owned()));
        let mut round = self.rogue.propose(&HELPERS, requests).await;
        for helper in HELPERS {
            assert_eq!(round.refusals(helper), expected, "{about} at {helper}");
        }
        round.agree().await;
        // Where changes were asked for, the helpers wait for this.
        round.decide_against().await;
        for helper in HELPERS {
            assert_eq!(round.failures(helper).await, expected, "{about} in the end at {helper}");
        }
    }

    /// What the leader would have refused, were it honest.
    async fn faults_behind_the_leader(&mut self) {
        let rows: Vec<(&str, Relayed)> = REFUSALS
            .iter()
            .filter_map(|(reason, change)| {
                let mut draft = Draft::good();
                change(&mut draft);
                let envelopes = shut_envelopes(&self.client, draft.ask.method);
                is_carried(&draft).then(|| (*reason, relayed(&mut draft, &envelopes)))
            })
            .collect();
        for (place, rows) in rows.chunks(64).enumerate() {
            let (expected, requests): (Vec<_>, Vec<_>) = rows.iter().cloned().unzip();
            self.both_refuse(&requests, &expected, &format!("chunk {place}")).await;
        }
        let good = withdrawal(&self.client, "c-1", &face(1));
        let mut absent = relay(&draft_of(good.ask()), &good);
        absent.request = None;
        self.both_refuse(&[absent], &["REQUEST_INVALID"], "no request").await;
        for (reason, change) in spoilt_envelopes() {
            let mut request = withdrawal(&self.client, "c-1", &face(1)).into_request();
            HELPERS.into_iter().for_each(|helper| change(envelope(&mut request, helper)));
            let prepared = Prepared::new(request).unwrap();
            self.both_refuse(&[relay(&draft_of(prepared.ask()), &prepared)], &[reason], reason).await;
        }
        for (subject, purpose, reason) in
            [("c-9", "subject_lock", "SUBJECT_UNKNOWN"), ("c-2", "subject_lock", "SUBJECT_LOCKED")]
        {
            let prepared = if reason == "SUBJECT_LOCKED" {
                withdrawal(&self.client, subject, &face(1))
            } else {
                Prepared::lock(&target(subject, purpose)).unwrap()
            };
            self.both_refuse(&[relay(&draft_of(prepared.ask()), &prepared)], &[reason], reason).await;
        }
        let twice = enrolment(&self.client, "c-1", &face(1));
        self.both_refuse(&[relay(&draft_of(twice.ask()), &twice)], &["SUBJECT_EXISTS"], "twice").await;
        let often: Vec<Relayed> = (0..=BURST)
            .map(|number| lock_of_other_bank(&format!("p-{number}")))
            .map(|(draft, lock)| relay(&draft, &lock))
            .collect();
        self.both_refuse(&often[..BURST], &["SUBJECT_UNKNOWN"; BURST], "within the burst").await;
        self.both_refuse(&often[BURST..], &["RATE_LIMITED"], "beyond the burst").await;
    }

    /// What only a leader can do wrong.
    async fn faults_of_the_leader(&mut self) {
        let first = withdrawal(&self.client, "c-1", &face(1));
        let draft = draft_of(first.ask());
        let round = self.rogue.propose(&HELPERS, &[relay(&draft, &first)]).await;
        for helper in HELPERS {
            assert_eq!(round.refusals(helper), [""]);
            round.claim(helper, vec![Verdict { refusal: String::new(), position: 99 }]).await;
        }
        both_end_in(round, "NODES_OUT_OF_STEP", &mut self.met).await;
        // What was spent stays spent, at each helper.
        let other = withdrawal(&self.client, "c-1", &face(1));
        let (mut replayed, mut spent) = (draft_of(other.ask()), draft_of(other.ask()));
        replayed.proof["jti"] = draft.proof["jti"].clone();
        spent.claims["jti"] = draft.claims["jti"].clone();
        self.both_refuse(&[relay(&replayed, &other)], &["PROOF_REPLAYED"], "replayed").await;
        self.both_refuse(&[relay(&spent, &other)], &["TOKEN_SPENT"], "spent").await;
        let Request::Verify(mut message) = first.request().clone() else { unreachable!() };
        message.amount_kzt += 1;
        let reused = Prepared::new(Request::Verify(message)).unwrap();
        self.both_refuse(&[relay(&draft_of(reused.ask()), &reused)], &["REQUEST_ID_REUSED"], "reused").await;

        let broken = withdrawal(&self.client, "c-1", &face(1));
        let round = self.rogue.propose(&HELPERS, &[relay(&draft_of(broken.ask()), &broken)]).await;
        for helper in HELPERS {
            round.claim(helper, vec![Verdict { refusal: "no code".to_owned(), position: 0 }]).await;
        }
        both_end_in(round, "PEER_BROKEN", &mut self.met).await;
        let lock = Prepared::lock(&target("c-1", "subject_lock")).unwrap();
        let mixed = [&other, &lock].map(|prepared| relay(&draft_of(prepared.ask()), prepared));
        self.both_refuse(&mixed, &["BATCH_MIXED"; 2], "mixed").await;

        let mut round = self.rogue.propose(&HELPERS, &[relay(&draft_of(lock.ask()), &lock)]).await;
        round.agree().await;
        round.all_vote_for_it().await;
        round.decide_against().await;
        both_end_in(round, "CHANGE_REFUSED", &mut self.met).await;
    }

    /// A good request, proposed to B alone. Gives its transcript.
    async fn one_helper_alone(&mut self) -> [u8; 32] {
        let good = withdrawal(&self.client, "c-1", &face(1));
        let mut draft = draft_of(good.ask());
        draft.details()["max_uses"] = json!(2);
        let mut round = self.rogue.propose(&[Party::B], &[relay(&draft, &good)]).await;
        assert_eq!(round.refusals(Party::B), [""]);
        round.agree().await;
        draft.proof["jti"] = json!(fresh_id());
        let mut again = self.rogue.propose(&[Party::B], &[relay(&draft, &good)]).await;
        assert_eq!(again.refusals(Party::B), ["REQUEST_IN_FLIGHT"], "while B waits for C");
        assert_eq!(round.failures(Party::B).await, ["PEER_LOST"]);
        assert_eq!(again.failures(Party::B).await, ["REQUEST_IN_FLIGHT"]);
        self.met.extend(["PEER_LOST", "REQUEST_IN_FLIGHT"].map(str::to_owned));
        good.ask().transcript()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_helper_refuses_for_itself_what_a_rogue_leader_lets_through() {
    let installation = Installation::new();
    let [a, b, c] = installation.start_all().await;
    let client = installation.client().await;
    for (subject, seed) in [("c-1", 1), ("c-2", 2)] {
        answer(&client, &enrolment(&client, subject, &face(seed))).await;
    }
    answer(&client, &Prepared::lock(&target("c-2", "subject_lock")).unwrap()).await;
    a.stop().await.unwrap();
    let runs = [&b, &c].map(|node| node.counters().protocol_runs());

    let rogue = Rogue::link(&installation).await;
    let mut helpers = Helpers { rogue, client, met: BTreeSet::new() };
    helpers.faults_behind_the_leader().await;
    helpers.faults_of_the_leader().await;
    let alone = helpers.one_helper_alone().await;
    let elsewhere = NO_MESSAGE_SAYS.iter().chain(&NOT_CALLED_UP).chain(&NOT_A_HELPERS);
    let mut due: BTreeSet<&str> = reasons().map(|row| row.code).collect();
    due.retain(|code| !elsewhere.clone().any(|other| other == code));
    assert!(helpers.met.iter().eq(&due), "{:?}", helpers.met);
    assert_eq!([&b, &c].map(|node| node.counters().protocol_runs()), runs, "no run began, so no bit was opened");
    helpers.rogue.close();

    let a = installation.start(Party::A).await;
    a.ready().await;
    let client = installation.client().await;
    assert_eq!(answer(&client, &withdrawal(&client, "c-1", &face(1))).await.outcome, Outcome::Match);
    stop([a, b, c]).await;
    let lost = Event::Failed(Reason::fixed("PEER_LOST"));
    let in_flight = Event::Denied(Reason::fixed("REQUEST_IN_FLIGHT"));
    assert_eq!(installation.logged(Party::B, &alone), [Event::Admitted, in_flight, lost]);
    for party in [Party::A, Party::C] {
        assert_eq!(installation.logged(party, &alone), [], "{party} never heard of it");
    }
}
