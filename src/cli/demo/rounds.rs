//! People are enrolled and come to the machine: the right ones, and others in their names.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tumar::client::{Answer, ClientError, Prepared, Receipts, SubjectKey};
use tumar::log::receipt::Outcome;
use tumar::request::{Method, Minute};

use crate::cli::bank::{Wanted, wait_or_give_up};
use crate::cli::clock;
use crate::cli::failure::Failure;
use crate::cli::people::{By, People, Shown};
use crate::cli::world::World;

/// How many there were, and how many of them matched.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) attempts: usize,
    pub(super) matches: usize,
}

/// What came of all attempts.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    pub(super) enrolled_in: Duration,
    /// By what was shown, in the order of [`By::ALL`].
    pub(super) genuine: [Tally; 4],
    pub(super) impostor: [Tally; 4],
    /// Answers other than the plain integer comparison's.
    pub(super) wrong_bits: usize,
    /// Of each verification, split and sealed and proven and checked; in the order of [`By::ALL`].
    pub(super) latencies: [Vec<Duration>; 4],
    /// Transcripts of all requests that were answered.
    pub(super) answered: Vec<[u8; 32]>,
    /// The first requests with samples, as they were sent.
    pub(super) sent: Vec<Prepared>,
}

/// So many requests are kept, to see what nodes can see in them.
const KEPT: usize = 500;

impl Rounds {
    /// The least latency that so many per cent stay within, of those by this.
    pub(super) fn percentile(&self, by: By, per_cent: usize) -> Duration {
        percentile(&self.latencies[by as usize], per_cent)
    }

    /// The same of all.
    pub(super) fn percentile_of_all(&self, per_cent: usize) -> Duration {
        percentile(&self.latencies.concat(), per_cent)
    }

    fn keep(&mut self, prepared: Prepared) {
        if self.sent.len() < KEPT {
            self.sent.push(prepared);
        }
    }

    /// Remembers what the receipts are of.
    pub(super) fn note(&mut self, receipts: &Receipts) {
        self.answered.extend(receipts.iter().take(1).map(|receipt| receipt.body.request_digest));
    }
}

