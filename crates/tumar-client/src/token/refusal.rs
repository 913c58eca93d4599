//! Why a token is refused.

use std::fmt;

use super::purpose::{AccessRecord, ReplayKeys};
use crate::reason::Reason;

macro_rules! refusals {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $reason:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = concat!("[`Reason::", stringify!($reason), "`]")] $variant,)*
        }

        impl $name {
            /// The reasons of all of them, in the order in which they are checked.
            pub const REASONS: &'static [Reason] = &[$(Reason::$reason,)*];

            /// The reason that a caller is told.
            #[must_use]
            pub const fn reason(self) -> Reason {
                Self::REASONS[self as usize]
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.reason().text())
            }
        }

        impl std::error::Error for $name {}
    };
}

refusals! {
    /// The token is not genuine, or not for us, or not now, or not this caller's. Anyone can send such a one, so it is
    /// counted and never logged.
    TokenError {
        TooLarge = TokenTooLarge,
        ProofTooLarge = ProofTooLarge,
        Malformed = TokenMalformed,
        ProofMalformed = ProofMalformed,
        Type = TokenType,
        Algorithm = TokenAlg,
        Header = TokenHeader,
        KeyUnknown = TokenKidUnknown,
        KeyAlgorithm = TokenAlgOfKey,
        Signature = TokenSignature,
        Claims = TokenClaims,
        Id = TokenJti,
        Details = TokenDetails,
        Issuer = TokenIssuer,
        IssuerRelyingParty = IssuerRelyingParty,
        Audience = TokenAudience,
        NotYetValid = TokenNotYetValid,
        Expired = TokenExpired,
        TooLongLived = TokenTooLongLived,
        ProofType = ProofType,
        ProofAlgorithm = ProofAlg,
        ProofHeader = ProofHeader,
        ProofKey = ProofKey,
        ProofKeyAlgorithm = ProofAlgOfKey,
        ProofSignature = ProofSignature,
        ProofClaims = ProofClaims,
        ProofMethod = ProofHtm,
        ProofUri = ProofHtu,
        ProofNotYetValid = ProofNotYetValid,
        ProofExpired = ProofExpired,
        ProofId = ProofJti,
        ProofDetails = ProofDetails,
        ProofToken = ProofAth,
        ProofRequest = ProofRqh,
        Binding = ProofKeyOther,
        Certificate = TokenCertificate,
        Client = TokenClient,
    }
}

refusals! {
    /// The token is genuine and does not allow this request. Goes into the access log.
    Denial {
        ActionOther = ActionOther,
        PurposeNotGranted = PurposeNotGranted,
        PurposeUnknown = PurposeUnknown,
        ActionNotGranted = ActionNotGranted,
        ActionNotAllowed = ActionNotAllowed,
        GalleryNotGranted = GalleryNotGranted,
        ModalityNotGranted = ModalityNotGranted,
        ModalityNotAllowed = ModalityNotAllowed,
        RelyingPartyGallery = RelyingPartyGallery,
        GalleryNotListed = GalleryNotListed,
        RelyingPartyNotAllowed = RelyingPartyNotAllowed,
        NarrowingWider = NarrowingWider,
        NarrowingExcludes = NarrowingExcludes,
        ApprovalsMissing = ApprovalsMissing,
        ApprovalMalformed = ApprovalMalformed,
        ApprovalSameOfficer = ApprovalSameOfficer,
        ApprovalSameRole = ApprovalSameRole,
        ApprovalSameKey = ApprovalSameKey,
        ApprovalOfficerUnknown = ApprovalOfficerUnknown,
        ApprovalSignature = ApprovalSignature,
        ApprovalRole = ApprovalRole,
        ApprovalOtherDetails = ApprovalOtherDetails,
        ApprovalOtherCase = ApprovalOtherCase,
        ApprovalExpired = ApprovalExpired,
        SamplesUnexpected = SamplesUnexpected,
        SamplesMissing = SamplesMissing,
        CaptureFromFuture = CaptureFromFuture,
        CaptureTooOld = CaptureTooOld,
        ModelUnknown = ModelUnknown,
        ModelNotSearched = ModelNotSearched,
        CandidatesOverLimit = CandidatesOverLimit,
        ModelNotCompared = ModelNotCompared,
        AmountOverLimit = AmountOverLimit,
        DecisionSamples = DecisionSamples,
        EvidenceMissing = EvidenceMissing,
    }
}

impl TokenError {
    /// The member of token or proof that it is about, where there is one and always the same.
    #[must_use]
    pub const fn claim(self) -> Option<&'static str> {
        match self {
            Self::Type | Self::ProofType => Some("typ"),
            Self::Algorithm | Self::KeyAlgorithm | Self::ProofAlgorithm | Self::ProofKeyAlgorithm => Some("alg"),
            Self::KeyUnknown => Some("kid"),
            Self::Id | Self::ProofId => Some("jti"),
            Self::Details | Self::ProofDetails | Self::IssuerRelyingParty => Some("authorization_details"),
            Self::Issuer => Some("iss"),
            Self::Client => Some("client_id"),
            Self::Audience => Some("aud"),
            Self::Expired | Self::TooLongLived => Some("exp"),
            Self::ProofKey => Some("jwk"),
            Self::ProofMethod => Some("htm"),
            Self::ProofUri => Some("htu"),
            Self::ProofNotYetValid | Self::ProofExpired => Some("iat"),
            Self::ProofToken => Some("ath"),
            Self::ProofRequest => Some("rqh"),
            Self::Binding | Self::Certificate => Some("cnf"),
            Self::TooLarge
            | Self::ProofTooLarge
            | Self::Malformed
            | Self::ProofMalformed
            | Self::Header
            | Self::Signature
            | Self::Claims
            | Self::NotYetValid
            | Self::ProofHeader
            | Self::ProofSignature
            | Self::ProofClaims => None,
        }
    }

    /// The same, where the member is this one.
    pub(super) const fn of(self, claim: &'static str) -> TokenFault {
        TokenFault { error: self, claim: Some(claim) }
    }
}

/// Why a token is not genuine, and by which of its members, as [`Jws`](super::jws::Jws) has them in header and claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct TokenFault {
    /// Why.
    pub error: TokenError,
    /// The member at fault; none where it is all of it.
    pub claim: Option<&'static str>,
}

impl From<TokenError> for TokenFault {
    fn from(error: TokenError) -> Self {
        Self { error, claim: error.claim() }
    }
}

impl TokenFault {
    /// The reason that a caller is told.
    #[must_use]
    pub const fn reason(self) -> Reason {
        self.error.reason()
    }
}

/// A genuine token's request that is not allowed, with all that the log needs to say so.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Denied {
    /// Why.
    pub cause: Denial,
    /// What the log will say.
    pub record: Box<AccessRecord>,
    /// What it would have used up: spend the proof all the same, or one denied request fills the log by being sent again.
    pub spends: Box<ReplayKeys>,
}

impl Denied {
    /// The reason that a caller is told.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.cause.reason()
    }
}

/// A token that does not let its bearer read a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReader {
    /// It is not genuine, not for us, or not now.
    #[error(transparent)]
    Token(#[from] TokenFault),
    /// It is genuine, and does not allow it.
    #[error(transparent)]
    Denied(#[from] Denial),
}
