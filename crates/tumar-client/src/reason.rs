//! Every reason for which a node refuses, each with its stable code, its gRPC status and its sentence. The table of docs/reasons.md is made
//! of this one.

use std::fmt;

#[cfg(feature = "net")]
use tonic::Code;

macro_rules! reasons {
    ($($variant:ident = $status:ident $code:literal $text:literal,)*) => {
        /// Why a node refused or failed.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(clippy::doc_markdown, reason = "the sentences are for clients")]
        pub enum Reason {
            $(#[doc = concat!("`", $code, "`: ", $text)] $variant,)*
        }

        impl Reason {
            /// All of them, in the order in which they are checked.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What clients match on: 1 to 40 of `A-Z 0-9 _`. It keeps its meaning.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The status of a call that ends with it.
            #[cfg(feature = "net")]
            #[must_use]
            pub const fn status(self) -> Code {
                match self { $(Self::$variant => Code::$status,)* }
            }

            /// A fixed sentence: safe to send to anyone.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The reason of such a code; none if this version does not know it.
            #[must_use]
            pub fn of(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

reasons! {
    TokenAbsent = Unauthenticated "TOKEN_ABSENT" "The call has no authorization metadata of the form \"DPoP TOKEN\".",
    ProofAbsent = Unauthenticated "PROOF_ABSENT" "The call has no dpop metadata.",
    RequestInvalid = InvalidArgument "REQUEST_INVALID" "A field of the request is not valid.",
    TokenTooLarge = Unauthenticated "TOKEN_TOO_LARGE" "The access token is longer than 4096 bytes.",
    ProofTooLarge = Unauthenticated "PROOF_TOO_LARGE" "The proof is longer than 4096 bytes.",
    TokenMalformed = Unauthenticated "TOKEN_MALFORMED" "The access token is not a compact JWS of strict base64url and JSON without double keys.",
    ProofMalformed = Unauthenticated "PROOF_MALFORMED" "The proof is not a compact JWS of strict base64url and JSON without double keys.",
    TokenType = Unauthenticated "TOKEN_TYPE" "The access token's typ is not at+jwt.",
    TokenAlg = Unauthenticated "TOKEN_ALG" "The access token's alg is neither EdDSA nor ES256.",
    TokenHeader = Unauthenticated "TOKEN_HEADER" "The access token's header has a member other than typ, alg and kid.",
    TokenKidUnknown = Unauthenticated "TOKEN_KID_UNKNOWN" "The access token's kid names no configured issuer key.",
    TokenAlgOfKey = Unauthenticated "TOKEN_ALG_OF_KEY" "The access token's alg is not that of the key it names.",
    TokenSignature = Unauthenticated "TOKEN_SIGNATURE" "The access token's signature does not verify.",
    TokenClaims = Unauthenticated "TOKEN_CLAIMS" "A claim of the access token is missing or has the wrong form.",
    TokenJti = Unauthenticated "TOKEN_JTI" "The access token's jti is not 16 to 128 visible ASCII characters.",
    TokenDetails = Unauthenticated "TOKEN_DETAILS" "The access token's authorization_details are not one known element with known members.",
    TokenIssuer = Unauthenticated "TOKEN_ISSUER" "The access token's iss is not the issuer whose key signed it.",
    IssuerRelyingParty = Unauthenticated "ISSUER_RELYING_PARTY" "The access token's relying party is not one of its issuer's.",
    TokenAudience = Unauthenticated "TOKEN_AUDIENCE" "The access token's aud is not this deployment alone.",
    TokenNotYetValid = Unauthenticated "TOKEN_NOT_YET_VALID" "The access token's iat or nbf lies in the future.",
    TokenExpired = Unauthenticated "TOKEN_EXPIRED" "The access token has expired.",
    TokenTooLongLived = Unauthenticated "TOKEN_TOO_LONG_LIVED" "The access token's lifetime is longer than 300 seconds, than 120 if it allows searches, or than 3600 if it allows only reading logs.",
    ProofType = Unauthenticated "PROOF_TYPE" "The proof's typ is not dpop+jwt.",
    ProofAlg = Unauthenticated "PROOF_ALG" "The proof's alg is neither EdDSA nor ES256.",
    ProofHeader = Unauthenticated "PROOF_HEADER" "The proof's header has a member other than typ, alg, jwk and kid.",
    ProofKey = Unauthenticated "PROOF_KEY" "The proof's jwk is not a public Ed25519 or P-256 key.",
    ProofAlgOfKey = Unauthenticated "PROOF_ALG_OF_KEY" "The proof's alg is not that of its key.",
    ProofSignature = Unauthenticated "PROOF_SIGNATURE" "The proof's signature does not verify.",
    ProofClaims = Unauthenticated "PROOF_CLAIMS" "A claim of the proof is missing or has the wrong form.",
    ProofHtm = Unauthenticated "PROOF_HTM" "The proof's htm is not POST.",
    ProofHtu = Unauthenticated "PROOF_HTU" "The proof's htu is not the address of this call.",
    ProofNotYetValid = Unauthenticated "PROOF_NOT_YET_VALID" "The proof's iat lies in the future.",
    ProofExpired = Unauthenticated "PROOF_EXPIRED" "The proof is older than 60 seconds.",
    ProofJti = Unauthenticated "PROOF_JTI" "The proof's jti is not 16 to 128 visible ASCII characters.",
    ProofDetails = Unauthenticated "PROOF_DETAILS" "The proof's authorization_details are not one known element with known members.",
    ProofAth = Unauthenticated "PROOF_ATH" "The proof's ath is not the hash of this access token.",
    ProofRqh = Unauthenticated "PROOF_RQH" "The proof's rqh is not the hash of this request.",
    ProofKeyOther = Unauthenticated "PROOF_KEY_OTHER" "The proof's key is not the one that the access token is bound to.",
    TokenCertificate = Unauthenticated "TOKEN_CERTIFICATE" "The access token is bound to a TLS certificate that the caller did not present.",
    TokenClient = Unauthenticated "TOKEN_CLIENT" "The request names another client than the access token's client_id.",
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
    RequestTooLarge = OutOfRange "REQUEST_TOO_LARGE" "The request is longer than the method accepts.",
    RequestSlow = DeadlineExceeded "REQUEST_SLOW" "The request was not received completely within ten seconds.",
    RequestInFlight = Aborted "REQUEST_IN_FLIGHT" "The same request is in progress; try again.",
    RequestIdReused = AlreadyExists "REQUEST_ID_REUSED" "The request id was used for another request.",
    AnswerExpired = AlreadyExists "ANSWER_EXPIRED" "The same request was answered, and the answer is no longer kept.",
    ProofReplayed = Unauthenticated "PROOF_REPLAYED" "The proof was used before.",
    EnvelopeSpent = AlreadyExists "ENVELOPE_SPENT" "An envelope was used before; capture and seal again.",
    TokenSpent = PermissionDenied "TOKEN_SPENT" "The token allows no more uses.",
    RateLimited = ResourceExhausted "RATE_LIMITED" "The relying party exceeds its rate limit.",
    EnvelopesRefused = ResourceExhausted "ENVELOPES_REFUSED" "Too many envelopes of this client did not open.",
    SubjectUnknown = NotFound "SUBJECT_UNKNOWN" "The subject is not enrolled, or is erased or expired.",
    SubjectExists = AlreadyExists "SUBJECT_EXISTS" "The subject is already enrolled.",
    SubjectLocked = FailedPrecondition "SUBJECT_LOCKED" "The subject is locked; identify the person in another way.",
    AttemptsDelayed = ResourceExhausted "ATTEMPTS_DELAYED" "Too many non-matches in a row: the next attempt must wait as long as RetryInfo says.",
    AttemptsInFlight = Aborted "ATTEMPTS_IN_FLIGHT" "Too many comparisons with the subject are in progress; try again when one has ended.",
    MatchMissing = FailedPrecondition "MATCH_MISSING" "No comparison with this subject has matched in the last five minutes.",
    NoSuchEntry = NotFound "NO_SUCH_ENTRY" "There is no such half-year, entry or proof in this node's log.",
    NoSuchEvidence = NotFound "NO_SUCH_EVIDENCE" "No such part of the evidence is kept, or it is about another gallery.",
    EnvelopeMalformed = InvalidArgument "ENVELOPE_MALFORMED" "An envelope does not have the length that the model asks for.",
    EnvelopeKeyUnknown = InvalidArgument "ENVELOPE_KEY_UNKNOWN" "An envelope is sealed to a key that the node does not have.",
    EnvelopeInvalid = InvalidArgument "ENVELOPE_INVALID" "An envelope does not open for this request at this node.",
    ReferenceMissing = FailedPrecondition "REFERENCE_MISSING" "The subject has no reference of a probe's model.",
    TemplateInconsistent = InvalidArgument "TEMPLATE_INCONSISTENT" "The three shares are not of one template.",
    TemplateLength = InvalidArgument "TEMPLATE_LENGTH" "A template of the request does not have the required length.",
    NodesOutOfStep = Unavailable "NODES_OUT_OF_STEP" "The named node has lost references; its operator must act.",
    Cancelled = Cancelled "CANCELLED" "The client disconnected before the search ended.",
    ChangeRefused = Aborted "CHANGE_REFUSED" "The change was not made: a node could not make it, or another change of the subject was in progress.",
    BatchMixed = Internal "BATCH_MIXED" "The leader put requests of different kinds into one batch.",
    NodeStopping = Unavailable "NODE_STOPPING" "The named node is stopping or restarting; try again.",
    PeerLost = Unavailable "PEER_LOST" "A node disconnected or did not answer in time; try again.",
    ClockInDoubt = Unavailable "CLOCK_IN_DOUBT" "A node's clock has jumped or differs too much from the others'; the named node's log has the details.",
    PeerBroken = Internal "PEER_BROKEN" "A peer sent a message that could not be decoded or was out of order.",
    NodeADistrusted = Unavailable "NODE_A_DISTRUSTED" "Node A broke three runs of the named node; operators must act.",
    NodeBDistrusted = Unavailable "NODE_B_DISTRUSTED" "Node B broke three runs of the named node; operators must act.",
    NodeCDistrusted = Unavailable "NODE_C_DISTRUSTED" "Node C broke three runs of the named node; operators must act.",
    PeersDisagree = Internal "PEERS_DISAGREE" "Two nodes sent different values of the same data: one of them deviates from the protocol.",
    RunFailed = Internal "RUN_FAILED" "The protocol run could not be started.",
    LogDiskFull = Unavailable "LOG_DISK_FULL" "The disk of the named node is full; it resumes when there is room.",
    LogUnwritable = Unavailable "LOG_UNWRITABLE" "The named node can not write its store or log; it resumes when it can.",
    LogHalted = Unavailable "LOG_HALTED" "A node's access log is halted, so the node serves nothing; its operator must restart it.",
    LogBehind = Unavailable "LOG_BEHIND" "A node can not publish its access log and refuses requests until it can; try again.",
    StoreFailed = Unavailable "STORE_FAILED" "A node's store failed.",
    NotLeader = FailedPrecondition "NOT_LEADER" "This node is not the leader, which clients call.",
    Overloaded = ResourceExhausted "OVERLOADED" "Too many requests are waiting at the node; try again later.",
    ReaderSlow = DeadlineExceeded "READER_SLOW" "The reader was too slow; the list is incomplete.",
    CommitteeIncomplete = Unavailable "COMMITTEE_INCOMPLETE" "Not all nodes are connected, or their clocks do not agree.",
    AnswerMissing = Internal "ANSWER_MISSING" "The nodes' results do not fit the call.",
    Unknown = Internal "UNKNOWN" "A node sent a reason that is unknown to this version.",
}

/// The code.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The code: it is no secret.
impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::log::entry;

    #[test]
    fn each_code_names_one_reason_and_has_the_form_that_an_entry_takes() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(Reason::of(reason.code()), Some(*reason));
            assert_eq!(entry::Code::new(reason.code()).unwrap().as_str(), reason.code());
            assert!(reason.text().ends_with('.') && reason.text().is_ascii(), "{reason}");
            assert_ne!(reason.status(), Code::Ok);
        }
        assert_eq!(Reason::of("OF_A_LATER_VERSION"), None);
    }
}
