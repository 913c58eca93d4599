//! Every reason for which a token is refused, each with one code, one sentence and one kind of answer.

use super::purpose::{Spends, Use};

/// What kind of answer a refusal is, for the service to turn into a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Who the caller is has not been shown.
    Unauthenticated,
    /// The caller is known, and may not.
    PermissionDenied,
    /// The request fits no token and no policy.
    InvalidArgument,
}

/// One row of the table of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Stable: clients may match on it.
    pub code: &'static str,
    /// The kind of answer.
    pub class: Class,
    /// A fixed sentence: safe to send to anyone.
    pub text: &'static str,
}

macro_rules! refusals {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $class:ident $code:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        #[allow(clippy::doc_markdown, reason = "the sentences are for clients")]
        pub enum $name {
            $(#[doc = concat!("`", $code, "`: ", $text)] #[error($text)] $variant,)*
        }

        impl $name {
            /// All of them, in the order in which they are checked.
            pub const REASONS: &'static [Reason] =
                &[$(Reason { code: $code, class: Class::$class, text: $text },)*];

            /// Its row in the table of reasons.
            #[must_use]
            pub const fn row(self) -> Reason {
                Self::REASONS[self as usize]
            }

            /// Its code.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                self.row().code
            }
        }
    };
}

refusals! {
    /// The token is not genuine, or not for us, or not now, or not this caller's. Anyone can send such a one, so it is
    /// counted and never logged.
    TokenError {
        TooLarge = Unauthenticated "TOKEN_TOO_LARGE" "The access token is longer than 4096 bytes.",
        ProofTooLarge = Unauthenticated "PROOF_TOO_LARGE" "The proof is longer than 4096 bytes.",
        Malformed = Unauthenticated "TOKEN_MALFORMED" "The access token is not a compact JWS of strict base64url and JSON without double keys.",
        ProofMalformed = Unauthenticated "PROOF_MALFORMED" "The proof is not a compact JWS of strict base64url and JSON without double keys.",
        Type = Unauthenticated "TOKEN_TYPE" "The access token's typ is not at+jwt.",
        Algorithm = Unauthenticated "TOKEN_ALG" "The access token's alg is neither EdDSA nor ES256.",
        Header = Unauthenticated "TOKEN_HEADER" "The access token's header has a member other than typ, alg and kid.",
        KeyUnknown = Unauthenticated "TOKEN_KID_UNKNOWN" "The access token's kid names no configured issuer key.",
        KeyAlgorithm = Unauthenticated "TOKEN_ALG_OF_KEY" "The access token's alg is not that of the key it names.",
        Signature = Unauthenticated "TOKEN_SIGNATURE" "The access token's signature does not verify.",
        Claims = Unauthenticated "TOKEN_CLAIMS" "A claim of the access token is missing or has the wrong form.",
        Id = Unauthenticated "TOKEN_JTI" "The access token's jti is not 16 to 128 visible ASCII characters.",
        Details = Unauthenticated "TOKEN_DETAILS" "The access token's authorization_details are not one known element with known members.",
        Issuer = Unauthenticated "TOKEN_ISSUER" "The access token's iss is not the issuer whose key signed it.",
        IssuerRelyingParty = Unauthenticated "ISSUER_RELYING_PARTY" "The access token's relying party is not one of its issuer's.",
        Audience = Unauthenticated "TOKEN_AUDIENCE" "The access token's aud is not this deployment alone.",
        NotYetValid = Unauthenticated "TOKEN_NOT_YET_VALID" "The access token's iat or nbf lies in the future.",
        Expired = Unauthenticated "TOKEN_EXPIRED" "The access token has expired.",
        TooLongLived = Unauthenticated "TOKEN_TOO_LONG_LIVED" "The access token's lifetime is longer than 300 seconds, than 120 if it allows searches, or than 3600 if it allows only reading logs.",
        ProofType = Unauthenticated "PROOF_TYPE" "The proof's typ is not dpop+jwt.",
        ProofAlgorithm = Unauthenticated "PROOF_ALG" "The proof's alg is neither EdDSA nor ES256.",
        ProofHeader = Unauthenticated "PROOF_HEADER" "The proof's header has a member other than typ, alg, jwk and kid.",
        ProofKey = Unauthenticated "PROOF_KEY" "The proof's jwk is not a public Ed25519 or P-256 key.",
        ProofKeyAlgorithm = Unauthenticated "PROOF_ALG_OF_KEY" "The proof's alg is not that of its key.",
        ProofSignature = Unauthenticated "PROOF_SIGNATURE" "The proof's signature does not verify.",
        ProofClaims = Unauthenticated "PROOF_CLAIMS" "A claim of the proof is missing or has the wrong form.",
        ProofMethod = Unauthenticated "PROOF_HTM" "The proof's htm is not POST.",
        ProofUri = Unauthenticated "PROOF_HTU" "The proof's htu is not the address of this call.",
        ProofNotYetValid = Unauthenticated "PROOF_NOT_YET_VALID" "The proof's iat lies in the future.",
        ProofExpired = Unauthenticated "PROOF_EXPIRED" "The proof is older than 60 seconds.",
        ProofId = Unauthenticated "PROOF_JTI" "The proof's jti is not 16 to 128 visible ASCII characters.",
        ProofDetails = Unauthenticated "PROOF_DETAILS" "The proof's authorization_details are not one known element with known members.",
        ProofToken = Unauthenticated "PROOF_ATH" "The proof's ath is not the hash of this access token.",
        ProofRequest = Unauthenticated "PROOF_RQH" "The proof's rqh is not the hash of this request.",
        Binding = Unauthenticated "PROOF_KEY_OTHER" "The proof's key is not the one that the access token is bound to.",
        Certificate = Unauthenticated "TOKEN_CERTIFICATE" "The access token is bound to a TLS certificate that the caller did not present.",
        Client = Unauthenticated "TOKEN_CLIENT" "The request names another client than the access token's client_id.",
    }
}

