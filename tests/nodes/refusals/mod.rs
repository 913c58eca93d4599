//! Every refusal by real nodes: at the leader over gRPC, and at each helper on its own when the leader checks nothing.

#![allow(clippy::unwrap_used)]

mod breaker;
mod helpers;
mod leader;
mod rogue;
mod searches;
mod wired;

use crate::support::token_fixtures::table::REFUSALS;
use crate::support::token_fixtures::{Draft, ISSUER_OF_B19};
use serde_json::json;
use tumar::client::Client;
use tumar::party::Party;
use tumar::reason::Reason;
use tumar::token::jws::to_base64;
use tumar::wire::peer::v1::Relayed;
use wired::{Call, Installation, assert_refused, fresh_id, is_carried, relayed, shut_envelopes, stop};

const HELPERS: [Party; 2] = [Party::B, Party::C];

/// Checked in `tests/parts/tokens.rs` alone, since no message comes to these checks: the type of the message is the call, so none is
/// of another call; and what has samples where none are due, or none where some are, is no well-formed request.
const NO_MESSAGE_SAYS: [&str; 3] = ["ACTION_OTHER", "SAMPLES_UNEXPECTED", "SAMPLES_MISSING"];

/// What the leader says beyond the table of drafts; `Leader::met` holds those that were.
const AT_THE_LEADER: [&str; 23] = [
    "ATTEMPTS_DELAYED",
    "COMMITTEE_INCOMPLETE",
    "ENVELOPES_REFUSED",
    "ENVELOPE_INVALID",
    "ENVELOPE_KEY_UNKNOWN",
    "ENVELOPE_MALFORMED",
    "ENVELOPE_SPENT",
    "NOT_LEADER",
    "PEER_LOST",
    "PROOF_ABSENT",
    "PROOF_REPLAYED",
    "RATE_LIMITED",
    "REFERENCE_MISSING",
    "REQUEST_ID_REUSED",
    "REQUEST_INVALID",
    "REQUEST_TOO_LARGE",
    "SUBJECT_EXISTS",
    "SUBJECT_LOCKED",
    "SUBJECT_UNKNOWN",
    "TEMPLATE_INCONSISTENT",
    "TEMPLATE_LENGTH",
    "TOKEN_ABSENT",
    "TOKEN_SPENT",
];

/// What helpers say beyond it when the leader does not do its part.
const AT_A_HELPER: [&str; 6] =
    ["BATCH_MIXED", "CHANGE_REFUSED", "NODES_OUT_OF_STEP", "OVERLOADED", "PEER_BROKEN", "REQUEST_IN_FLIGHT"];

/// What helpers are not asked, or find out in a run only: `a_template_that_no_extractor_makes_..` sees all three find that out.
const NOT_A_HELPERS: [&str; 8] = [
    // The public service's, before there is a request; the leader relays a token and a proof, be they empty.
    "TOKEN_ABSENT",
    "PROOF_ABSENT",
    "NOT_LEADER",
    "COMMITTEE_INCOMPLETE",
    "REQUEST_TOO_LARGE",
    // Of the run, and after three.
    "ATTEMPTS_DELAYED",
    "TEMPLATE_INCONSISTENT",
    "TEMPLATE_LENGTH",
];

/// No sequence of calls leads to these with certainty.
const NOT_CALLED_UP: [&str; 22] = [
    // A node must be stopped meanwhile: tests/alone/rolling.rs.
    "NODE_STOPPING",
    // A clock must be wrong: tests/nodes/clocks.rs sets it.
    "CLOCK_IN_DOUBT",
    // A node must break three runs: src/peer/trust.rs.
    "NODE_A_DISTRUSTED",
    "NODE_B_DISTRUSTED",
    "NODE_C_DISTRUSTED",
    // Others must be under way: tests/alone/overload.rs.
    "ATTEMPTS_IN_FLIGHT",
    // Messages of the protocol must be falsified: tests/parts/cheating.rs does.
    "PEERS_DISAGREE",
    "RUN_FAILED",
    // The disk must be full, or a folder not to be written: tests/processes/disk.rs sees to it.
    "LOG_DISK_FULL",
    "LOG_UNWRITABLE",
    // The disk must fail: tests/parts/access_log.rs and tests/parts/store see to what happens then.
    "LOG_HALTED",
    "STORE_FAILED",
    // As many entries must wait as may: tests/parts/backlog.rs.
    "LOG_BEHIND",
    // Ten seconds must pass: tests/processes/outsiders.
    "REQUEST_SLOW",
    // What one node answers alone about its own log: tests/nodes/auditing.rs.
    "MATCH_MISSING",
    "NO_SUCH_ENTRY",
    "NO_SUCH_EVIDENCE",
    // An answer must have been forgotten, which takes an hour at least: tests/parts/access_log.rs.
    "ANSWER_EXPIRED",
    // Half a minute must pass: the tests in src/service/audit.rs put the clock forward.
    "READER_SLOW",
    // Who ends a search does not hear of it: tests/nodes/search.rs reads the logs.
    "CANCELLED",
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
    let mut all: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    all.sort_unstable();
    assert_eq!(met, all);
}

