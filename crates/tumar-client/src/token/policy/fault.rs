//! What is wrong with a policy, and where.

use super::SearchFault;
use crate::form::FormError;
use crate::name::PurposeName;

/// What is wrong with a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PurposeFault {
    /// No action.
    #[error("it allows no action")]
    Actions,
    /// Nobody is named who may read logs or evidence.
    #[error("relying_parties must be named with the actions read_log and open_evidence")]
    Auditors,
    /// Samples where none are taken, or none where some are.
    #[error("modalities must be named with the actions enroll, verify and search, and with no other")]
    Modalities,
    /// Out of range, or out of place.
    #[error("attempts must be 1 to 10 with the action verify, and absent otherwise")]
    Attempts,
    /// Out of range, or out of place.
    #[error("delay_seconds must be 1 to 3600 with the action verify, and absent otherwise")]
    Delay,
    /// Out of range, or out of place.
    #[error("max_delay_seconds must be delay_seconds to 31536000 with the action verify, and absent otherwise")]
    MaxDelay,
    /// Out of range, or out of place.
    #[error("attempts_cap must be attempts to 100 with the action verify, and absent otherwise")]
    Cap,
    /// Nothing shows that the person is there.
    #[error("evidence must name another factor with the action unlock: unlocking forgets all non-matches")]
    Unlock,
    /// Out of range, or out of place.
    #[error("retention_days must be 1 to 3650 with the action enroll, and absent otherwise")]
    Retention,
    /// Out of range, or out of place.
    #[error(
        "capture_max_age must be 1 to 3600 seconds with the actions enroll, verify and search, and absent otherwise"
    )]
    CaptureAge,
    /// None, or out of place.
    #[error("rules must be present with the action verify, and absent otherwise")]
    Rules,
    /// None, or out of place.
    #[error("a table search must be present with the action search, and absent otherwise")]
    Search,
    /// In that table.
    #[error("search: {0}")]
    Guard(#[from] SearchFault),
}

/// What is wrong with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    /// It decides by what its purpose does not take.
    #[error("its decision needs a modality that is not in the purpose's modalities")]
    Modality,
    /// It decides by what no model here compares.
    #[error("no model served here can make its decision")]
    NotServed,
    /// It can never apply.
    #[error("up_to_kzt must rise from rule to rule, and only the last may be without")]
    Order,
    /// A larger amount would be let through more easily.
    #[error("its fmr is looser than that of the rule for smaller amounts")]
    Looser,
}

/// Why a text is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not TOML, or a key that is unknown, missing, doubled or of another type: it says which, and on which line.
    #[error("policy: {0}")]
    Form(#[from] FormError),
    /// A limit is zero: it would close the service, or keep no log.
    #[error("policy: every value under [limits] must be at least 1")]
    Limits,
    /// There is none.
    #[error("policy: no purpose is defined")]
    NoPurpose,
    /// In a purpose.
    #[error("policy: purpose {purpose}: {fault}")]
    Purpose {
        /// Which.
        purpose: PurposeName,
        /// What.
        fault: PurposeFault,
    },
    /// In a rule.
    #[error("policy: purpose {purpose}, rule {rule}: {fault}")]
    Rule {
        /// Of which purpose.
        purpose: PurposeName,
        /// Which, from 1.
        rule: usize,
        /// What.
        fault: RuleFault,
    },
}
