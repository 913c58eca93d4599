//! Whole runs: take references in, and compare probes one to one.

use zeroize::Zeroizing;

use super::dot::dot;
use super::{Invalid, ProtocolError, Session, Signs, Taken, intake, open, signs};
use crate::net::Step;
use crate::share::{PointShare, ShapeError, Summands};
use crate::template::band;

/// One comparison of a batch, as one party sees it.
pub struct VerifyInput<'a> {
    /// The probe.
    pub summands: Summands,
    /// The words of this party's point share of the reference; as many as the probe has components.
    pub reference: &'a [u16],
    /// The least score that is a match. Public, the same at all three parties.
    pub threshold: i16,
}

/// Prints shapes only.
impl std::fmt::Debug for VerifyInput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifyInput({:?}, [{}], {})", self.summands, self.reference.len(), self.threshold)
    }
}

/// Farther from zero a threshold must not be: the distance of a score from it would not fit 16 bits.
const FARTHEST_THRESHOLD: u16 = 1 << 14;

/// Compares each probe with its reference, in 11 rounds for the whole batch; scores are not opened, only outcomes.
///
/// An outcome is `Ok(true)` for a match. The bit of a probe that is invalid is never opened. All three parties get the same
/// outcomes, and must have the batch in the same order.
///
/// # Errors
/// [`ProtocolError`] if the run stopped, at all three parties. Start another session, with new randomness.
pub async fn verify(
    mut session: Session,
    batch: Vec<VerifyInput<'_>>,
) -> Result<Vec<Result<bool, Invalid>>, ProtocolError> {
    let outcome = verify_batch(&mut session, batch).await;
    session.settle(outcome)
}

async fn verify_batch(
    session: &mut Session,
    batch: Vec<VerifyInput<'_>>,
) -> Result<Vec<Result<bool, Invalid>>, ProtocolError> {
    check(&batch)?;
    let count = batch.len();
    let (probes, references): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|item| (item.summands, (item.reference, item.threshold))).unzip();
    let taken = intake(session, &probes).await?;
    drop(probes);

    let mut lanes = Lanes::with_room_for(3 * count);
    for (taken, (reference, threshold)) in taken.iter().zip(references) {
        let weighted = taken.components.to_point(session.own()).weigh();
        lanes.push(dot(weighted.words(), reference), threshold);
    }
    for taken in &taken {
        lanes.push_length(taken);
    }
    let signs = signs(session, &lanes.scores, &lanes.thresholds).await?;
    let valid = open_lengths(session, &signs, count, &taken).await?;

    let passed: Vec<usize> = (0..count).filter(|&item| valid[item].is_ok()).collect();
    let mut matches = open(session, Step::OpenMatch, &signs.select(&passed)).await?.into_iter();
    Ok(valid.into_iter().map(|valid| valid.map(|()| matches.next() == Some(true))).collect())
}

fn check(batch: &[VerifyInput<'_>]) -> Result<(), ShapeError> {
    batch.iter().try_for_each(|VerifyInput { summands, reference, threshold }| {
        let expected = summands.shape().components();
        if expected != reference.len() {
            return Err(ShapeError::Length { expected, found: reference.len() });
        }
        if threshold.unsigned_abs() > FARTHEST_THRESHOLD {
            return Err(ShapeError::Threshold(*threshold));
        }
        Ok(())
    })
}

/// Takes references in, in 10 rounds for the whole batch: each becomes this party's point share, or is refused for its fault.
///
/// # Errors
/// [`ProtocolError`] if the run stopped, at all three parties: then nothing may be stored.
pub async fn enrol_intake(
    mut session: Session,
    batch: Vec<Summands>,
) -> Result<Vec<Result<PointShare, Invalid>>, ProtocolError> {
    let outcome = enrol_batch(&mut session, &batch).await;
    session.settle(outcome)
}

async fn enrol_batch(
    session: &mut Session,
    batch: &[Summands],
) -> Result<Vec<Result<PointShare, Invalid>>, ProtocolError> {
    let taken = intake(session, batch).await?;
    let mut lanes = Lanes::with_room_for(2 * batch.len());
    for taken in &taken {
        lanes.push_length(taken);
    }
    let signs = signs(session, &lanes.scores, &lanes.thresholds).await?;
    let valid = open_lengths(session, &signs, 0, &taken).await?;
    let own = session.own();
    Ok(valid.into_iter().zip(taken).map(|(valid, taken)| valid.map(|()| taken.components.to_point(own))).collect())
}

/// Opens the length lanes, two for each template from lane `first` on.
async fn open_lengths(
    session: &mut Session,
    signs: &Signs,
    first: usize,
    taken: &[Taken],
) -> Result<Vec<Result<(), Invalid>>, ProtocolError> {
    let lanes: Vec<usize> = (first..first + 2 * taken.len()).collect();
    let within = open(session, Step::OpenLength, &signs.select(&lanes)).await?;
    let verdict = |(taken, within): (&Taken, &[bool])| match within {
        _ if !taken.consistent => Err(Invalid::Inconsistent),
        [true, true] => Ok(()),
        _ => Err(Invalid::Length),
    };
    Ok(taken.iter().zip(within.chunks_exact(2)).map(verdict).collect())
}

/// Summands of scores, and what each is compared with.
struct Lanes {
    scores: Zeroizing<Vec<u16>>,
    thresholds: Vec<i16>,
}

impl Lanes {
    fn with_room_for(lanes: usize) -> Self {
        Self { scores: Zeroizing::new(Vec::with_capacity(lanes)), thresholds: Vec::with_capacity(lanes) }
    }

    fn push(&mut self, score: u16, threshold: i16) {
        self.scores.push(score);
        self.thresholds.push(threshold);
    }

    /// Two lanes: `norm >= lower`, and `-norm >= -upper`.
    ///
    /// A squared length is at most 64 d, so its distance from either bound fits 16 bits for every dimension that there is.
    fn push_length(&mut self, taken: &Taken) {
        let norm = taken.components.norm_summands()[0];
        let (lower, upper) = band(taken.components.shape().columns());
        self.push(norm, lower.cast_signed());
        self.push(norm.wrapping_neg(), -upper.cast_signed());
    }
}
