//! What a client asks for, as all sides see it: client, leader and helpers compute the same digest of it.

use std::fmt;

use ring::digest::{Context, SHA256};

use crate::name::{ClientName, GalleryName, Modality, ModelId, PurposeName, RequestId, Subject};
use crate::party::Party;

/// The calls that need a token. One gRPC method each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Take a reference in.
    Enroll,
    /// Compare a probe with one subject's reference.
    Verify,
    /// Destroy a subject's references.
    Erase,
    /// Stop a subject's use until unlocked.
    Lock,
    /// End a lock.
    Unlock,
    /// Compare a probe with every reference of a gallery.
    Search,
    /// Show an auditor a part of what a request presented for its right. At one node, about its own log.
    OpenEvidence,
    /// Show a person the entries of one node's log that are about them, after a match.
    ListUses,
    /// Read entries of a node's log. Allowed by a token alone, without a request of this kind.
    ReadLog,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Enroll,
        Self::Verify,
        Self::Erase,
        Self::Lock,
        Self::Unlock,
        Self::Search,
        Self::OpenEvidence,
        Self::ListUses,
        Self::ReadLog,
    ];

    /// The gRPC path: the `htu` of a proof ends in it.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Enroll => "/tumar.v1.MatchingService/EnrollSubject",
            Self::Verify => "/tumar.v1.MatchingService/VerifySubject",
            Self::Erase => "/tumar.v1.MatchingService/EraseSubject",
            Self::Lock => "/tumar.v1.MatchingService/LockSubject",
            Self::Unlock => "/tumar.v1.MatchingService/UnlockSubject",
            Self::Search => "/tumar.v1.MatchingService/SearchGallery",
            Self::OpenEvidence => "/tumar.v1.AccessLogService/OpenEvidence",
            Self::ListUses => "/tumar.v1.SubjectService/ListUses",
            Self::ReadLog => "/tumar.v1.AccessLogService/ListEntries",
        }
    }

    /// The action, as tokens, policies and log entries spell it.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::Enroll => "enroll",
            Self::Verify => "verify",
            Self::Erase => "erase",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::Search => "search",
            Self::OpenEvidence => "open_evidence",
            Self::ListUses => "list_uses",
            Self::ReadLog => "read_log",
        }
    }
}

/// One sample of a request: which extractor made it, and the digest of each party's envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What it was made from.
    pub modality: Modality,
    /// The extractor.
    pub model: ModelId,
    /// SHA-256 of each party's envelope as sent, in the order A, B, C.
    pub envelopes: [[u8; 32]; 3],
}

/// What a search is part of, and how much of a gallery it may name.
#[derive(Clone, PartialEq, Eq)]
pub struct Case {
    /// SHA-256 of the file of the case: what two officers approved a search for.
    pub digest: [u8; 32],
    /// Most subjects that come back: 1..=[`MOST_CANDIDATES`].
    pub most: u32,
    /// The officers' approvals, as they signed them.
    pub approvals: Vec<String>,
}

/// Prints how many there are of what: whoever reads an approval could use it again.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({} at most, {} approvals)", self.most, self.approvals.len())
    }
}

/// How far a search is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Blocks of references that are compared.
    pub blocks_done: u32,
    /// Blocks in all.
    pub blocks: u32,
}

/// Most subjects that any search may name.
pub const MOST_CANDIDATES: u32 = 32;

/// Whom a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestTarget {
    /// One subject.
    Subject(Subject),
    /// Everybody in the gallery: a search.
    Case(Case),
    /// A part of the evidence behind an entry of one node's log.
    Evidence(Exhibit),
    /// A subject whom an earlier request has just matched: their entries in this one node's log.
    Matched(Subject, RequestId, Party),
}

/// A part of what stands behind a log entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhibit {
    /// Whose log: no other node takes it for a request to itself.
    pub node: Party,
    /// The half-year of the log: `2026h2`.
    pub half: String,
    /// The entry.
    pub index: u64,
    /// Which part: 0 the token, 1 the proof, 2 and 3 approvals.
    pub part: u8,
}

