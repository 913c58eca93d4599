//! What an auditor does who trusts no operator: mirror the three logs, verify each by itself, and hold them against each other.
//!
//! ```text
//! nodes' web sites --fetch--> Mirror --Audit::of--> findings     of each log: signatures, root, memory, rules of the policy
//!   Pins: keys,               a folder              pairs         of the three: missing, extra, different, late
//!   policies                  (works offline)       Counts        per bank, purpose and day --report--> text JSON CSV HTML
//!
//! Mirror + a person's own key --uses::of--> exactly the own entries, each with its proof
//! ```
//!
//! | file | what |
//! |---|---|
//! | `pins` | whom an auditor believes: [`Pins`] |
//! | `mirror` | the folder, and what it remembers |
//! | `fetch` | from a node into the mirror, checked before it is kept |
//! | `hashes` | roots and proofs from tiles, pruned or not |
//! | `reading` | the hashes of one log, from its tiles or anew from its entries |
//! | `part` | one log of half a year, read and verified |
//! | `rules` | what entries must and must not say, one after the other |
//! | `reconcile` | the same requests in three logs |
//! | `counts`, `outliers`, `report` | how much of what, for people and for programs |
//! | `uses` | one person's entries |
//!
//! What is found is a [`Finding`], not an error: node, half, entry and rule. [`Verdict`] sums findings up, as an exit code:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | clean; there may be warnings |
//! | 1 | a rule is broken |
//! | 2 | wrong usage, or files that can not be read (an error, not a finding) |
//! | 4 | a node could not be reached, or the mirror lacks entries: nothing wrong was found in what there is |
//! | 5 | a fork, a rewound log, or a signature that does not hold |
//!
//! A worse code hides a milder one: 5 before 1 before 4.

pub mod counts;
pub mod fetch;
pub mod finding;
pub mod hashes;
pub mod mirror;
pub mod outliers;
pub mod part;
pub mod pins;
mod reading;
pub mod reconcile;
pub mod report;
pub mod rules;
mod run;
pub mod uses;

pub use finding::{Finding, Rule, Severity, Spot, Verdict};
pub use mirror::Mirror;
pub use pins::Pins;
pub use run::{Audit, LogState};
