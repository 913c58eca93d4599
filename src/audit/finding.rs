//! What an audit finds: which node, which entry, which rule, in a sentence.

use std::fmt;

use serde_json::{Value, json};

use crate::hex::hex;
use crate::log::shard::Shard;
use crate::party::Party;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look. It happens to honest nodes, after a restart or when a link breaks.
    Warning,
    /// What there is could not be verified in full.
    Incomplete,
    /// A rule is broken: no honest node writes this.
    Broken,
    /// The log contradicts itself, or is not signed by whom it must be.
    Fork,
}

impl Severity {
    /// A word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Incomplete => "incomplete",
            Self::Broken => "broken",
            Self::Fork => "fork",
        }
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident $code:literal $severity:ident,)*) => {
        /// What a log must keep to. The codes are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $($(#[$doc])* $name,)* }

        impl Rule {
            /// All of them, those of one log first.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code: `SEARCH_UNAPPROVED`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Whether it is about the log as it was mirrored, and not about what its entries say: where it is broken, entries
            /// could not be read.
            #[must_use]
            pub const fn is_of_log(self) -> bool {
                (self as u8) <= Self::Unproven as u8 && !matches!(self, Self::UnderCosigned)
            }

            /// What a finding weighs under it, where nothing speaks for less.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }
        }
    };
}

rules! {
    /// A checkpoint is not signed by the pinned key for this log.
    BadSignature "BAD_SIGNATURE" Fork,
    /// Two signed checkpoints of which neither continues the other.
    Fork "FORK" Fork,
    /// A checkpoint is smaller than one signed before: the log was set back.
    Rewound "REWOUND" Fork,
    /// Hashes do not lead to the signed root, and no witness says that the root is the log's: damaged files, or a lie.
    Root "ROOT" Fork,
    /// A file is not what the signed root says, and nothing else that is signed contradicts that root: the file rotted or was changed, and
    /// shows no lie. Fetched again when the node has mended it, it is well.
    Damaged "DAMAGED" Broken,
    /// Too few witnesses cosigned entries that are older than the time they have for it.
    UnderCosigned "UNDER_COSIGNED" Broken,
    /// Entries, hashes or a whole checkpoint are not there although the policy keeps them. Of a file that only the mirror lacks, it is
    /// [`Incomplete`](Severity::Incomplete).
    Gap "GAP" Broken,
    /// Only the hashes were mirrored: without an auditor token no entries are served.
    NoEntries "NO_ENTRIES" Incomplete,
    /// Nothing of this node was mirrored.
    NoLog "NO_LOG" Incomplete,
    /// A checkpoint seen before can no longer be held against the log, which was pruned since.
    Unproven "UNPROVEN" Warning,
    /// An entry is not in the closed schema.
    Schema "SCHEMA" Broken,
    /// An entry stands under a policy that the auditor does not know.
    PolicyUnknown "POLICY_UNKNOWN" Broken,
    /// Admitted for a purpose that its policy does not have.
    PurposeUnknown "PURPOSE_UNKNOWN" Broken,
    /// Admitted for an action that the purpose does not allow.
    ActionNotAllowed "ACTION_NOT_ALLOWED" Broken,
    /// Admitted with samples that the purpose does not take.
    ModalityNotAllowed "MODALITY_NOT_ALLOWED" Broken,
    /// Admitted for a relying party that may not use the purpose.
    RelyingPartyNotAllowed "RELYING_PARTY_NOT_ALLOWED" Broken,
    /// A search with fewer than two approvals.
    SearchUnapproved "SEARCH_UNAPPROVED" Broken,
    /// A search named more people than its purpose allows.
    CandidatesOverLimit "CANDIDATES_OVER_LIMIT" Broken,
    /// Somebody was named, and no search of this request is open.
    CandidateWithoutSearch "CANDIDATE_WITHOUT_SEARCH" Broken,
    /// A request was closed that was not open.
    CloseWithoutAdmit "CLOSE_WITHOUT_ADMIT" Broken,
    /// The entries of one request contradict each other.
    RequestChanged "REQUEST_CHANGED" Broken,
    /// A request was admitted while it was open. A restart of the node leaves requests open that may be asked again.
    AdmittedTwice "ADMITTED_TWICE" Warning,
    /// A request was admitted, and not closed ten minutes later. A restart of the node leaves requests open.
    LeftOpen "LEFT_OPEN" Warning,
    /// An entry's minute lies before that of an earlier one, by more than clocks may differ.
    TimeBackwards "TIME_BACKWARDS" Broken,
    /// An entry's minute is not in the half-year of its log.
    OutOfHalf "OUT_OF_HALF" Broken,
    /// More requests of one relying party in a minute than its policy lets through.
    RateExceeded "RATE_EXCEEDED" Broken,
    /// Two entries have the same handle: they are linked.
    HandleRepeated "HANDLE_REPEATED" Broken,
    /// Admitted at two nodes, and not in the log of the third.
    Missing "MISSING" Broken,
    /// Admitted at one node, and not in the logs of the two others.
    Extra "EXTRA" Broken,
    /// The logs say different things of one request.
    Different "DIFFERENT" Broken,
    /// The logs say that one request was admitted at different times.
    Late "LATE" Broken,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whose log.
    pub node: Party,
    /// Which of its logs.
    pub half: Option<Shard>,
    /// Index of the entry in that log; of something that is not there, where it should stand if that is known.
    pub index: Option<u64>,
    /// Which rule.
    pub rule: Rule,
    /// How much it weighs: as its rule says, or less.
    pub severity: Severity,
    /// What is wrong, in a plain sentence.
    pub text: String,
    /// The request that it is about.
    pub request_digest: Option<[u8; 32]>,
    /// The entry in another node's log that shows it.
    pub shown_by: Option<Spot>,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// In whose log.
    pub node: Party,
    /// In which of them.
    pub half: Shard,
    /// At which index.
    pub index: u64,
}