/// What one call asks for, apart from who may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// The call.
    pub method: Method,
    /// Who calls: the token must be this client's.
    pub client: ClientName,
    /// Drawn by the client; the same when it tries again.
    pub request_id: RequestId,
    /// Where the subject is, or will be.
    pub gallery: GalleryName,
    /// Whom it is about.
    pub about: RequestTarget,
    /// What for.
    pub purpose: PurposeName,
    /// Whole tenge at stake, where the purpose's rule depends on it; 0 where nothing is.
    pub amount_kzt: u64,
    /// When the samples were captured; minute 0 for calls that take none.
    pub captured: Minute,
    /// The samples that came along; empty for calls that take none.
    pub samples: Vec<Sample>,
}

/// Unix time in whole minutes: neither a request nor an entry of a log says the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(u32);

impl Minute {
    /// The minute that a time lies in, given in unix seconds. A clock beyond the year 10 000 stands still there.
    #[must_use]
    pub fn of(unix_seconds: u64) -> Self {
        Self(u32::try_from(unix_seconds / 60).unwrap_or(u32::MAX))
    }

    /// From its number: minutes since the beginning of 1970.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// Minutes since the beginning of 1970.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Unix seconds of its beginning.
    #[must_use]
    pub fn begins(self) -> u64 {
        u64::from(self.0) * 60
    }

    /// Unix seconds of its end, which is the next one's beginning.
    #[must_use]
    pub fn ends(self) -> u64 {
        self.begins() + 60
    }
}

impl RequestInfo {
    /// The subject that it is about; none of a search, and none of evidence.
    #[must_use]
    pub const fn subject(&self) -> Option<&Subject> {
        match &self.about {
            RequestTarget::Subject(subject) | RequestTarget::Matched(subject, ..) => Some(subject),
            RequestTarget::Case(_) | RequestTarget::Evidence(_) => None,
        }
    }

    /// What the samples were made from, each once, in the order in which they first come.
    #[must_use]
    pub fn modalities(&self) -> Vec<Modality> {
        let mut once = Vec::new();
        for sample in &self.samples {
            if !once.contains(&sample.modality) {
                once.push(sample.modality);
            }
        }
        once
    }

    /// SHA-256 over every field, each with its length in front: what a proof signs as `rqh`, and what pairs the three logs.
    ///
    /// Never taken over protobuf bytes, which have more than one form for one message.
    #[must_use]
    pub fn request_digest(&self) -> [u8; 32] {
        let mut hash = Context::new(&SHA256);
        let mut field = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        field(b"tumar request v2");
        field(self.method.path().as_bytes());
        field(self.client.as_str().as_bytes());
        field(self.request_id.as_bytes());
        field(self.gallery.as_str().as_bytes());
        match &self.about {
            RequestTarget::Subject(subject) => field(subject.as_str().as_bytes()),
            // No subject is empty.
            RequestTarget::Case(Case { digest, most, approvals }) => {
                field(b"");
                field(digest);
                field(&most.to_be_bytes());
                field(&(approvals.len() as u64).to_be_bytes());
                for approval in approvals {
                    field(approval.as_bytes());
                }
            }
            RequestTarget::Evidence(Exhibit { node, half, index, part }) => {
                field(b"");
                field(node.as_str().as_bytes());
                field(half.as_bytes());
                field(&index.to_be_bytes());
                field(&[*part]);
            }
            RequestTarget::Matched(subject, request, node) => {
                field(subject.as_str().as_bytes());
                field(node.as_str().as_bytes());
                field(request.as_bytes());
            }
        }
        field(self.purpose.as_str().as_bytes());
        field(&self.amount_kzt.to_be_bytes());
        field(&self.captured.number().to_be_bytes());
        field(&(self.samples.len() as u64).to_be_bytes());
        for sample in &self.samples {
            field(sample.modality.as_str().as_bytes());
            field(sample.model.as_str().as_bytes());
            sample.envelopes.iter().for_each(|digest| field(digest));
        }
        digest_of(hash)
    }
}

