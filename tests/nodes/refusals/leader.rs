//! What the leader says to a client: of requests and envelopes, of what was used up, of subjects, templates, and nodes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tumar::client::{Client, Prepared};
use tumar::log::entry::Event;
use tumar::log::receipt::Outcome;
use tumar::name::{RequestId, Subject};
use tumar::node::Node;
use tumar::party::Party;
use tumar::reason::Reason;
use tumar::request::Method;
use tumar::service::MAX_REQUEST;
use tumar::share::{Masks, split};
use tumar::template::Shape;
use tumar::wire::peer::v1::Relayed;
use tumar::wire::peer::v1::relayed::Request;
use tumar::wire::v1;
use tumar::wire::v1::matching_service_client::MatchingServiceClient;
use zeroize::Zeroizing;

use super::AT_THE_LEADER;
use super::searches::{misshapen_searches, search};
use super::wired::{
    BEFORE, BURST, Call, DIMENSION, Installation, JUNK, Seal, answer, assert_refused, bare, draft_of, enrolment,
    envelope, face, finger_withdrawal, fresh_id, junk_enrolments, lock, lock_of_other_bank, malformed_sets, minute,
    other_bindings, spoilt_envelopes, stop, withdrawal,
};
use crate::support::cluster::{self, target};

type Misshape = fn(&mut v1::VerifySubjectRequest);

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
    async fn refused(&mut self, call: &Call, reason: &str, node: Party, about: &str) -> Status {
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
        let changes: [(&str, Misshape); 10] = [
            ("request_id", |m| "1".clone_into(&mut m.request_id)),
            ("request_id", |m| m.request_id.make_ascii_uppercase()),
            ("gallery", |m| "banks/b17/*".clone_into(&mut m.gallery)),
            ("subject", |m| m.subject = String::new()),
            ("subject", |m| m.subject = "x".repeat(65)),
            ("purpose", |m| "Cash".clone_into(&mut m.purpose)),
            ("model", |m| "fr 512".clone_into(&mut m.samples[0].model)),
            ("modality", |m| m.samples[0].modality = 7),
            ("samples", |m| m.samples.clear()),
            ("samples", |m| m.samples = vec![m.samples[0].clone(); 3]),
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
        let status = self.refused(&call, "REQUEST_TOO_LARGE", Party::A, "a long envelope").await;
        assert_eq!(status.code(), Code::OutOfRange);
    }

    async fn envelopes_that_do_not_open(&mut self) {
        for party in Party::ALL {
            for (reason, change) in spoilt_envelopes() {
                let mut request = withdrawal(&self.client, "c-1", &face(1)).into_request();
                change(envelope(&mut request, party));
                let call = Call::good(&Prepared::new(request).unwrap());
                // Every node sees the lengths of all three, and the leader is the first to look.
                let node = if reason == "ENVELOPE_MALFORMED" { Party::A } else { party };
                self.refused(&call, reason, node, &format!("{reason} for {party}")).await;
            }
            // The later ones at one node each: the clock stands still, and the rate with it.
            let here = |place: usize| place < 6 || place % 3 == party.index();
            for (_, (about, change)) in other_bindings().into_iter().enumerate().filter(|(place, _)| here(*place)) {
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

    async fn sets_that_no_finger_makes(&mut self) {
        for (about, request) in malformed_sets(&self.client) {
            let call = Call::good(&Prepared::new(request).unwrap());
            self.refused(&call, "ENVELOPE_MALFORMED", Party::A, about).await;
        }
    }

    /// What goes wrong with one search. A good one then finds who is enrolled.
    async fn searches(&mut self) {
        let good = search(&self.client, &face(1));
        for (field, change) in misshapen_searches() {
            let Request::Search(mut message) = good.request().clone() else { unreachable!() };
            change(&mut message);
            let call = Call { request: Request::Search(message), ..Call::good(&good) };
            let status = self.refused(&call, "REQUEST_INVALID", Party::A, field).await;
            assert_eq!(status.get_error_details().error_info().unwrap().metadata["field"], field);
        }
        for party in Party::ALL {
            for (reason, change) in spoilt_envelopes() {
                let mut request = search(&self.client, &face(1)).into_request();
                change(envelope(&mut request, party));
                let call = Call::good(&Prepared::new(request).unwrap());
                let node = if reason == "ENVELOPE_MALFORMED" { Party::A } else { party };
                self.refused(&call, reason, node, &format!("{reason} for {party}, of a search")).await;
            }
        }
        // Of one node each: the clock stands still, and the rate with it.
        for ((about, change), party) in other_bindings().into_iter().zip(Party::ALL.into_iter().cycle()) {
            let mut request = search(&self.client, &face(1)).into_request();
            let mut seal = Seal::fitting(party, Prepared::new(request.clone()).unwrap().ask());
            change(&mut seal);
            *envelope(&mut request, party) = seal.envelope(&self.client, &[0; DIMENSION]);
            let call = Call::good(&Prepared::new(request).unwrap());
            self.refused(&call, "ENVELOPE_INVALID", party, &format!("{about} of {party}, of a search")).await;
        }
        // The proof is of one case and of two approvals: of others, and it is refused before they are looked at.
        let call = Call::good(&good);
        let Request::Search(message) = good.request().clone() else { unreachable!() };
        let mut other_case = message.clone();
        other_case.case_digest[0] ^= 1;
        let mut swapped = message.clone();
        swapped.approvals.swap(0, 1);
        let mut more = message;
        more.max_candidates += 1;
        for (about, message) in [("another case", other_case), ("approvals swapped", swapped), ("more people", more)] {
            let call = Call { request: Request::Search(message), ..call.clone() };
            let status = call.send(&self.channel).await.unwrap_err();
            assert_refused(&status, "PROOF_RQH", Party::A, about);
        }
        for (seed, people) in [(1, &["c-1"][..]), (9, &[])] {
            let answer = answer(&self.client, &search(&self.client, &face(seed))).await;
            assert_eq!(answer.outcome, Outcome::Searched);
            let found = answer.found.unwrap();
            assert!(found.candidates.iter().map(Subject::as_str).eq(people.iter().copied()), "{found:?}");
            assert!(!found.truncated);
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
        let call = Call::good(&Prepared::new(Request::Verify(message.clone())).unwrap());
        self.refused(&call, "REQUEST_ID_REUSED", Party::A, "another amount").await;
        message.request_id = RequestId::from_random([6; 16]).to_string();
        let call = Call::good(&Prepared::new(Request::Verify(message)).unwrap());
        self.refused(&call, "ENVELOPE_SPENT", Party::A, "another amount and id").await;
    }

    async fn subjects(&mut self) {
        let unknown = target("c-9", "subject_lock");
        for prepared in [
            withdrawal(&self.client, "c-9", &face(1)),
            bare(&target("c-9", "erasure"), Method::Erase),
            lock(&unknown),
            bare(&target("c-9", "subject_unlock"), Method::Unlock),
        ] {
            self.refused(&Call::good(&prepared), "SUBJECT_UNKNOWN", Party::A, "c-9").await;
        }
        let by_finger = Call::good(&finger_withdrawal(&self.client, "c-1"));
        self.refused(&by_finger, "REFERENCE_MISSING", Party::A, "a face, and no finger").await;
        let call = Call::good(&enrolment(&self.client, "c-1", &face(2)));
        self.refused(&call, "SUBJECT_EXISTS", Party::A, "c-1").await;
        let known = target("c-1", "subject_lock");
        assert_eq!(answer(&self.client, &lock(&known)).await.outcome, Outcome::Locked);
        let call = Call::good(&withdrawal(&self.client, "c-1", &face(1)));
        self.refused(&call, "SUBJECT_LOCKED", Party::A, "c-1").await;
        let unlock = bare(&target("c-1", "subject_unlock"), Method::Unlock);
        assert_eq!(answer(&self.client, &unlock).await.outcome, Outcome::Unlocked);
    }

    /// Another bank asks too often; the first one does not feel it.
    async fn rate(&mut self) {
        let locks = (0..=BURST).map(|number| lock_of_other_bank(&format!("p-{number}")));
        let calls: Vec<Call> = locks.map(|(draft, lock)| Call::with(&draft, &lock)).collect();
        let sent: Vec<_> = calls[..BURST - BEFORE]
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
        for call in &calls[BURST - BEFORE..BURST] {
            // Those that it asked for before are among them.
            drop(call.send(&self.channel).await.unwrap_err());
        }
        let status = self.refused(&calls[BURST], "RATE_LIMITED", Party::A, "beyond the burst").await;
        assert!(status.get_error_details().retry_info().unwrap().retry_delay.is_some());
    }

    /// A client whose envelopes do not open is stopped; another one is not, and nobody's attempts are counted.
    async fn envelopes_of_one_client(&mut self) {
        let junk = junk_enrolments(&self.client);
        for (number, Relayed { token, proof, request, .. }) in junk.into_iter().enumerate() {
            let call = Call::new(&token, &proof, request.unwrap());
            let reason = if number < JUNK { "ENVELOPE_INVALID" } else { "ENVELOPES_REFUSED" };
            let status = self.refused(&call, reason, Party::A, &format!("junk {number}")).await;
            let wait = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
            assert_eq!(wait, (number == JUNK).then_some(Duration::from_secs(1)));
        }
        let good = withdrawal(&self.client, "c-1", &face(1));
        assert_eq!(answer(&self.client, &good).await.outcome, Outcome::Match, "another client");
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

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_beyond_the_token_is_refused_at_the_leader() {
    let mut leader = Leader::with_one().await;
    leader.requests_without_form().await;
    leader.envelopes_that_do_not_open().await;
    leader.sets_that_no_finger_makes().await;
    leader.searches().await;
    leader.what_was_used_up().await;
    leader.subjects().await;
    leader.rate().await;
    leader.envelopes_of_one_client().await;
    leader.nodes_that_are_not_there().await;
    let templates = ["ATTEMPTS_DELAYED", "TEMPLATE_INCONSISTENT", "TEMPLATE_LENGTH"].map(str::to_owned);
    leader.met.extend(templates); // the next test's
    assert!(leader.met.iter().eq(AT_THE_LEADER.iter()), "{:?}", leader.met);
    stop(leader.nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_answered_is_answered_alike_and_is_no_second_use_at_any_node() {
    let leader = Leader::with_one().await;
    let asked = withdrawal(&leader.client, "c-1", &face(1));
    let mut draft = draft_of(asked.ask());
    let mut answers = Vec::new();
    for _ in 0..3 {
        draft.proof["jti"] = json!(fresh_id());
        let token = draft.token();
        answers.push(leader.client.call(token.access(), token.proof(), &asked).await.unwrap());
    }
    assert_eq!(answers[0].outcome, Outcome::Match);
    assert!(answers.iter().all(|answer| answer.receipts == answers[0].receipts), "the receipts that were kept");
    stop(leader.nodes).await;
    for party in Party::ALL {
        let logged = leader.installation.logged(party, &asked.ask().request_digest());
        // The leader has the answer, and says that it gave it again.
        let again: &[Event] = if party == Party::A { &[Event::Again(1), Event::Again(2)] } else { &[] };
        assert_eq!(logged, [&[Event::Admitted, Event::Completed], again].concat(), "{party}");
    }
}

/// A request for one sample, whose shares no honest terminal would make: of these packed nibbles; two holders of one summand
/// hold different ones if `torn`.
fn sealed_by_hand(client: &Client, prepared: Prepared, packed: &[u8], torn: bool) -> Prepared {
    let ask = prepared.ask().clone();
    let mut request = prepared.into_request();
    let masks = Masks::from_random(Zeroizing::new((0..=255).cycle().take(2 * packed.len()).collect()));
    let shares = split(Shape::vector(2 * packed.len()).unwrap(), packed, masks).unwrap();
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
        let of_a_search = search(&leader.client, &face(1));
        for prepared in [reference, probe, of_a_search] {
            let prepared = sealed_by_hand(&leader.client, prepared, packed, torn);
            leader.refused(&Call::good(&prepared), reason, Party::A, "by hand").await;
            refused.push((prepared.ask().request_digest(), reason));
        }
        let call = Call::good(&withdrawal(&leader.client, "c-2", &face(2)));
        leader.refused(&call, "SUBJECT_UNKNOWN", Party::A, "never enrolled").await;
    }
    let (config, committee) = (leader.client.config(), leader.client.committee());
    let (whom, model) = (target("c-1", "cash_withdrawal"), cluster::model());
    let probe =
        Prepared::danger_verify_packed(config, &committee, &whom, &[(model.id(), &largest)], 0, minute()).unwrap();
    leader.refused(&Call::good(&probe), "TEMPLATE_LENGTH", Party::A, "by the client").await;
    refused.push((probe.ask().request_digest(), "TEMPLATE_LENGTH"));

    // The lengths of three probes were opened, so the fourth must wait; that shares do not belong together tells nothing of anybody.
    let fourth = Call::good(&withdrawal(&leader.client, "c-1", &face(1)));
    let status = leader.refused(&fourth, "ATTEMPTS_DELAYED", Party::A, "after three that are no templates").await;
    assert_eq!(status.get_error_details().retry_info().unwrap().retry_delay, Some(Duration::from_secs(30)));
    let unlock = bare(&target("c-1", "subject_unlock"), Method::Unlock);
    assert_eq!(answer(&leader.client, &unlock).await.outcome, Outcome::Unlocked);
    // And whoever was refused can be enrolled, by shares made the same way.
    let taken = sealed_by_hand(&leader.client, enrolment(&leader.client, "c-2", &face(2)), &good, false);
    assert_eq!(answer(&leader.client, &taken).await.outcome, Outcome::Enrolled);
    for (subject, outcome) in [("c-1", Outcome::NoMatch), ("c-2", Outcome::Match)] {
        assert_eq!(answer(&leader.client, &withdrawal(&leader.client, subject, &face(2))).await.outcome, outcome);
    }
    stop(leader.nodes).await;
    for (rq, reason) in refused {
        for party in Party::ALL {
            let failed = Event::Failed(Reason::of(reason).unwrap().into());
            assert_eq!(leader.installation.logged(party, &rq), [Event::Admitted, failed], "{party}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_with_no_template_is_refused_before_its_pass_begins_and_hears_nothing_of_it() {
    let leader = Leader::with_one().await;
    let (client, channel, counters) = (&leader.client, &leader.channel, leader.nodes[0].counters());
    let (mut shared, mut at_once) = (0, 0);
    for _ in 0..40 {
        let [first, other] = [(); 2].map(|()| Call::good(&search(client, &face(1))));
        let bad = sealed_by_hand(client, search(client, &face(1)), &[0; DIMENSION / 2], false);
        let bad = Call::good(&bad);
        let (batches, heard) = (counters.batches(), [(); 3].map(|()| AtomicU64::new(0)));
        // While the first one's pass is under way, the two others come to wait for the next.
        let together = async {
            while counters.batches() == batches {
                tokio::task::yield_now().await;
            }
            let refused = async {
                let status = bad.search(channel, &heard[1]).await.map(|_| "answered").unwrap_err();
                // Whatever had come for the other one by then is read; a pass takes far longer.
                for _ in 0..300 {
                    tokio::task::yield_now().await;
                }
                (status, heard[2].load(Ordering::SeqCst))
            };
            tokio::join!(refused, other.search(channel, &heard[2]))
        };
        let (of_first, ((status, of_the_pass), of_other)) = tokio::join!(first.search(channel, &heard[0]), together);
        assert!(of_first.is_ok() && of_other.is_ok());
        assert_refused(&status, "TEMPLATE_LENGTH", Party::A, "in a pass with another");
        assert_eq!(heard[1].load(Ordering::SeqCst), 0, "it hears of another's search");
        if counters.batches() == batches + 2 {
            shared += 1;
            at_once += u32::from(of_the_pass == 0);
        }
        if shared == 5 {
            break;
        }
    }
    assert!(shared > 0, "no two shared a pass");
    assert!(2 * at_once > shared, "{at_once} of {shared} were refused before the pass had ended");
    stop(leader.nodes).await;
}
