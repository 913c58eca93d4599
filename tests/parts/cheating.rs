//! Messages that are changed, dropped, repeated, reordered or late, and parties that lie: one session ends, at all three parties,
//! and nothing else does.
#![allow(clippy::unwrap_used, clippy::unnecessary_wraps, clippy::wildcard_enum_match_arm, missing_docs)]

use std::sync::{Arc, Mutex};

use crate::support::mpc_sim::{
    Message, PATIENCE, Passage, Trial, World, enrol, enrol_shapes, model_of, verify_all, verify_trials,
};
use tumar::net::{Cause, Frame, Lost, Step};
use tumar::party::Party;
use tumar::protocol::{FusionRule, Invalid, ProtocolError, Round};
use tumar::share::PointShare;
use tumar::template::Shape;

/// Enough items for every party to be host of some lanes.
const ITEMS: usize = 64;
const DIMENSION: usize = 64;

type Outcome = Result<Vec<Result<bool, Invalid>>, ProtocolError>;

/// Sixty-four people, each tried by the right person or by another one.
struct Bank {
    world: World,
    packed: Vec<Vec<u8>>,
    points: [Vec<PointShare>; 3],
    rows: Vec<usize>,
}

impl Bank {
    async fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        let model = model_of(DIMENSION);
        let packed: Vec<Vec<u8>> = (0..ITEMS).map(|_| world.dice.packed(&model)).collect();
        let points = enrol(&mut world, &packed).await;
        let rows = (0..ITEMS).map(|item| (item + item % 3) % ITEMS).collect();
        Self { world, packed, points, rows }
    }

    /// What an untouched session answers.
    fn truth() -> Outcome {
        Ok((0..ITEMS).map(|item| Ok(item % 3 == 0)).collect())
    }

    async fn verify(&mut self, tamper: impl FnMut(Message<'_>) -> Passage + Send + 'static) -> [Outcome; 3] {
        let probes = self.packed.iter().map(|packed| self.world.dice.split(packed)).collect();
        let sessions = self.world.tampered(tamper);
        // Two strangers' templates of 64 components can come near; only a very like one is meant to match.
        verify_all(sessions, probes, &self.points, &self.rows, &[300; ITEMS]).await
    }

    /// Every message of one session, in the order in which they were sent.
    async fn transcript(&mut self) -> Vec<(Party, Party, Frame)> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        let outcomes = self
            .verify(move |m| {
                record.lock().unwrap().push((m.from, m.to, m.frame.clone()));
                Passage::On(m.frame)
            })
            .await;
        assert_eq!(outcomes, [(); 3].map(|()| Self::truth()));
        let seen = seen.lock().unwrap().clone();
        assert_eq!(seen.len(), 3 * (2 + 2 + 1 + 1 + 2 + 4 + 2 + 2));
        seen
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Changed,
    Dropped,
    Twice,
    Reordered,
    Late,
}

impl Kind {
    fn apply(self, mut frame: Frame) -> Passage {
        match self {
            Self::Changed => {
                frame.body[0] ^= 1;
                Passage::On(frame)
            }
            Self::Dropped => Passage::Dropped,
            Self::Twice => Passage::Twice(frame),
            Self::Reordered => Passage::AfterNext(frame),
            Self::Late => Passage::Late(frame, 10 * PATIENCE),
        }
    }