/// `entry 17 of node A in 2026h2`.
impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} of node {} in {}", self.index, self.node, self.half)
    }
}

impl Finding {
    /// A finding of its rule's weight.
    #[must_use]
    pub fn new(node: Party, half: Option<Shard>, index: Option<u64>, rule: Rule, text: String) -> Self {
        Self { node, half, index, rule, severity: rule.severity(), text, request_digest: None, shown_by: None }
    }

    /// A finding about an entry.
    #[must_use]
    pub fn at(spot: Spot, rule: Rule, text: String) -> Self {
        Self::new(spot.node, Some(spot.half), Some(spot.index), rule, text)
    }

    /// The same, about this request.
    #[must_use]
    pub fn of_request(self, request_digest: &[u8; 32]) -> Self {
        Self { request_digest: Some(*request_digest), ..self }
    }

    /// The same, as a warning.
    #[must_use]
    pub fn as_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// The same, of what the mirror lacks: nothing shows that the node does.
    #[must_use]
    pub fn as_incomplete(self) -> Self {
        Self { severity: Severity::Incomplete, ..self }
    }

    /// As a JSON object: `node`, `half`, `index`, `rule`, `severity`, `text`, `rq`, `shown_by`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "node": self.node.as_str(),
            "half": self.half.map(|half| half.to_string()),
            "index": self.index,
            "rule": self.rule.code(),
            "severity": self.severity.as_str(),
            "text": self.text,
            "rq": self.request_digest.as_ref().map(|request_digest| hex(request_digest)),
            "shown_by": self.shown_by.map(|Spot { node, half, index }| {
                json!({"node": node.as_str(), "half": half.to_string(), "index": index})
            }),
        })
    }
}

/// One line: `broken SEARCH_UNAPPROVED, node B, 2026h2, entry 17: ...`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, node {}", self.severity.as_str(), self.rule.code(), self.node)?;
        if let Some(half) = self.half {
            write!(f, ", {half}")?;
        }
        if let Some(index) = self.index {
            write!(f, ", entry {index}")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// What many findings come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing but warnings, if anything.
    Clean,
    /// Not all could be verified.
    Incomplete,
    /// A rule is broken.
    Broken,
    /// A log contradicts itself or is not signed by whom it must be.
    Fork,
}

impl Verdict {
    /// The worst of them.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let worst = findings.into_iter().map(|finding| finding.severity).max();
        match worst {
            None | Some(Severity::Warning) => Self::Clean,
            Some(Severity::Incomplete) => Self::Incomplete,
            Some(Severity::Broken) => Self::Broken,
            Some(Severity::Fork) => Self::Fork,
        }
    }

    /// The exit code, as the table above [`audit`](super) has it.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Incomplete => 4,
            Self::Broken => 1,
            Self::Fork => 5,
        }
    }

    /// A word for it: `agreement`, `incomplete`, `broken rules` or `fork`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "agreement",
            Self::Incomplete => "incomplete",
            Self::Broken => "broken rules",
            Self::Fork => "fork or false signature",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_exit_codes_are_those_of_the_table() {
        let codes: std::collections::BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
        assert_eq!(codes.len(), Rule::ALL.len());
        let finding = |rule| Finding::new(Party::B, None, Some(17), rule, "so it is".to_owned());
        let of = |rules: &[Rule]| Verdict::of(&rules.iter().map(|&rule| finding(rule)).collect::<Vec<_>>()).code();
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[Rule::LeftOpen]), 0);
        assert_eq!(of(&[Rule::NoEntries, Rule::LeftOpen]), 4);
        assert_eq!(of(&[Rule::NoEntries, Rule::Missing]), 1);
        assert_eq!(of(&[Rule::Fork, Rule::Missing]), 5);
        assert_eq!(finding(Rule::Late).to_string(), "broken LATE, node B, entry 17: so it is");
        assert_eq!(Verdict::of([&finding(Rule::Late).as_warning()]), Verdict::Clean);
    }
}
