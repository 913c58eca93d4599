//! What was refused and is sent again: a log does not grow by it.

use std::collections::BTreeSet;

use tumar::client::Prepared;
use tumar::log::entry::Event;
use tumar::log::receipt::Outcome;
use tumar::request::Method;
use tumar::token::{Action, Narrowing, TokenRequest};
use tumar::wire::peer::v1::relayed;

use crate::nodes::{Nodes, events};
use crate::support::cluster::{now, reason, target};

#[tokio::test(flavor = "multi_thread")]
async fn one_request_sent_a_thousand_times_makes_a_handful_of_entries() {
    let nodes = Nodes::start(|_| {}).await;
    let token = nodes.token("cash_withdrawal", Method::Verify);
    let answered = nodes.withdrawal(1);
    assert_eq!(nodes.client.send(&token, &answered).await.unwrap().outcome, Outcome::Match);
    // Its token is spent now; the request id stands for it; and other things are wrong with others.
    let spent = nodes.withdrawal(1);
    let relayed::Request::Verify(mut message) = answered.request().clone() else { unreachable!() };
    message.amount_kzt += 1;
    let reused = Prepared::new(relayed::Request::Verify(message)).unwrap();
    let unknown = Prepared::lock(nodes.client.config(), &target("c-9", "subject_lock")).unwrap();
    let denied = nodes.withdrawal(1);
    let fresh = |purpose, method| nodes.token(purpose, method);
    let captured = [
        (token, &spent, "TOKEN_SPENT", 1000),
        (fresh("cash_withdrawal", Method::Verify), &reused, "REQUEST_ID_REUSED", 100),
        (fresh("subject_lock", Method::Lock), &unknown, "SUBJECT_UNKNOWN", 100),
        (fresh("card_activation", Method::Verify), &denied, "PURPOSE_NOT_GRANTED", 100),
        (fresh("cash_withdrawal", Method::Verify), &answered, "OK", 100),
    ];
    for (token, prepared, expected, times) in &captured {
        let proof = nodes.client.prove(token, prepared.ask(), None).unwrap();
        // What was wrong at first, or that it was sent before.
        let first = nodes.repeat(token, &proof, prepared, 1).await;
        assert_eq!(first, [*expected]);
        let heard = nodes.repeat(token, &proof, prepared, times - 1).await;
        let told = |word: &String| word == expected || word == "PROOF_REPLAYED" || word == "OVERLOADED";
        assert!(heard.iter().all(told), "{:?}", heard.iter().collect::<BTreeSet<_>>());
    }
    let logs = nodes.stop();
    for (_, prepared, expected, _) in &captured {
        let [a, b, c] = logs.each_ref().map(|log| events(log, prepared));
        if *expected == "OK" {
            let again = [1, 2, 3].map(Event::Again);
            assert_eq!(a, [&[Event::Admitted, Event::Completed][..], &again].concat());
            assert_eq!([b, c], [(); 2].map(|()| vec![Event::Admitted, Event::Completed]));
        } else {
            let is_it = |event: &Event| matches!(event, Event::Denied(reason) if reason.as_str() == *expected);
            assert!(a.len() == 1 && is_it(&a[0]), "{expected}: {a:?}");
            assert_eq!([b, c], [vec![], vec![]], "{expected}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_refusals_of_one_token_are_told_as_a_number() {
    const TIMES: u32 = 120;
    let nodes = Nodes::start(|_| {}).await;
    let wanted = TokenRequest { ..nodes.files.token_request("b17", "card_activation", &[Method::Verify], 1000) };
    assert_eq!(wanted.details.actions, [Action(Method::Verify)]);
    let token = nodes.files.issuer_of("b17").issue(&wanted, now()).unwrap();
    for _ in 0..TIMES {
        let prepared = nodes.withdrawal(1);
        let proof = nodes.client.prove(&token, prepared.ask(), None::<&Narrowing>).unwrap();
        assert_eq!(reason(nodes.client.call(&token, &proof, &prepared).await), "PURPOSE_NOT_GRANTED");
    }
    let [a, ..] = nodes.stop();
    let own = a.iter().filter(|entry| matches!(entry.event, Event::Denied(_))).count();
    let told: Vec<u32> = a
        .iter()
        .filter_map(|entry| if let Event::Unlogged(count) = entry.event { Some(count) } else { None })
        .collect();
    assert_eq!(u32::try_from(own).unwrap() + told.iter().sum::<u32>(), TIMES, "{own} and {told:?}");
    // Ten in each minute, of which there may be several.
    assert!(!told.is_empty() && own <= 10 * (told.len() + 1), "{own} and {told:?}");
}
