//! After the load: is everybody there who was acknowledged, and does every answer stand in all three logs?

use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tumar::client::ClientError;
use tumar::party::Party;
use tumar::reason::Reason;

use super::calls::{Calls, Promised};
use super::local::Local;
use crate::cli::failure::Failure;
use crate::cli::logs::{self, LogFault, Logs};

/// People who are asked for again, at most.
const MOST: usize = 500;
/// How long one of them is asked for, while nodes find each other again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of those whose enrolment was acknowledged.
#[derive(Clone, Debug, Default)]
pub(super) struct People {
    /// How many there are.
    acknowledged: usize,
    asked: usize,
    /// Answered with the right bit.
    right: usize,
    /// Answered with a wrong bit.
    wrong: usize,
    /// Locked or to wait, and so there: runs that an outage broke count as non-matches.
    locked: usize,
    /// Neither: the reasons.
    lost: Vec<String>,
}

/// What is left when the nodes have stopped.
pub(super) struct Aftermath {
    people: People,
    /// Answered requests, from the first enrolment on.
    answered: usize,
    logs: Result<Logs, LogFault>,
    restarted: Option<Party>,
}

/// Asks for everybody who was acknowledged, or for some of them, evenly chosen.
pub(super) async fn ask_again(calls: &Calls, bar: &ProgressBar) -> Result<People, Failure> {
    let Promised { enrolled, .. } = calls.promised();
    let count = enrolled.len().min(MOST);
    bar.set_length(u64::try_from(count).unwrap_or(u64::MAX));
    let mut people = People { acknowledged: enrolled.len(), asked: count, ..People::default() };
    for place in 0..count {
        let number = enrolled[place * enrolled.len() / count];
        let until = Instant::now() + PATIENCE;
        loop {
            match calls.is_there(number).await? {
                Ok(true) => people.right += 1,
                Ok(false) => people.wrong += 1,
                Err(error) if is_locked(&error) => people.locked += 1,
                Err(error) if tells_nothing(&error) && Instant::now() < until => {
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
                Err(error) => people.lost.push(error.reason().to_owned()),
            }
            break;
        }
        bar.inc(1);
    }
    Ok(people)
}

fn is_locked(error: &ClientError) -> bool {
    matches!(error.refused(), Some(Reason::SubjectLocked | Reason::AttemptsDelayed))
}

/// Whether it passes by itself, and says nothing of the person.
fn tells_nothing(error: &ClientError) -> bool {
    let lost = matches!(error, ClientError::Unanswered(_) | ClientError::Unreachable { .. });
    let refused = matches!(
        error.refused(),
        Some(
            Reason::PeerLost
                | Reason::NodeStopping
                | Reason::CommitteeIncomplete
                | Reason::LogDiskFull
                | Reason::LogUnwritable
                | Reason::Overloaded
                | Reason::RateLimited
                | Reason::AttemptsInFlight
        )
    );
    lost || refused
}

impl Aftermath {
    /// Reads the logs of nodes that have stopped.
    pub(super) fn of(
        local: &Local,
        people: People,
        promised: &Promised,
        restarted: Option<Party>,
    ) -> Result<Self, Failure> {
        let logs = logs::compare(local.folder(), &local.pins()?, &promised.answered);
        Ok(Self { people, answered: promised.answered.len(), logs, restarted })
    }

    /// Whether nobody is lost, no bit was wrong, and every answer stands in all three logs.
    pub(super) fn all_well(&self) -> bool {
        let closed =
            |logs: &Logs| Party::ALL.into_iter().all(|party| self.may_be_open(party) || logs.open[party.index()] == 0);
        self.people.wrong == 0
            && self.people.lost.is_empty()
            && self.logs.as_ref().is_ok_and(|logs| logs.missing == 0 && closed(logs))
    }

    /// An entry that closes a request is not waited for: a node that is killed may lose it, and never the one that opened it.
    fn may_be_open(&self, party: Party) -> bool {
        self.restarted == Some(party)
    }

    /// One line each.
    pub(super) fn results(&self) -> Vec<String> {
        let People { acknowledged, asked, right, wrong, locked, lost } = &self.people;
        let mut lines = vec![format!(
            "Enrolments: {acknowledged} acknowledged, {asked} of them asked for afterwards: {right} found, {locked} found locked, \
             {wrong} answered wrongly, {} lost{}.",
            lost.len(),
            lost.iter().fold(String::new(), |text, reason| format!("{text}, {reason}"))
        )];
        lines.push(match &self.logs {
            Err(fault) => format!("Logs: {fault}."),
            Ok(logs) => {
                let [a, b, c] = logs.entries;
                let open = logs.open.iter().max().copied().unwrap_or_default();
                format!(
                    "Logs: {} answered requests, {} of them missing in a log, {open} without their closing entry in one; \
                     {a}, {b} and {c} entries, audited.",
                    self.answered, logs.missing
                )
            }
        });
        lines
    }

    pub(super) fn to_json(&self) -> Value {
        let People { acknowledged, asked, right, wrong, locked, lost } = &self.people;
        let logs = match &self.logs {
            Err(fault) => json!({ "fault": fault.to_string() }),
            Ok(logs) => json!({
                "answered": self.answered,
                "missing": logs.missing,
                "not_closed": logs.open,
                "entries": logs.entries,
            }),
        };
        json!({
            "well": self.all_well(),
            "enrolments": {
                "acknowledged": acknowledged,
                "asked": asked,
                "found": right,
                "found_locked": locked,
                "wrong": wrong,
                "lost": lost,
            },
            "logs": logs,
        })
    }
}
