//! Fingers: from a minutiae record to rows for one comparison, or to one vector for a search.
//!
//! ```text
//! bytes --record--> View --minutiae--> Minutiae --cylinder, rows--> UnitRows --encode_rows---> Template of 4..=40 rows of 140
//! ISO or ANSI       one finger         500 dpi        `------rows-> UnitRows --encode_fixed--> Template of 1024 components
//! ```
//!
//! The two encodings have learned maps of their own. All of it runs at the terminal, without input or output: nodes see shares of
//! templates only. The weights inside fit the minutiae of one extractor, and are named after it; [`folder`] reads others.

mod cylinder;
mod fixed;
pub mod folder;
mod minutiae;
pub mod record;
mod rows;
mod side;
pub(super) mod weights;

pub use fixed::COMPONENTS;
pub use minutiae::Minutiae;
pub use rows::{UnitRows, unit_rows};
pub use weights::direction;

use zeroize::Zeroizing;

use super::model::{Encoding, Model};
use super::quantise::round_to_band;
use super::{MOST_ROWS, ROW, SURROUNDINGS, Shape, Template};

/// Why a capture makes no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerError {
    /// Fewer than [`LEAST_ROWS`](super::LEAST_ROWS) minutiae have enough of the finger around them.
    #[error("only {rows} minutiae have enough of the finger around them: capture the finger again")]
    TooFewMinutiae {
        /// How many have.
        rows: usize,
    },
    /// Without the rows that repeat others fewer than [`LEAST_ROWS`](super::LEAST_ROWS) are left: a pattern, or one place many times over,
    /// and no finger.
    #[error(
        "all but {kept} of the surroundings of {rows} minutiae repeat each other, which no finger's do: capture the finger again"
    )]
    Repeats {
        /// How many minutiae have enough around them.
        rows: usize,
        /// How many of these are like at most one other.
        kept: usize,
    },
    /// Too few components carry the vector's length, so no scale gives it the length that the nodes require. No real print's does.
    #[error("the finger's vector is too sparse to be quantised")]
    Sparse,
}

impl FingerError {
    /// A stable name of the fault, for programs.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooFewMinutiae { .. } => "FINGER_TOO_FEW_MINUTIAE",
            Self::Repeats { .. } => "FINGER_REPEATS",
            Self::Sparse => "FINGER_SPARSE",
        }
    }
}

/// A finger's template by this model: by the weights that it was [read](folder) with, or else by those built in.
///
/// # Errors
/// As [`encode_rows`] or [`encode_fixed`], whichever its encoding asks for.
pub fn encode(minutiae: &Minutiae, model: &Model) -> Result<Template, FingerError> {
    match (model.encoding(), model.weights()) {
        (Encoding::Rows, Some(map)) => quantised(&rows::unit_rows_by(minutiae, map)?),
        (Encoding::Rows, None) => encode_rows(minutiae),
        (Encoding::Vector, _) => encode_fixed(minutiae),
    }
}

/// A set of 4 to 40 rows of 140, for one comparison: the best rows, each quantised on its own, with its minutia's [`direction`].
///
/// A row that no scale brings to the required length is left out before rows are counted: it is no direction that a node would take.
/// None of a real print was seen.
///
/// # Errors
/// [`FingerError::TooFewMinutiae`] if fewer than [`LEAST_ROWS`](super::LEAST_ROWS) rows are left, [`FingerError::Repeats`] if that is for
/// their repeats.
pub fn encode_rows(minutiae: &Minutiae) -> Result<Template, FingerError> {
    quantised(&unit_rows(minutiae)?)
}

fn quantised(rows: &UnitRows) -> Result<Template, FingerError> {
    let mut components = Zeroizing::new(vec![0; MOST_ROWS * ROW].into_boxed_slice());
    let mut kept = 0;
    for (row, &angle) in rows.rows().iter().zip(rows.angles()) {
        let Some(place) = components.as_chunks_mut::<ROW>().0.get_mut(kept) else { break };
        let (surroundings, pointing) = place.split_at_mut(SURROUNDINGS);
        if round_to_band(row, surroundings).is_ok() {
            pointing.copy_from_slice(&direction(angle));
            kept += 1;
        }
    }
    let shape = Shape::set(kept).ok_or(FingerError::TooFewMinutiae { rows: kept })?;
    Ok(Template { shape, components: components[..shape.components()].into() })
}

/// One vector of 1024 components over all rows, for searches.
///
/// # Errors
/// As [`unit_vector`], and [`FingerError::Sparse`] if the vector has no such length.
pub fn encode_fixed(minutiae: &Minutiae) -> Result<Template, FingerError> {
    let unit = unit_vector(minutiae)?;
    let shape = Shape::vector(COMPONENTS).expect("two segments are a vector");
    let mut template = Template { shape, components: vec![0; COMPONENTS].into_boxed_slice() };
    round_to_band(&unit, &mut template.components).map_err(|_| FingerError::Sparse)?;
    Ok(template)
}

/// The direction that [`encode_fixed`] quantises: 1024 components of length 1.
///
/// # Errors
/// [`FingerError::TooFewMinutiae`] if there are fewer than [`LEAST_ROWS`](super::LEAST_ROWS) rows, [`FingerError::Repeats`] if that is for
/// their repeats.
pub fn unit_vector(minutiae: &Minutiae) -> Result<Zeroizing<Box<[f64]>>, FingerError> {
    rows::rows_for_a_vector(minutiae).map(|rows| fixed::unit_vector(&rows))
}