refusals! {
    /// The token is genuine and does not allow this request. Goes into the access log.
    Denial {
        ActionOther = InvalidArgument "ACTION_OTHER" "The request is of another action than the called method.",
        PurposeNotGranted = PermissionDenied "PURPOSE_NOT_GRANTED" "The token is for another purpose.",
        PurposeUnknown = PermissionDenied "PURPOSE_UNKNOWN" "The policy has no such purpose.",
        ActionNotGranted = PermissionDenied "ACTION_NOT_GRANTED" "The token does not allow this action.",
        ActionNotAllowed = PermissionDenied "ACTION_NOT_ALLOWED" "The policy does not allow this action for this purpose.",
        GalleryNotGranted = PermissionDenied "GALLERY_NOT_GRANTED" "The token does not allow this gallery.",
        ModalityNotGranted = PermissionDenied "MODALITY_NOT_GRANTED" "The token does not allow one of the request's modalities.",
        ModalityNotAllowed = PermissionDenied "MODALITY_NOT_ALLOWED" "The policy does not allow one of the request's modalities for this purpose.",
        RelyingPartyGallery = PermissionDenied "RELYING_PARTY_GALLERY" "The gallery is not one of the token's relying party.",
        GalleryNotListed = PermissionDenied "GALLERY_NOT_LISTED" "The gallery is not in the list of the relying party's galleries at the node.",
        RelyingPartyNotAllowed = PermissionDenied "RELYING_PARTY_NOT_ALLOWED" "The policy does not allow this purpose to this relying party.",
        NarrowingWider = PermissionDenied "NARROWING_WIDER" "The proof asks for more than its token allows.",
        NarrowingExcludes = PermissionDenied "NARROWING_EXCLUDES" "The proof narrows its token to something other than this request.",
        ApprovalsMissing = PermissionDenied "APPROVALS_MISSING" "A search needs the approvals of two officers, no fewer and no more.",
        ApprovalMalformed = PermissionDenied "APPROVAL_MALFORMED" "An approval is not a compact JWS of at most 4096 bytes with exactly the header and claims of an approval.",
        ApprovalSameOfficer = PermissionDenied "APPROVAL_SAME_OFFICER" "Both approvals are in the name of one officer.",
        ApprovalSameRole = PermissionDenied "APPROVAL_SAME_ROLE" "Both approvals are in one role.",
        ApprovalSameKey = PermissionDenied "APPROVAL_SAME_KEY" "Both approvals name one key.",
        ApprovalOfficerUnknown = PermissionDenied "APPROVAL_OFFICER_UNKNOWN" "An approval's kid and sub are not those of an officer of the token's relying party.",
        ApprovalSignature = PermissionDenied "APPROVAL_SIGNATURE" "An approval's alg is not that of its officer's key, or its signature does not verify.",
        ApprovalRole = PermissionDenied "APPROVAL_ROLE" "An approval's role is not its officer's, or not one that the policy lets approve for this purpose.",
        ApprovalOtherDetails = PermissionDenied "APPROVAL_OTHER_DETAILS" "An approval is for other authorization_details than the token's, or for another deployment.",
        ApprovalOtherCase = PermissionDenied "APPROVAL_OTHER_CASE" "An approval is for another case than the request's.",
        ApprovalExpired = PermissionDenied "APPROVAL_EXPIRED" "An approval is older than 15 minutes, or from the future.",
        SamplesUnexpected = InvalidArgument "SAMPLES_UNEXPECTED" "This action takes no samples.",
        SamplesMissing = InvalidArgument "SAMPLES_MISSING" "This action needs at least one sample.",
        CaptureFromFuture = InvalidArgument "CAPTURE_FROM_FUTURE" "The capture time is in the future; correct the terminal's clock.",
        CaptureTooOld = PermissionDenied "CAPTURE_TOO_OLD" "The samples were captured longer ago than the policy allows; capture again.",
        ModelUnknown = InvalidArgument "MODEL_UNKNOWN" "A sample's model is not one served here for its modality.",
        ModelNotSearched = InvalidArgument "MODEL_NOT_SEARCHED" "A search takes one sample of a vector's model, or a face and a finger whose vectors are joined.",
        CandidatesOverLimit = PermissionDenied "CANDIDATES_OVER_LIMIT" "The policy does not allow so many candidates.",
        ModelNotCompared = InvalidArgument "MODEL_NOT_COMPARED" "A finger's vector is for searches alone; a verification takes the finger's rows.",
        AmountOverLimit = PermissionDenied "AMOUNT_OVER_LIMIT" "The policy has no rule for an amount this large.",
        DecisionSamples = PermissionDenied "DECISION_SAMPLES" "The samples are not those that the policy decides by at this amount.",
        EvidenceMissing = PermissionDenied "EVIDENCE_MISSING" "The policy requires evidence that the token does not carry.",
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
    /// Its code.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        self.error.reason()
    }
}

/// Every code of this module: the table of docs/reasons.md, and the service's.
pub const ALL_REASONS: [Reason; TokenError::REASONS.len() + Denial::REASONS.len()] = {
    let mut all = [TokenError::REASONS[0]; TokenError::REASONS.len() + Denial::REASONS.len()];
    let mut place = 0;
    while place < all.len() {
        all[place] = if place < TokenError::REASONS.len() {
            TokenError::REASONS[place]
        } else {
            Denial::REASONS[place - TokenError::REASONS.len()]
        };
        place += 1;
    }
    all
};

/// A genuine token's request that is not allowed, with all that the log needs to say so.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Denied {
    /// Why.
    pub cause: Denial,
    /// What the log will say.
    pub record: Box<Use>,
    /// What it would have used up: spend the proof all the same, or one denied request fills the log by being sent again.
    pub spends: Box<Spends>,
}

impl Denied {
    /// Its code.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
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
