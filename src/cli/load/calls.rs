//! The calls themselves: enrols the people first, then compares, enrols and searches as the mix says, and checks every answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::ProgressBar;
use tumar::client::{Capture, ClientError, Receipts, Verified};
use tumar::eval::draw::Draw;
use tumar::request::Method;
use tumar::timings::Timings;

use super::figures::{Answer, Figures, Says, Verdict, Window};
use super::mix::{Action, Mix};
use super::open_loop::Traffic;
use super::schedule::{Attempt, AttemptSchedule, End, Started};
use super::search::{Looking, Searches};
use crate::cli::bank::{Bank, Found, Outage, Wanted};
use crate::cli::failure::Failure;
use crate::cli::people::{By, People};
use tumar::reason::Reason;

/// The reason of arrivals that came while as many calls were under way as may be.
const SHED: &str = "SHED";
/// The reason of comparisons that could have locked somebody out, whoever it was of: there are too few people for so many under way.
const NOBODY: &str = "TOO_FEW_PEOPLE";
/// The reason of calls that could not be made.
const UNMADE: &str = "NOT_MADE";

/// What an arrival is.
#[derive(Clone, Copy)]
enum Call {
    Verify(Option<Started>),
    Enroll(usize),
    Search(Looking),
}

/// An answer whose receipts hold, or the reason that there is none.
pub(super) struct Ended {
    action: Action,
    outcome: Result<Answer, String>,
}

/// What was answered, and so must be found again.
#[derive(Clone, Debug, Default)]
pub(super) struct Promised {
    /// People whose enrolment was acknowledged.
    pub(super) enrolled: Vec<usize>,
    /// Requests that were answered.
    pub(super) answered: Vec<[u8; 32]>,
}

/// A bank's calls.
pub(super) struct Calls {
    /// Connections, taken in turn.
    banks: Vec<Bank>,
    people: People,
    by: By,
    mix: Mix,
    /// If the mix has any.
    searches: Option<Searches>,
    draw: Mutex<Draw>,
    schedule: Mutex<AttemptSchedule>,
    figures: Mutex<Figures>,
    promised: Mutex<Promised>,
    /// Calls that were made.
    made: AtomicUsize,
    /// People who were enrolled, or tried to be.
    enrolled: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Calls {
    /// Whom to call, about whom, and what for.
    pub(super) fn new(
        banks: Vec<Bank>,
        people: People,
        (by, mix): (By, Mix),
        searches: Option<Searches>,
        seed: u64,
    ) -> Self {
        let nothing = Window { warm_up: Duration::ZERO, length: Duration::ZERO };
        Self {
            banks,
            enrolled: AtomicUsize::new(people.count()),
            schedule: Mutex::new(AttemptSchedule::new(&people, by, seed)),
            people,
            by,
            mix,
            searches,
            draw: Mutex::new(Draw::from_seed(seed)),
            figures: Mutex::new(Figures::new(nothing)),
            promised: Mutex::default(),
            made: AtomicUsize::new(0),
        }
    }

    /// What is asked of.
    pub(super) const fn people(&self) -> &People {
        &self.people
    }

    /// Enrols all people, one after the other; for searches, once more where they look.
    pub(super) async fn enrol_all(&self, bar: &ProgressBar) -> Result<(), Failure> {
        for person in 0..self.people.count() {
            let mut outage = Outage::default();
            while let Err(error) = self.enrol(&self.banks[0], person).await? {
                if outage.wait(error).await? == Found::There {
                    break;
                }
            }
            bar.inc(1);
        }
        match &self.searches {
            Some(searches) => searches.enrol_all(&self.banks[0], &self.people, bar).await,
            None => Ok(()),
        }
    }

    /// Erases those who were enrolled for searches alone: in a gallery that stays, a later run looks among its own.
    pub(super) async fn erase_for_searches(&self, bar: &ProgressBar) -> Result<(), Failure> {
        match &self.searches {
            Some(searches) => searches.erase_all(&self.banks[0], &self.people, bar).await,
            None => Ok(()),
        }
    }

    /// What was answered so far, of all measurements together.
    pub(super) fn promised(&self) -> Promised {
        lock(&self.promised).clone()
    }

    /// Begins to count anew.
    pub(super) fn begin(&self, window: Window) {
        *lock(&self.figures) = Figures::new(window);
    }

    /// What was counted so far.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Figures) -> T) -> T {
        look(&lock(&self.figures))
    }

    fn bank(&self) -> &Bank {
        &self.banks[self.made.fetch_add(1, Ordering::Relaxed) % self.banks.len()]
    }

    /// What the next arrival is; of a comparison without an attempt yet.
    fn draw(&self) -> Action {
        self.mix.draw(&mut lock(&self.draw))
    }

    /// An answer is remembered: it must stand in the logs.
    fn remember(&self, receipts: &Receipts) {
        if let Some(receipt) = receipts.iter().next() {
            lock(&self.promised).answered.push(receipt.body.request_digest);
        }
    }

