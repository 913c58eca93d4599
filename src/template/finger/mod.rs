//! Fingers: from a minutiae record to rows for one comparison, or to one vector for a search.
//!
//! ```text
//! bytes --record--> View --minutiae--> Minutiae --cylinder, rows--> UnitRows --encode_rows---> Template of 4..=40 rows of 128
//! ISO or ANSI       one finger         500 dpi                      length 1  `-encode_fixed--> Template of 1024 components
//! ```
//!
//! All of it runs at the terminal, without input or output: nodes see shares of templates only. The weights inside fit the minutiae of
//! one extractor, and are named after it.

mod cylinder;
mod fixed;
mod minutiae;
pub mod record;
mod rows;
mod weights;

pub use fixed::COMPONENTS;
pub use minutiae::Minutiae;
pub use rows::{COLUMNS, UnitRows, unit_rows};
pub use weights::WEIGHTS;

use zeroize::Zeroizing;

/// Most rows of a template: the best ones.
pub const MOST_ROWS: usize = 40;
/// Fewest rows of a template: below, too little of the finger was captured to tell it from others.
pub const LEAST_ROWS: usize = 4;

/// Why a capture makes no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerError {
    /// Fewer than [`LEAST_ROWS`] minutiae have enough of the finger around them.
    #[error("only {rows} minutiae have enough of the finger around them: capture it again")]
    TooFewMinutiae {
        /// How many have.
        rows: usize,
    },
}

impl FingerError {
    /// A stable name of the fault, for programs.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooFewMinutiae { .. } => "FINGER_TOO_FEW_MINUTIAE",
        }
    }
}

/// The direction that [`encode_fixed`] quantises: 1024 components of length 1.
///
/// # Errors
/// [`FingerError::TooFewMinutiae`] below [`LEAST_ROWS`] rows.
pub fn unit_vector(rows: &UnitRows) -> Result<Zeroizing<Box<[f64]>>, FingerError> {
    let too_few = FingerError::TooFewMinutiae { rows: rows.count() };
    if rows.count() < LEAST_ROWS { Err(too_few) } else { fixed::unit_vector(rows).ok_or(too_few) }
}
