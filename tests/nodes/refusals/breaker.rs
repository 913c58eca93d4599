//! A node that breaks runs: after three of them the others stop, and say so.

use std::time::Duration;

use tumar::client::Client;
use tumar::log::entry::Event;
use tumar::log::receipt::Outcome;
use tumar::party::Party;
use tumar::reason::Reason;
use tumar::wire::peer::v1::Verdict;

use super::HELPERS;
use super::rogue::Rogue;
use super::wired::{Installation, answer, draft_of, enrolment, face, relay, stop, withdrawal};

/// A run that A breaks at B by a message that is none. Gives the request's transcript.
async fn broken_run(rogue: &Rogue, client: &Client) -> [u8; 32] {
    let probe = withdrawal(client, "c-1", &face(1));
    let rq = probe.ask().request_digest();
    let round = rogue.propose(&HELPERS, &[relay(&draft_of(probe.ask()), &probe)]).await;
    for helper in HELPERS {
        assert_eq!(round.refusals(helper), [""]);
    }
    round.agree().await;
    round.send_nonsense(Party::B, &[Some(rq)]).await;
    let mut round = round;
    // C hears from B that the run is over.
    assert_eq!(round.failures(Party::C).await, ["PEER_LOST"]);
    rq
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_broke_three_runs_is_not_served_with_until_an_operator_acts() {
    let installation = Installation::new();
    let [a, b, c] = installation.start_all().await;
    let client = installation.client().await;
    answer(&client, &enrolment(&client, "c-1", &face(1))).await;
    a.stop().await.unwrap();
    let rogue = Rogue::link(&installation).await;
    let mut broken = Vec::new();
    for _ in 0..3 {
        broken.push(broken_run(&rogue, &client).await);
    }
    rogue.dropped_by(Party::B).await;
    assert_eq!((b.breaks(Party::A).wrong, b.breaks(Party::C).all, c.breaks(Party::A).all), (3, 0, 0));
    rogue.close();

    // Not even an honest A is linked with.
    let a = installation.start(Party::A).await;
    let ready = tokio::time::timeout(Duration::from_secs(3), b.ready()).await;
    ready.expect_err("B serves again by itself");
    b.stop().await.unwrap();
    let reasons = [Reason::PeerLost, Reason::PeerLost, Reason::NodeADistrusted];
    for (rq, reason) in broken.iter().zip(reasons) {
        assert_eq!(installation.logged(Party::B, rq), [Event::Admitted, Event::Failed(reason.into())]);
    }

    let b = installation.start(Party::B).await;
    for node in [&a, &b, &c] {
        node.ready().await;
    }
    let client = installation.client().await;
    assert_eq!(answer(&client, &withdrawal(&client, "c-1", &face(1))).await.outcome, Outcome::Match);
    stop([a, b, c]).await;
}

/// A tells B that it helps with the first of two requests alone, and C that it helps with the second alone. As many lanes would run at
/// both, and not the same ones.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_different_things_to_two_nodes_has_them_in_two_sessions() {
    let installation = Installation::new();
    let [a, b, c] = installation.start_all().await;
    let client = installation.client().await;
    for subject in ["c-1", "c-2"] {
        answer(&client, &enrolment(&client, subject, &face(1))).await;
    }
    a.stop().await.unwrap();
    let rogue = Rogue::link(&installation).await;
    let probes = ["c-1", "c-2"].map(|subject| withdrawal(&client, subject, &face(1)));
    let [first, second] = [0, 1].map(|place: usize| Some(probes[place].ask().request_digest()));
    let mut round = rogue.propose(&HELPERS, &probes.each_ref().map(|probe| relay(&draft_of(probe.ask()), probe))).await;
    for (helper, refused, runs) in [(Party::B, 1, [first, None]), (Party::C, 0, [None, second])] {
        assert_eq!(round.refusals(helper), ["", ""]);
        let mut verdicts = round.verdicts[&helper].clone();
        verdicts[refused] = Verdict { refusal: "SUBJECT_LOCKED".to_owned(), ..Verdict::default() };
        round.claim(helper, verdicts).await;
        // Each is where it was told to be, and nothing that the one says is heard by the other.
        round.send_nonsense(helper, &runs).await;
    }
    assert_eq!(round.failures(Party::B).await, ["PEER_LOST", "SUBJECT_LOCKED"]);
    assert_eq!(round.failures(Party::C).await, ["SUBJECT_LOCKED", "PEER_LOST"]);
    assert_eq!([&b, &c].map(|node| (node.breaks(Party::A).wrong, node.breaks(Party::A).all)), [(1, 1); 2]);
    rogue.close();
    stop([b, c]).await;
}
