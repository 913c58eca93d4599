//! A clock that is wrong, at the start of a node or as a leap: nothing is destroyed, nothing is served, the nodes say so, and all is as
//! it was when the clock is right again.

use std::collections::BTreeSet;

use tonic_health::pb::health_check_response::ServingStatus;
use tumar::client::Prepared;
use tumar::log::receipt::Outcome;
use tumar::name::RequestId;
use tumar::party::Party;
use tumar::request::Method;
use tumar::seal::KeyId;

use crate::nodes::{ALMOST_RIGHT, Nodes};

const DAY: i64 = 86_400;

/// 40 days, 1200 days, and 20 years back.
const WRONG: [i64; 3] = [40 * DAY, 1200 * DAY, -20 * 365 * DAY];

/// What a node says that does not act by its clock, or by those of others.
const SAYS: &str = "clock in doubt, nothing is served or destroyed";

/// All that a wrong clock could destroy, or begin.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    /// Envelope keys of the three.
    keys: [KeyId; 3],
    /// Half-years of their logs.
    halves: [BTreeSet<String>; 3],
    /// What sweeps say of what they destroyed.
    swept: usize,
}

fn kept(nodes: &Nodes) -> Kept {
    let halves = Party::ALL.map(|party| {
        let folder = std::fs::read_dir(nodes.files.node(party).join("data/log")).unwrap();
        folder.map(|half| half.unwrap().file_name().into_string().unwrap()).collect()
    });
    let swept = Party::ALL.map(|party| nodes.files.said(party).matches("a sweep destroyed").count());
    let keys = Party::ALL.map(|party| *nodes.client.committee().key(party).id());
    Kept { keys, halves, swept: swept.iter().sum() }
}

/// How often each of the three has said that it does not act.
fn said(nodes: &Nodes) -> [usize; 3] {
    Party::ALL.map(|party| nodes.files.said(party).matches(SAYS).count())
}

/// Nobody serves, and the nodes say why: first that a doubt has come up, then, while it lasts, with whom.
async fn stands_still(nodes: &Nodes, wrong: Party, said_before: [usize; 3]) {
    for party in Party::ALL {
        nodes.says(party, SAYS, said_before[party.index()] + 1).await;
        nodes.becomes(party, ServingStatus::NotServing).await;
    }
    for other in [wrong.next(), wrong.prev()] {
        nodes.says(wrong, &format!("node {other} can not be used"), 1).await;
        nodes.says(other, &format!("node {wrong} can not be used"), 1).await;
    }
    let refused = nodes.verify(1).await.unwrap().unwrap_err();
    let refusal = refused.refusal().expect("a refusal by reason");
    assert_eq!((refusal.reason.as_str(), refusal.node), ("CLOCK_IN_DOUBT", Some(wrong)));
}

/// All is as it was: the person, the answer of an earlier request, the keys, the logs.
async fn is_whole(nodes: &mut Nodes, earlier: &(Prepared, RequestId), before: &Kept) {
    nodes.reconnect().await;
    assert_eq!(nodes.verify(1).await.unwrap().unwrap().outcome, Outcome::Match);
    let again = nodes.client.send(&nodes.token("cash_withdrawal", Method::Verify), &earlier.0).await.unwrap();
    assert_eq!((again.outcome, earlier.0.ask().request_id), (Outcome::Match, earlier.1), "as it was answered before");
    assert_eq!(kept(nodes), *before);
}

async fn start() -> (Nodes, (Prepared, RequestId)) {
    let nodes = Nodes::start(|_| {}).await;
    let earlier = nodes.withdrawal(1);
    let answered = nodes.client.send(&nodes.token("cash_withdrawal", Method::Verify), &earlier).await.unwrap();
    assert_eq!(answered.outcome, Outcome::Match);
    let id = earlier.ask().request_id;
    (nodes, (earlier, id))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_starts_with_a_wrong_clock_serves_and_destroys_nothing_until_it_is_right() {
    let (mut nodes, earlier) = start().await;
    let before = kept(&nodes);
    for party in Party::ALL {
        for wrong in WRONG {
            let said_before = said(&nodes);
            nodes.end(party);
            nodes.clocks[party.index()].set(wrong);
            nodes.begin(party);
            nodes.becomes(party, ServingStatus::NotServing).await;
            // The leader is another process than the one that the client was connected to.
            if party == Party::A {
                for other in Party::ALL {
                    nodes.says(other, SAYS, said_before[other.index()] + 1).await;
                    nodes.becomes(other, ServingStatus::NotServing).await;
                }
            } else {
                stands_still(&nodes, party, said_before).await;
            }
            // Without another start.
            nodes.clocks[party.index()].set(ALMOST_RIGHT[party.index()]);
            is_whole(&mut nodes, &earlier, &before).await;
        }
    }
    nodes.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_clock_leaps_serves_and_destroys_nothing_until_it_is_back() {
    let (mut nodes, earlier) = start().await;
    let before = kept(&nodes);
    for party in Party::ALL {
        for wrong in WRONG {
            let said_before = said(&nodes);
            nodes.clocks[party.index()].set(wrong);
            stands_still(&nodes, party, said_before).await;
            nodes.clocks[party.index()].set(ALMOST_RIGHT[party.index()]);
            is_whole(&mut nodes, &earlier, &before).await;
        }
    }
    nodes.stop();
}
