//! What each helper says when the leader lets everything through: the same as an honest leader, and more.

use std::collections::BTreeSet;

use serde_json::json;
use tumar::client::{Client, Prepared};
use tumar::log::entry::Event;
use tumar::log::receipt::Outcome;
use tumar::name::RequestId;
use tumar::party::Party;
use tumar::reason::Reason;
use tumar::wire::peer::v1::relayed::Request;
use tumar::wire::peer::v1::{Relayed, Verdict};

use super::rogue::{Rogue, Round};
use super::searches::{misshapen_searches, search, search_in};
use super::wired::{
    BEFORE, BURST, Installation, JUNK, answer, draft_of, enrolment, envelope, face, finger_withdrawal, fresh_id,
    junk_enrolments, largest_enrolment, lock, lock_of_other_bank, malformed_sets, relay, relayed, shut_envelopes,
    spoilt_envelopes, stop, vector_withdrawal, withdrawal, withdrawal_of,
};
use super::{HELPERS, NO_MESSAGE_SAYS, NOT_A_HELPERS, NOT_CALLED_UP, rows};
use crate::support::cluster::{GALLERY, target};
use crate::support::token_fixtures::Draft;
use crate::support::token_fixtures::officers::CASE;

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
        let relay_row = |(reason, mut draft): (&'static str, Draft)| {
            let envelopes = shut_envelopes(&self.client, draft.ask.method);
            (reason, relayed(&mut draft, &envelopes))
        };
        let rows: Vec<(&str, Relayed)> = rows().into_iter().map(relay_row).collect();
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
            for helper in HELPERS {
                change(envelope(&mut request, helper));
            }
            let prepared = Prepared::new(request).unwrap();
            self.both_refuse(&[relay(&draft_of(prepared.ask()), &prepared)], &[reason], reason).await;
        }
        for (field, change) in misshapen_searches() {
            let good = search(&self.client, &face(1));
            let mut relayed = relay(&draft_of(good.ask()), &good);
            let Some(Request::Search(message)) = &mut relayed.request else { unreachable!() };
            change(message);
            self.both_refuse(&[relayed], &["REQUEST_INVALID"], field).await;
        }
        for (reason, change) in spoilt_envelopes() {
            let mut request = search(&self.client, &face(1)).into_request();
            for helper in HELPERS {
                change(envelope(&mut request, helper));
            }
            let prepared = Prepared::new(request).unwrap();
            let about = format!("{reason} of a search");
            self.both_refuse(&[relay(&draft_of(prepared.ask()), &prepared)], &[reason], &about).await;
        }
        for (about, request) in malformed_sets(&self.client) {
            let prepared = Prepared::new(request).unwrap();
            self.both_refuse(&[relay(&draft_of(prepared.ask()), &prepared)], &["ENVELOPE_MALFORMED"], about).await;
        }
        for (reason, prepared) in [
            ("REFERENCE_MISSING", finger_withdrawal(&self.client, "c-1")),
            ("MODEL_NOT_COMPARED", vector_withdrawal(&self.client, "c-1")),
            ("SUBJECT_UNKNOWN", lock(&target("c-9", "subject_lock"))),
            ("SUBJECT_LOCKED", withdrawal(&self.client, "c-2", &face(1))),
            ("SUBJECT_EXISTS", enrolment(&self.client, "c-1", &face(1))),
        ] {
            self.both_refuse(&[relay(&draft_of(prepared.ask()), &prepared)], &[reason], reason).await;
        }
        let junk = junk_enrolments(&self.client);
        self.both_refuse(&junk[..JUNK], &["ENVELOPE_INVALID"; JUNK], "junk").await;
        self.both_refuse(&junk[JUNK..], &["ENVELOPES_REFUSED"], "more junk").await;
        let often: Vec<Relayed> = (0..=BURST)
            .map(|number| lock_of_other_bank(&format!("p-{number}")))
            .map(|(draft, lock)| relay(&draft, &lock))
            .collect();
        // As many as a batch may have.
        for (place, some) in often[..BURST - BEFORE].chunks(60).enumerate() {
            self.both_refuse(some, &["SUBJECT_UNKNOWN"; 60][..some.len()], &format!("within the burst, {place}")).await;
        }
        // Those that it asked for before are among the last.
        let mut round = self.rogue.propose(&HELPERS, &often[BURST - BEFORE..BURST]).await;
        round.agree().await;
        round.decide_against().await;
        for helper in HELPERS {
            let ended = round.failures(helper).await;
            assert!(ended.iter().all(|word| word == "SUBJECT_UNKNOWN" || word == "RATE_LIMITED"), "{ended:?}");
        }
        drop(round);
        self.both_refuse(&often[BURST..], &["RATE_LIMITED"], "beyond the burst").await;
    }

    /// What only a leader can do wrong.
    async fn faults_of_the_leader(&mut self) {
        let first = withdrawal(&self.client, "c-1", &face(1));
        let draft = draft_of(first.ask());
        let round = self.rogue.propose(&HELPERS, &[relay(&draft, &first)]).await;
        for helper in HELPERS {
            assert_eq!(round.refusals(helper), [""]);
            let heard = round.verdicts[&helper][0].clone();
            round.claim(helper, vec![Verdict { position: 99, ..heard }]).await;
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
        let reused = Prepared::new(Request::Verify(message.clone())).unwrap();
        self.both_refuse(&[relay(&draft_of(reused.ask()), &reused)], &["REQUEST_ID_REUSED"], "reused").await;
        message.request_id = RequestId::from_random([6; 16]).to_string();
        let kept = Prepared::new(Request::Verify(message)).unwrap();
        self.both_refuse(&[relay(&draft_of(kept.ask()), &kept)], &["ENVELOPE_SPENT"], "kept").await;

        let broken = withdrawal(&self.client, "c-1", &face(1));
        let round = self.rogue.propose(&HELPERS, &[relay(&draft_of(broken.ask()), &broken)]).await;
        for helper in HELPERS {
            let heard = round.verdicts[&helper][0].clone();
            round.claim(helper, vec![Verdict { refusal: "no code".to_owned(), ..heard }]).await;
        }
        both_end_in(round, "PEER_BROKEN", &mut self.met).await;
        let lock = lock(&target("c-1", "subject_lock"));
        let mixed = [&other, &lock].map(|prepared| relay(&draft_of(prepared.ask()), prepared));
        self.both_refuse(&mixed, &["BATCH_MIXED"; 2], "mixed").await;
        let galleries = [GALLERY, "banks/b17/cards"].map(|gallery| {
            let search = search_in(&self.client, gallery, CASE, &face(1));
            relay(&draft_of(search.ask()), &search)
        });
        self.both_refuse(&galleries, &["BATCH_MIXED"; 2], "searches of two galleries").await;

        // Twelve of the largest make 8 MB, which is what a batch takes. These open nowhere.
        let large = (0..14).map(|number| largest_enrolment(&self.client, &format!("large-{number}")));
        let large: Vec<_> = large.map(|prepared| relay(&draft_of(prepared.ask()), &prepared)).collect();
        let expected: Vec<_> = (0..14).map(|n| if n < 12 { "ENVELOPE_INVALID" } else { "OVERLOADED" }).collect();
        self.both_refuse(&large, &expected, "too much at once").await;

        let mut round = self.rogue.propose(&HELPERS, &[relay(&draft_of(lock.ask()), &lock)]).await;
        round.agree().await;
        round.all_vote_for_it().await;
        round.decide_against().await;
        both_end_in(round, "CHANGE_REFUSED", &mut self.met).await;
    }

    /// Two good requests, of which each helper is shown another: what B was asked, C never heard of.
    async fn two_requests_for_one(&mut self) {
        let [one, other] = [40_000, 50_000].map(|amount_kzt| {
            let prepared = withdrawal_of(&self.client, "c-1", &face(1), amount_kzt);
            [relay(&draft_of(prepared.ask()), &prepared)]
        });
        let searches = [CASE, b"case 18"].map(|case| {
            let prepared = search_in(&self.client, GALLERY, case, &face(1));
            [relay(&draft_of(prepared.ask()), &prepared)]
        });
        for [one, other] in [[one, other], searches] {
            let round = self.rogue.propose_each(&[(Party::B, &one), (Party::C, &other)]).await;
            for helper in HELPERS {
                assert_eq!(round.refusals(helper), [""], "each is good by itself");
            }
            // To each it says that A was asked the same.
            round.agree().await;
            both_end_in(round, "NODES_OUT_OF_STEP", &mut self.met).await;
        }
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
        good.ask().request_digest()
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
    answer(&client, &lock(&target("c-2", "subject_lock"))).await;
    a.stop().await.unwrap();
    let runs = [&b, &c].map(|node| node.counters().protocol_runs());

    let rogue = Rogue::link(&installation).await;
    let mut helpers = Helpers { rogue, client, met: BTreeSet::new() };
    helpers.faults_behind_the_leader().await;
    helpers.faults_of_the_leader().await;
    helpers.two_requests_for_one().await;
    let alone = helpers.one_helper_alone().await;
    let elsewhere = NO_MESSAGE_SAYS.iter().chain(&NOT_CALLED_UP).chain(&NOT_A_HELPERS);
    let mut due: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    due.retain(|code| !elsewhere.clone().any(|other| other == code));
    assert!(helpers.met.iter().eq(&due), "{:?}", helpers.met);
    assert_eq!([&b, &c].map(|node| node.counters().protocol_runs()), runs, "no run began, so no bit was opened");
    helpers.rogue.close();

    let a = installation.start(Party::A).await;
    a.ready().await;
    let client = installation.client().await;
    assert_eq!(answer(&client, &withdrawal(&client, "c-1", &face(1))).await.outcome, Outcome::Match);
    stop([a, b, c]).await;
    let lost = Event::Failed(Reason::PeerLost.into());
    let in_flight = Event::Denied(Reason::RequestInFlight.into());
    assert_eq!(installation.logged(Party::B, &alone), [Event::Admitted, in_flight, lost]);
    for party in [Party::A, Party::C] {
        assert_eq!(installation.logged(party, &alone), [], "{party} never heard of it");
    }
}