    /// A handle of its own for each; the templates are those of the people who were enrolled first, in turn.
    async fn enrol(&self, bank: &Bank, number: usize) -> Result<Result<Timings, ClientError>, Failure> {
        let all = self.people.references(number % self.people.count());
        let wanted = |capture: &Capture<'_>| match self.by {
            By::Face => capture.model == self.people.face.id(),
            By::Finger => capture.model == self.people.finger.id(),
            By::Both | By::Fused => true,
        };
        let references: Vec<Capture<'_>> = all.into_iter().filter(wanted).collect();
        let target = bank.target(number, "enrolment")?;
        let token = bank.token(&Wanted { purpose: "enrolment", method: Method::Enroll, amr: &["registry_check"] })?;
        let enrolled = bank.client.enroll(&token, &target, &references).await;
        if let Ok(enrolled) = &enrolled {
            self.remember(&enrolled.receipts);
            lock(&self.promised).enrolled.push(number);
        }
        Ok(enrolled.map(|enrolled| enrolled.timings))
    }

    async fn verify(&self, bank: &Bank, attempt: Attempt) -> Result<Result<Verified, ClientError>, Failure> {
        let target = bank.target(attempt.claimed, self.by.purpose())?;
        let amr: &[&str] = if self.by == By::Both { &["mobile_auth"] } else { &[] };
        let token = bank.token(&Wanted { purpose: self.by.purpose(), method: Method::Verify, amr })?;
        let shown = self.people.shown(attempt.who, attempt.image, self.by);
        let probes = self.people.captures(&shown);
        let verified = bank.client.verify(&token, &target, &probes, self.by.amount()).await;
        if let Ok(verified) = &verified {
            self.remember(&verified.receipts);
        }
        Ok(verified)
    }

    /// Whether somebody who was enrolled is there: asks with the first image that must match.
    pub(super) async fn is_there(&self, number: usize) -> Result<Result<bool, ClientError>, Failure> {
        let who = number % self.people.count();
        let matches = |image: &usize| self.people.matches(who, &self.people.shown(who, *image, self.by), self.by);
        let image = (0..super::schedule::ATTEMPTS).find(matches);
        let attempt = Attempt { claimed: number, who, image: image.unwrap_or_default(), expected: image.is_some() };
        let verified = self.verify(self.bank(), attempt).await?;
        Ok(verified.map(|verified| verified.matched == attempt.expected))
    }

    async fn search(&self, looking: Looking) -> Result<Answer, String> {
        let Some(searches) = &self.searches else { return Err(UNMADE.to_owned()) };
        let answer = believed(searches.search(self.bank(), &self.people, looking).await)?;
        self.remember(&answer.receipts);
        let right = Searches::is_right(self.bank(), &self.people, looking, &answer.found);
        Ok(Answer { says: Says::Names { right }, timings: answer.timings })
    }

    /// Makes one call.
    async fn make(&self, call: Call) -> Ended {
        match call {
            Call::Enroll(number) => {
                let outcome = believed(self.enrol(self.bank(), number).await);
                let outcome = outcome.map(|timings| Answer { says: Says::Done, timings });
                Ended { action: Action::Enroll, outcome }
            }
            Call::Search(looking) => Ended { action: Action::Search, outcome: self.search(looking).await },
            Call::Verify(None) => Ended { action: Action::Verify, outcome: Err(NOBODY.to_owned()) },
            Call::Verify(Some(ticket)) => {
                let Attempt { claimed, who, expected, .. } = ticket.attempt;
                let outcome = self.verify(self.bank(), ticket.attempt).await;
                lock(&self.schedule).ended(ticket, end_of(&outcome));
                let answer = |Verified { matched, timings, .. }| {
                    let says = Says::Bit(Verdict { genuine: who == claimed, matched, expected });
                    Answer { says, timings }
                };
                Ended { action: Action::Verify, outcome: believed(outcome).map(answer) }
            }
        }
    }
}

/// What nodes made of an attempt.
fn end_of(outcome: &Result<Result<Verified, ClientError>, Failure>) -> End {
    match outcome {
        Ok(Ok(verified)) => End::Bit(verified.matched),
        Ok(Err(error)) => match error.refused() {
            Some(Reason::Overloaded | Reason::RateLimited | Reason::AttemptsInFlight) => End::NotTaken,
            Some(Reason::SubjectLocked | Reason::AttemptsDelayed) => End::Locked,
            _ => End::Unknown,
        },
        Err(_) => End::NotTaken,
    }
}

/// The answer, or the reason code.
fn believed<T>(outcome: Result<Result<T, ClientError>, Failure>) -> Result<T, String> {
    match outcome {
        Ok(answer) => answer.map_err(|error| error.reason().to_owned()),
        Err(_) => Err(UNMADE.to_owned()),
    }
}

impl Traffic for Calls {
    type Answer = Ended;

    fn start(self: &Arc<Self>, due: Duration) -> impl Future<Output = Ended> + Send + 'static {
        let action = self.draw();
        lock(&self.figures).offered(due, action);
        let call = match action {
            Action::Verify => Call::Verify(lock(&self.schedule).next()),
            Action::Enroll => Call::Enroll(self.enrolled.fetch_add(1, Ordering::Relaxed)),
            Action::Search => Call::Search(Looking::draw(&mut lock(&self.draw), self.people.count())),
        };
        let calls = Arc::clone(self);
        async move { calls.make(call).await }
    }

    fn ended(&self, due: Duration, latency: Duration, Ended { action, outcome }: Ended) {
        let mut figures = lock(&self.figures);
        match outcome {
            Ok(answer) => figures.answered(due, latency, action, &answer),
            Err(reason) => figures.failed(due, action, &reason),
        }
    }

    fn shed(&self, due: Duration) {
        let action = self.draw();
        let mut figures = lock(&self.figures);
        figures.offered(due, action);
        figures.failed(due, action, SHED);
    }
}
