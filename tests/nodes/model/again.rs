//! Old requests, sent again: an answer stays what it was, and nothing is done twice.

use std::sync::Arc;

use tumar::client::Prepared;

use super::clocks;
use super::desks::{BANKS, Came, Wanted, gallery, is_lost, purpose, renamed, word};
use super::people::Who;
use super::rules::{Moment, Op};
use super::run::{Run, Sent, since};
use super::steps::{Back, How};

/// Seconds for which an answer is kept.
const ANSWER_KEPT: u64 = 86_400;

/// Seconds for which a request's id stands for it alone.
const ID_KEPT: u64 = 7 * 86_400;

/// Seconds after its capture for which a sample is taken.
const CAPTURE_MAX_AGE: u64 = 600;

/// Seconds for which a token is good, and a proof.
const TOKEN_GOOD: u64 = 120;
const PROOF_GOOD: u64 = 60;

/// Seconds that a call may take until it is looked at.
const MARGIN: u64 = 15;

impl Run {
    /// The request that a step means: of a step that was left out, the one before.
    fn meant(&self, back: Back) -> Option<usize> {
        let last = match back {
            Back::Few(steps) => self.step.checked_sub(1 + steps)?,
            Back::Any(number) => usize::from(number) % self.step.max(1),
        };
        self.sent.iter().rposition(|sent| sent.step <= last)
    }

    pub(crate) fn again(&mut self, back: Back, how: How) -> Result<(), String> {
        let Some(place) = self.meant(back) else { return Ok(()) };
        let sent = &self.sent[place];
        let bank = sent.who.bank;
        let desk = match how {
            How::SameBytes | How::NewProof | How::NewToken => sent.desk,
            How::Borrowed | How::OtherWorkload => self.desk_of(sent.who, sent.desk + 1),
            How::OtherBank | How::OtherIssuer => self.desk_of(Who { bank: 1 - bank, ..sent.who }, 0),
        };
        // A bank of one workload has no other.
        let how =
            if matches!(how, How::Borrowed | How::OtherWorkload) && desk == sent.desk { How::NewToken } else { how };
        let asking = Arc::clone(&self.desks[desk]);
        let relying_party = if how == How::OtherBank { BANKS[1 - bank] } else { BANKS[bank] };
        let ((purpose, method), gallery) = (purpose(sent.op), gallery(bank));
        let token = match how {
            How::SameBytes | How::NewProof => sent.token.clone(),
            _ => asking.token(&Wanted { relying_party, gallery: &gallery, purpose, method }),
        };
        let prepared: Prepared = match how {
            How::SameBytes | How::NewProof | How::NewToken | How::Borrowed => sent.prepared.clone(),
            How::OtherWorkload | How::OtherBank | How::OtherIssuer => renamed(&sent.prepared, asking.workload),
        };
        let proof = if how == How::SameBytes { sent.proof.clone() } else { asking.prove(&token, &prepared) };
        let begin = clocks::now();
        let came = self.runtime.block_on(asking.send(&token, &proof, &prepared));
        let account = self.accounts.of(prepared.ask().request_digest());
        account.proofs += u32::from(how != How::SameBytes);
        self.judge_again(place, how, desk == self.sent[place].desk, (&prepared, &came), since(begin))
    }

    /// Holds what came of a request that was sent before against what came of it then.
    fn judge_again(
        &mut self,
        place: usize,
        how: How,
        is_own: bool,
        (prepared, came): (&Prepared, &Came),
        now: Moment,
    ) -> Result<(), String> {
        let sent = &mut self.sent[place];
        let (said, op, age) = (word(came), sent.op, now.1.saturating_sub(sent.at));
        self.heard.count(format!("{how:?} of {} -> {said:?}", purpose(op).1.action()));
        let first = if sent.answer.is_some() { "answered" } else { "not answered" };
        let why = came.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let told =
            format!("{how:?} of step {} ({:?} {op:?}, {first}) after {age} s: {said:?} ({why})", sent.step, sent.who);
        let Ok(answer) = came else {
            return if is_lost(&said) {
                Err(format!("a request that was sent again got lost: {told}"))
            } else if is_own && has_answer(sent, how, age) {
                Err(format!("an answered request has no answer: {told}"))
            } else {
                Ok(())
            };
        };
        let is_same = |earlier: &Option<_>| earlier.as_ref() == Some(&answer.receipts);
        self.accounts.of(prepared.ask().request_digest()).given_again +=
            u32::from(is_same(&sent.answer) || is_same(&sent.taken));
        if is_same(&sent.answer) {
            return if is_own { Ok(()) } else { Err(format!("an answer was given to another client: {told}")) };
        }
        if !is_own && is_same(&sent.taken) {
            return Ok(());
        }
        if !may_run(sent, how, is_own, age) {
            return Err(format!("a request was carried out again: {told}"));
        }
        let person = &mut self.people[sent.who.index()];
        let before = person.clone();
        // What got lost may have been done then, and be answered now.
        if !person.hear(op, &said, now) && !sent.lost {
            return Err(format!("what was heard can not be: {told}; known was {before:?}"));
        }
        self.accounts.of(prepared.ask().request_digest()).answers += 1;
        if is_own {
            (sent.answer, sent.at, sent.lost) = (Some(answer.receipts.clone()), now.0, false);
        } else {
            (sent.taken, sent.unsure) = (Some(answer.receipts.clone()), true);
        }
        Ok(())
    }
}

/// Whether the leader must give the answer once more.
fn has_answer(sent: &Sent, how: How, age: u64) -> bool {
    let good_for = match how {
        How::SameBytes => PROOF_GOOD,
        How::NewProof => TOKEN_GOOD,
        _ if takes_samples(sent.op) => CAPTURE_MAX_AGE - 60,
        _ => ANSWER_KEPT,
    };
    sent.answer.is_some() && !sent.unsure && age + MARGIN < good_for
}

/// Whether a request may be carried out after it was sent once: if it came to nothing then, or so long ago that its id is forgotten.
fn may_run(sent: &Sent, how: How, is_own: bool, age: u64) -> bool {
    let samples = takes_samples(sent.op);
    match how {
        How::Borrowed | How::OtherBank | How::OtherIssuer => false,
        How::SameBytes | How::NewProof | How::NewToken | How::OtherWorkload => {
            let came_to_nothing = sent.answer.is_none() && (sent.lost || !sent.unsure);
            let forgotten = !samples && age > ID_KEPT;
            // Envelopes are for one client.
            (came_to_nothing || forgotten) && (is_own || !samples)
        }
    }
}

const fn takes_samples(op: Op) -> bool {
    matches!(op, Op::Enrol { .. } | Op::Verify { .. })
}