    /// Whether the receiver's error names the sender, the step and what happened.
    fn explains(self, error: &ProtocolError, from: Party, at: Step) -> bool {
        let ProtocolError::Lost(lost) = error else { return false };
        match (self, *lost) {
            (Self::Changed, Lost::Altered { step, peer })
            | (Self::Dropped | Self::Reordered | Self::Late, Lost::Silent { step, peer })
            | (Self::Dropped | Self::Reordered, Lost::Order { step, peer, .. }) => (step, peer) == (at, from),
            // The last message of all: its sender is done and gone.
            (Self::Dropped | Self::Reordered, Lost::Closed { step, peer }) => {
                (step, peer) == (at, from) && at == Step::OpenMatch
            }
            // The first of the two serves its step; the second one is found where the next message was due.
            (Self::Twice, Lost::Order { step, peer, expected, found }) => {
                step > at && peer == from && expected == found + 1
            }
            _ => false,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_dropped_repeated_reordered_or_late_message_ends_that_session_and_no_other() {
    let mut bank = Bank::new(11).await;
    let messages = bank.transcript().await;
    for kind in [Kind::Changed, Kind::Dropped, Kind::Twice, Kind::Reordered, Kind::Late] {
        for (from, to, frame) in &messages {
            let (from, to, number, step) = (*from, *to, frame.number, frame.step);
            // The one who misses something is the first to lose patience, so that its own error is the one looked at.
            bank.world.patience = [PATIENCE; 3];
            bank.world.patience[to.index()] = PATIENCE * 4 / 5;
            let started = tokio::time::Instant::now();
            let outcomes = bank
                .verify(move |m| {
                    let hit = (m.from, m.to, m.frame.number) == (from, to, number);
                    if hit { kind.apply(m.frame) } else { Passage::On(m.frame) }
                })
                .await;
            assert!(started.elapsed() <= 2 * PATIENCE, "{kind:?} {step:?} {from} to {to}");
            // A repeated message is found where the next one is due.
            let found_last = step == Step::OpenMatch || (kind == Kind::Twice && step == Step::OpenLength);
            let last_of_all = !messages.iter().any(|(f, t, later)| (*f, *t) == (from, to) && later.number > number);
            for (party, outcome) in Party::ALL.into_iter().zip(outcomes) {
                let place = format!("{kind:?} at {step:?} from {from} to {to}, seen by {party}: {outcome:?}");
                match outcome {
                    // A repeated last message finds nobody waiting.
                    Ok(_) if kind == Kind::Twice && last_of_all => assert_eq!(outcome, Bank::truth(), "{place}"),
                    // What is found in the last step is found by its receiver alone: the others have the whole outcome.
                    Ok(_) => assert!(found_last && party != to && outcome == Bank::truth(), "{place}"),
                    Err(error) if party == to => assert!(kind.explains(&error, from, step), "{place}"),
                    Err(ProtocolError::Lost(lost)) => assert!(matches!(lost, Lost::Aborted { .. }), "{place}"),
                    Err(other) => panic!("{place}, {other}"),
                }
            }
            // The next session of the same connections is as good as ever.
            if number == 0 {
                assert_eq!(bank.verify(|m| Passage::On(m.frame)).await, [(); 3].map(|()| Bank::truth()));
            }
        }
    }
    assert_eq!(bank.verify(|m| Passage::On(m.frame)).await, [(); 3].map(|()| Bank::truth()));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_does_not_touch_one_that_runs_beside_it() {
    let mut bank = Bank::new(12).await;
    let split = |bank: &mut Bank| -> Vec<_> { bank.packed.iter().map(|p| bank.world.dice.split(p)).collect() };
    let (ill, well) = (split(&mut bank), split(&mut bank));
    let mut run = 0;
    let ill_sessions = bank.world.tampered(move |mut m| {
        run += 1;
        m.frame.body[0] ^= u8::from(run == 20);
        Passage::On(m.frame)
    });
    let well_sessions = bank.world.sessions();
    let limits = [300; ITEMS];
    let (ill, well) = tokio::join!(
        verify_all(ill_sessions, ill, &bank.points, &bank.rows, &limits),
        verify_all(well_sessions, well, &bank.points, &bank.rows, &limits),
    );
    assert!(ill.iter().all(Result::is_err));
    assert_eq!(well, [(); 3].map(|()| Bank::truth()));
}

#[tokio::test(start_paused = true)]
async fn a_message_of_an_earlier_session_is_not_taken_for_one_of_this() {
    let mut bank = Bank::new(13).await;
    for (from, to, old) in bank.transcript().await {
        let step = old.step;
        let outcomes = bank
            .verify(move |m| {
                let hit = (m.from, m.to, m.frame.number) == (from, to, old.number);
                Passage::On(if hit { Frame { session: m.frame.session, ..old.clone() } } else { m.frame })
            })
            .await;
        assert_eq!(outcomes[to.index()], Err(Lost::Altered { step, peer: from }.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_genuine_message_of_another_step_or_length_is_refused_for_that() {
    let mut bank = Bank::new(14).await;
    for (from, to, frame) in bank.transcript().await {
        let (step, number, expected) = (frame.step, frame.number, frame.body.len());
        let other = if step == Step::Product { Step::Generate } else { Step::Product };
        let mut with = async |change: fn(&mut Frame, Step)| {
            let tamper = move |mut m: Message<'_>| {
                if (m.from, m.to, m.frame.number) == (from, to, number) {
                    change(&mut m.frame, other);
                    return Passage::On(m.signed());
                }
                Passage::On(m.frame)
            };
            bank.verify(tamper).await[to.index()].clone()
        };
        let wrong_step = with(|frame, other| frame.step = other).await;
        assert_eq!(wrong_step, Err(Lost::Step { step, peer: from, found: other }.into()));
        let too_short = with(|frame, _| frame.body.truncate(frame.body.len() - 1)).await;
        assert_eq!(too_short, Err(Lost::Length { step, peer: from, expected, found: expected - 1 }.into()));
        let too_long = with(|frame, _| frame.body.push(0)).await;
        assert_eq!(too_long, Err(Lost::Length { step, peer: from, expected, found: expected + 1 }.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_party_that_lies_in_an_opening_is_found_out_by_the_one_it_lies_to() {
    let mut bank = Bank::new(15).await;
    for liar in Party::ALL {
        for victim in [liar.next(), liar.prev()] {
            for step in [Step::OpenLength, Step::OpenMatch] {
                let outcomes = bank
                    .verify(move |mut m| {
                        if (m.from, m.to, m.frame.step) == (liar, victim, step) {
                            m.frame.body[0] ^= 1;
                            return Passage::On(m.signed());
                        }
                        Passage::On(m.frame)
                    })
                    .await;
                for (party, outcome) in Party::ALL.into_iter().zip(outcomes) {
                    if party == victim {
                        assert_eq!(outcome, Err(ProtocolError::Disagree(step)));
                    } else if step == Step::OpenLength {
                        let told = |peer| Lost::Aborted { step: Step::OpenMatch, peer, cause: Cause::Disagree }.into();
                        let passed_on =
                            |peer| Lost::Aborted { step: Step::OpenMatch, peer, cause: Cause::Aborted }.into();
                        let other = if party.next() == victim { party.prev() } else { party.next() };
                        assert!(outcome == Err(told(victim)) || outcome == Err(passed_on(other)), "{outcome:?}");
                    } else {
                        assert_eq!(outcome, Bank::truth());
                    }
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_false_claim_of_an_inconsistent_template_opens_no_match_and_forges_none() {
    let mut bank = Bank::new(16).await;
    for liar in Party::ALL {
        for victim in [liar.next(), liar.prev()] {
            let outcomes = bank
                .verify(move |mut m| {
                    if (m.from, m.to, m.frame.step) == (liar, victim, Step::Inject) {
                        m.frame.body[3] ^= 1;
                        return Passage::On(m.signed());
                    }
                    Passage::On(m.frame)
                })
                .await;
            // The victim opens all but item 0, the others open all: no two of them have the same last step.
            for (party, outcome) in Party::ALL.into_iter().zip(outcomes) {
                let disagree = Err(ProtocolError::Disagree(Step::OpenMatch));
                let told = matches!(outcome, Err(ProtocolError::Lost(Lost::Aborted { .. })));
                assert!(outcome == disagree || party != victim && told, "{liar} to {victim}, {party}: {outcome:?}");
            }
        }
    }
}

/// Two people who show a finger and a face, of whom either would do: every step that there is.
async fn verify_both(
    world: &mut World,
    packed: &[(Shape, Vec<u8>)],
    points: &[Vec<PointShare>; 3],
    tamper: impl FnMut(Message<'_>) -> Passage + Send + 'static,
) -> [Outcome; 3] {
    let trial = |world: &mut World, place: usize, against: Vec<(usize, i16, u16)>| {
        let (shape, packed) = &packed[place];
        Trial { probe: world.dice.split_shape(*shape, packed), against }
    };
    let own = vec![trial(world, 0, vec![(1, 9, 1), (0, 9, 1)]), trial(world, 2, vec![(3, 300, 1)])];
    let others = vec![trial(world, 0, vec![(1, 9, 30)]), trial(world, 2, vec![(3, 300, 1)])];
    let requests = vec![(own, FusionRule::Any), (others, FusionRule::Sum(400))];
    let sessions = world.tampered(tamper);
    verify_trials(sessions, requests, points).await
}

#[tokio::test(start_paused = true)]
async fn no_message_of_a_run_over_sets_can_be_spoilt_without_its_end_or_bring_a_wrong_bit() {
    let mut world = World::new(19);
    let finger = |world: &mut World| (Shape::set(6).unwrap(), world.dice.packed_set(6, &[]).1);
    let face = |world: &mut World| (Shape::vector(DIMENSION).unwrap(), world.dice.packed(&model_of(DIMENSION)));
    let packed = [finger(&mut world), finger(&mut world), face(&mut world), face(&mut world)];
    let points = enrol_shapes(&mut world, &packed).await;
    let truth: Outcome = Ok(vec![Ok(true), Ok(false)]);

    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let outcomes = verify_both(&mut world, &packed, &points, move |m| {
        record.lock().unwrap().push((m.from, m.to, m.frame.number, m.frame.step));
        Passage::On(m.frame)
    })
    .await;
    assert_eq!(outcomes, [(); 3].map(|()| truth.clone()));
    let messages = seen.lock().unwrap().clone();
    for step in [Step::Tree, Step::InjectBits, Step::ProductBits, Step::Join] {
        assert!(messages.iter().any(|message| message.3 == step), "{step:?}");
    }
    for kind in [Kind::Changed, Kind::Dropped, Kind::Twice, Kind::Reordered, Kind::Late] {
        for &(from, to, number, step) in &messages {
            world.patience = [PATIENCE; 3];
            world.patience[to.index()] = PATIENCE * 4 / 5;
            let outcomes = verify_both(&mut world, &packed, &points, move |m| {
                let hit = (m.from, m.to, m.frame.number) == (from, to, number);
                if hit { kind.apply(m.frame) } else { Passage::On(m.frame) }
            })
            .await;
            let last_of_all = !messages.iter().any(|(f, t, later, _)| (*f, *t) == (from, to) && *later > number);
            for (party, outcome) in Party::ALL.into_iter().zip(outcomes) {
                let place = format!("{kind:?} at {step:?}, message {number} from {from} to {to}, seen by {party}");
                match outcome {
                    Ok(_) => {
                        assert!(party != to || kind == Kind::Twice && last_of_all, "{place}");
                        assert_eq!(outcome, truth, "{place}");
                    }
                    Err(ProtocolError::Lost(_)) => {}
                    Err(other) => panic!("{place}: {other}"),
                }
            }
        }
    }
    assert_eq!(
        verify_both(&mut world, &packed, &points, |m| Passage::On(m.frame)).await,
        [(); 3].map(|()| truth.clone())
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_is_over_after_its_first_fault_and_after_a_round_that_was_dropped_midway() {
    let mut world = World::new(18);
    let hear = || Round { from_next: 1, ..Round::default() };
    let [mut a, mut b, mut c] = world.sessions();
    let dropped = tokio::time::timeout(PATIENCE / 2, a.exchange(Step::Product, hear())).await;
    assert!(dropped.is_err());
    assert_eq!(a.exchange(Step::Product, hear()).await.unwrap_err(), Lost::Over { step: Step::Product });
    let cancelled = Lost::Aborted { step: Step::Product, peer: Party::A, cause: Cause::Cancelled };
    assert_eq!(c.exchange(Step::Product, hear()).await.unwrap_err(), cancelled);
    assert_eq!(c.exchange(Step::Product, hear()).await.unwrap_err(), Lost::Over { step: Step::Product });
    let told = b.exchange(Step::Product, hear()).await.unwrap_err();
    assert_eq!(told, Lost::Aborted { step: Step::Product, peer: Party::C, cause: Cause::Aborted });
}

#[tokio::test(start_paused = true)]
async fn a_party_that_goes_away_does_not_leave_the_others_waiting() {
    let mut world = World::new(17);
    for gone in Party::ALL {
        let packed = world.dice.packed(&model_of(DIMENSION));
        let mut shares = world.dice.split(&packed).map(Some);
        let started = tokio::time::Instant::now();
        let outcomes = World::run(world.sessions(), |session| {
            let own = session.own();
            let batch = vec![vec![shares[own.index()].take().unwrap()]];
            async move {
                if own == gone {
                    drop(session);
                    return None;
                }
                Some(tumar::protocol::enrol_intake(session, batch).await.map(|_| ()))
            }
        })
        .await;
        assert!(started.elapsed() < PATIENCE);
        for (party, outcome) in Party::ALL.into_iter().zip(outcomes) {
            let aborted = |peer, cause| Some(Err(Lost::Aborted { step: Step::Inject, peer, cause }.into()));
            let closed = |peer| Some(Err(Lost::Closed { step: Step::Inject, peer }.into()));
            let other = if party.next() == gone { party.prev() } else { party.next() };
            let expected = [aborted(gone, Cause::Cancelled), aborted(other, Cause::Aborted), closed(gone)];
            assert!(party == gone || expected.contains(&outcome), "{party}: {outcome:?}");
        }
    }
}
