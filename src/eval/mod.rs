//! How well a model tells people apart: every pair of a labelled set on the plain quantised path, in the terms of ISO/IEC 19795-1.
//!
//! ```text
//! labels --Crowd::of--> Crowd --+
//! templates, a score of two ----+--Scores::of_all_pairs--> Scores --Curve::measure--> Curve --> Report
//!                                  all cores, exact        levels    rates, bootstrap          JSON, HTML, SVG, TOML
//! a score of two ----Searches::measure--> FNIR, FPIR   one sample of each enrolled, the others looked for
//! a score of two ----Groups, Wolves::measure--> the rates of each group, and what one probe matches at worst
//! a few pairs --shared::compare--> the bits that three parties in one process open: must be those of the plain path
//! ```
//!
//! A score is a whole number here as it is in the protocol: a *level*. Nothing is printed, nothing is read; no template leaves.

pub mod bootstrap;
pub mod compare;
pub mod crowd;
pub mod curve;
pub mod draw;
pub mod fused;
pub mod groups;
pub mod independent;
pub mod parallel;
pub mod plot;
mod quick;
pub mod rates;
pub mod report;
pub mod samples;
pub mod scores;
pub mod search;
pub mod shared;
pub mod site;
pub mod table;
pub mod text;
pub mod thresholds;
pub mod wolves;