/// Every row of the table that a message can carry; then each once more, given out by the other bank's issuer, which makes it a
/// refusal of its own unless something is wrong that is looked at before.
fn rows() -> Vec<(&'static str, Draft)> {
    let place = |code: &str| Reason::ALL.iter().position(|reason| reason.code() == code).unwrap();
    let mut rows = Vec::new();
    for foreign in [false, true] {
        for (reason, change) in REFUSALS {
            let mut draft = Draft::good();
            if foreign {
                draft.by_issuer_of_b19();
            }
            change(&mut draft);
            let named = draft.claims.pointer("/authorization_details/0/relying_party");
            let told = match (foreign && draft.claims["iss"] == ISSUER_OF_B19, named == Some(&json!("banks/b19"))) {
                (false, _) => reason,
                // The other bank's own request: in the first round already.
                (true, true) => continue,
                (true, false) => Reason::ALL[place(reason).min(place("ISSUER_RELYING_PARTY"))].code(),
            };
            if is_carried(&draft) {
                rows.push((told, draft));
            }
        }
    }
    rows
}

/// A draft as a call, with envelopes that are well formed.
fn call_of(draft: &mut Draft, client: &Client) -> Call {
    let envelopes = shut_envelopes(client, draft.ask.method);
    let Relayed { token, proof, request, .. } = relayed(draft, &envelopes);
    Call::new(&token, &proof, request.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_token_is_refused_at_the_leader() {
    let installation = Installation::new();
    let nodes = installation.start_all().await;
    let client = installation.client().await;
    let [bare, shown] = [installation.channel(Party::A, false).await, installation.channel(Party::A, true).await];
    let mut left: Vec<&str> = REFUSALS.iter().map(|(reason, _)| *reason).collect();
    for (place, (reason, mut draft)) in rows().into_iter().enumerate() {
        let channel = if draft.certificate.is_some() { &shown } else { &bare };
        let status = call_of(&mut draft, &client).send(channel).await.unwrap_err();
        assert_refused(&status, reason, Party::A, &format!("row {place}"));
        left.retain(|code| *code != reason);
    }
    left.dedup();
    assert_eq!(left, NO_MESSAGE_SAYS);

    // Without a fault, it is let through as far as the subject, who is unknown.
    let [mut good, mut bound] = [Draft::good(), Draft::good()];
    good.proof["jti"] = json!(fresh_id());
    let call = call_of(&mut good, &client);
    assert_refused(&call.send(&bare).await.unwrap_err(), "SUBJECT_UNKNOWN", Party::A, "without a fault");
    let mut others = Draft::of_b19();
    others.claims["jti"] = json!(fresh_id());
    others.proof["jti"] = json!(fresh_id());
    let call = call_of(&mut others, &client);
    assert_refused(&call.send(&bare).await.unwrap_err(), "SUBJECT_UNKNOWN", Party::A, "the other bank for itself");
    // Bound to a certificate, it counts only with who shows that one.
    bound.claims["cnf"]["x5t#S256"] = json!(to_base64(&installation.certificate));
    bound.proof["jti"] = json!(fresh_id());
    let call = call_of(&mut bound, &client);
    assert_refused(&call.send(&bare).await.unwrap_err(), "TOKEN_CERTIFICATE", Party::A, "not shown");
    assert_refused(&call.send(&shown).await.unwrap_err(), "SUBJECT_UNKNOWN", Party::A, "shown");
    for helper in &nodes[1..] {
        assert_eq!(helper.counters().forged_requests(), 0, "the leader relays nothing that it refuses");
    }
    stop(nodes).await;
}