fn percentile(latencies: &[Duration], per_cent: usize) -> Duration {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * per_cent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

/// Enrols all people, then lets each attempt be made once by the person and once by another.
pub(super) async fn run(world: &World, people: &People, attempts: usize) -> Result<Rounds, Failure> {
    let mut rounds = Rounds::default();
    let bar = bar("enrol", people.count());
    let begin = Instant::now();
    for person in 0..people.count() {
        enrol(world, people, person, &mut rounds).await?;
        bar.inc(1);
    }
    rounds.enrolled_in = begin.elapsed();
    bar.finish_and_clear();
    let bar = self::bar("verify", 2 * attempts);
    let mut misses = vec![0; people.count()];
    for attempt in 0..attempts {
        let person = attempt % people.count();
        let turn = attempt / people.count();
        let other = (person + 1 + turn % (people.count() - 1)) % people.count();
        // Everybody comes with everything.
        let by = By::ALL[(attempt + turn) % 4];
        for (who, genuine) in [(person, true), (other, false)] {
            // Two misses in a row; a third would make the person wait. The bank has seen an identity card.
            if misses[person] == 2 {
                unlock(world, person, &mut rounds).await?;
                misses[person] = 0;
            }
            let shown = people.shown(who, turn, by);
            let matched = attempt_one(world, people, person, &shown, by, &mut rounds).await?;
            misses[person] = if matched { 0 } else { misses[person] + 1 };
            let tally = if genuine { &mut rounds.genuine } else { &mut rounds.impostor };
            tally[by as usize].attempts += 1;
            tally[by as usize].matches += usize::from(matched);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(rounds)
}

/// On standard error, and only if that is a terminal.
fn bar(what: &'static str, length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>7} {wide_bar} {pos}/{len}")
        .expect("the template is a constant that was tried");
    ProgressBar::new(length as u64).with_style(style).with_prefix(what)
}

async fn enrol(world: &World, people: &People, person: usize, rounds: &mut Rounds) -> Result<(), Failure> {
    let (config, committee) = (world.bank.client.config(), world.bank.client.committee());
    let target = world.bank.target(person, "enrolment")?;
    let key = SubjectKey::generate().map_err(ClientError::from)?;
    let references = people.references(person);
    let prepared = Prepared::enroll(config, &committee, &target, &references, Minute::of(clock::now()), &key)
        .map_err(ClientError::from)?;
    let wanted = Wanted { purpose: "enrolment", method: Method::Enroll, amr: &["registry_check"] };
    let answer = loop {
        match world.bank.client.send(&world.bank.token(&wanted)?, &prepared).await {
            Ok(answer) => break answer,
            Err(error) => wait_or_give_up(error).await?,
        }
    };
    rounds.note(&answer.receipts);
    rounds.keep(prepared);
    Ok(())
}

async fn attempt_one(
    world: &World,
    people: &People,
    claimed: usize,
    shown: &Shown<'_>,
    by: By,
    rounds: &mut Rounds,
) -> Result<bool, Failure> {
    let (prepared, answer) = loop {
        let begin = Instant::now();
        let prepared = prepare(world, people, claimed, shown, by)?;
        match send(world, &prepared).await? {
            Ok(answer) => {
                rounds.latencies[by as usize].push(begin.elapsed());
                break (prepared, answer);
            }
            Err(error) => wait_or_give_up(error).await?,
        }
    };
    let matched = answer.outcome == Outcome::Match;
    rounds.wrong_bits += usize::from(matched != people.matches(claimed, shown, by));
    rounds.note(&answer.receipts);
    rounds.keep(prepared);
    Ok(matched)
}

/// A comparison, split and sealed.
pub(super) fn prepare(
    world: &World,
    people: &People,
    claimed: usize,
    shown: &Shown<'_>,
    by: By,
) -> Result<Prepared, Failure> {
    prepare_for(world, people, claimed, shown, by, by.amount())
}

/// The same for another amount.
pub(super) fn prepare_for(
    world: &World,
    people: &People,
    claimed: usize,
    shown: &Shown<'_>,
    by: By,
    amount: u64,
) -> Result<Prepared, Failure> {
    let (config, committee) = (world.bank.client.config(), world.bank.client.committee());
    let target = world.bank.target(claimed, by.purpose())?;
    let prepared =
        Prepared::verify(config, &committee, &target, &people.captures(shown), amount, Minute::of(clock::now()));
    Ok(prepared.map_err(ClientError::from)?)
}

/// Sends a comparison with a token of its own, such as its purpose and amount need.
pub(super) async fn send(world: &World, prepared: &Prepared) -> Result<Result<Answer, ClientError>, Failure> {
    let ask = prepared.ask();
    let purpose = ask.purpose.as_str();
    let with_phone = purpose != By::Face.purpose() || ask.amount_kzt > 500_000;
    let amr: &[&str] = if with_phone { &["mobile_auth"] } else { &[] };
    let token = world.bank.token(&Wanted { purpose, method: Method::Verify, amr })?;
    Ok(world.bank.client.send(&token, prepared).await)
}

/// Ends a delay or a lock, and forgets misses.
pub(super) async fn unlock(world: &World, person: usize, rounds: &mut Rounds) -> Result<(), Failure> {
    let target = world.bank.target(person, "subject_unlock")?;
    let wanted = Wanted { purpose: "subject_unlock", method: Method::Unlock, amr: &["registry_check"] };
    let receipts = loop {
        match world.bank.client.unlock(&world.bank.token(&wanted)?, &target).await {
            Ok(receipts) => break receipts,
            Err(error) => wait_or_give_up(error).await?,
        }
    };
    rounds.note(&receipts);
    Ok(())
}