fn digest_of(hash: Context) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> RequestInfo {
        RequestInfo {
            method: Method::Verify,
            client: "banks/b17/atm-backend".parse().unwrap(),
            request_id: RequestId::from_random([7; 16]),
            gallery: "banks/b17/customers".parse().unwrap(),
            about: RequestTarget::Subject("c-0042".parse().unwrap()),
            purpose: "cash_withdrawal".parse().unwrap(),
            amount_kzt: 40_000,
            captured: Minute::from_number(30_000_000),
            samples: vec![Sample {
                modality: Modality::Face,
                model: "fr512".parse().unwrap(),
                envelopes: [[1; 32], [2; 32], [3; 32]],
            }],
        }
    }

    #[test]
    fn every_field_of_a_case_changes_the_transcript() {
        let case = Case { digest: [7; 32], most: 5, approvals: vec!["one".to_owned(), "two".to_owned()] };
        let change: [fn(&mut Case); 5] = [
            |case| case.digest = [8; 32],
            |case| case.most = 6,
            |case| case.approvals.swap(0, 1),
            |case| case.approvals[0].push('x'),
            |case| case.approvals.truncate(1),
        ];
        let of = |case: &Case| RequestInfo { about: RequestTarget::Case(case.clone()), ..ask() }.request_digest();
        assert_eq!(of(&case), of(&case.clone()));
        assert_ne!(of(&case), ask().request_digest());
        for (place, change) in change.iter().enumerate() {
            let mut other = case.clone();
            change(&mut other);
            assert_ne!(of(&case), of(&other), "change {place}");
        }
    }

    #[test]
    fn what_one_node_is_asked_about_its_own_log_is_another_request_at_another_node() {
        let exhibit = |node| RequestTarget::Evidence(Exhibit { node, half: "2026h2".to_owned(), index: 7, part: 0 });
        let matched = |node| RequestTarget::Matched("c-0042".parse().unwrap(), RequestId::from_random([9; 16]), node);
        let of = |about| RequestInfo { about, ..ask() }.request_digest();
        let all: std::collections::BTreeSet<_> =
            Party::ALL.into_iter().flat_map(|node| [of(exhibit(node)), of(matched(node))]).collect();
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn a_case_does_not_print_what_was_signed() {
        let case = Case { digest: [7; 32], most: 5, approvals: vec!["signed".to_owned()] };
        let printed = format!("{:?}", RequestInfo { about: RequestTarget::Case(case), ..ask() });
        assert!(printed.contains("Case(5 at most, 1 approvals)") && !printed.contains("signed"), "{printed}");
    }

    #[test]
    fn every_field_changes_the_transcript() {
        let change: [fn(&mut RequestInfo); 11] = [
            |a| a.method = Method::Enroll,
            |a| a.client = "banks/b17/branch-backend".parse().unwrap(),
            |a| a.request_id = RequestId::from_random([8; 16]),
            |a| a.gallery = "banks/b18/customers".parse().unwrap(),
            |a| a.about = RequestTarget::Subject("c-0043".parse().unwrap()),
            |a| a.purpose = "card_activation".parse().unwrap(),
            |a| a.amount_kzt += 1,
            |a| a.captured = Minute::from_number(30_000_001),
            |a| a.samples[0].model = "sface128".parse().unwrap(),
            |a| a.samples[0].envelopes.swap(0, 1),
            |a| a.samples.clear(),
        ];
        let plain = ask().request_digest();
        assert_eq!(plain, ask().request_digest());
        for (place, change) in change.iter().enumerate() {
            let mut other = ask();
            change(&mut other);
            assert_ne!(plain, other.request_digest(), "change {place}");
        }
    }
}
