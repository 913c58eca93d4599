"""Why a call gave no answer that can be believed, split by whose fault it is."""

from collections.abc import Iterable
from enum import StrEnum
from typing import cast

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "tumar.v1"


class Reason(StrEnum):
    """Why a node refuses: the table "Refusals" of Tumar's README. Match on these."""

    TOKEN_ABSENT = "TOKEN_ABSENT"
    PROOF_ABSENT = "PROOF_ABSENT"
    REQUEST_INVALID = "REQUEST_INVALID"
    TOKEN_TOO_LARGE = "TOKEN_TOO_LARGE"
    PROOF_TOO_LARGE = "PROOF_TOO_LARGE"
    TOKEN_MALFORMED = "TOKEN_MALFORMED"
    PROOF_MALFORMED = "PROOF_MALFORMED"
    TOKEN_TYPE = "TOKEN_TYPE"
    TOKEN_ALG = "TOKEN_ALG"
    TOKEN_HEADER = "TOKEN_HEADER"
    TOKEN_KID_UNKNOWN = "TOKEN_KID_UNKNOWN"
    TOKEN_ALG_OF_KEY = "TOKEN_ALG_OF_KEY"
    TOKEN_SIGNATURE = "TOKEN_SIGNATURE"
    TOKEN_CLAIMS = "TOKEN_CLAIMS"
    TOKEN_JTI = "TOKEN_JTI"
    TOKEN_DETAILS = "TOKEN_DETAILS"
    TOKEN_ISSUER = "TOKEN_ISSUER"
    ISSUER_RELYING_PARTY = "ISSUER_RELYING_PARTY"
    TOKEN_AUDIENCE = "TOKEN_AUDIENCE"
    TOKEN_NOT_YET_VALID = "TOKEN_NOT_YET_VALID"
    TOKEN_EXPIRED = "TOKEN_EXPIRED"
    TOKEN_TOO_LONG_LIVED = "TOKEN_TOO_LONG_LIVED"
    PROOF_TYPE = "PROOF_TYPE"
    PROOF_ALG = "PROOF_ALG"
    PROOF_HEADER = "PROOF_HEADER"
    PROOF_KEY = "PROOF_KEY"
    PROOF_ALG_OF_KEY = "PROOF_ALG_OF_KEY"
    PROOF_SIGNATURE = "PROOF_SIGNATURE"
    PROOF_CLAIMS = "PROOF_CLAIMS"
    PROOF_HTM = "PROOF_HTM"
    PROOF_HTU = "PROOF_HTU"
    PROOF_NOT_YET_VALID = "PROOF_NOT_YET_VALID"
    PROOF_EXPIRED = "PROOF_EXPIRED"
    PROOF_JTI = "PROOF_JTI"
    PROOF_DETAILS = "PROOF_DETAILS"
    PROOF_ATH = "PROOF_ATH"
    PROOF_RQH = "PROOF_RQH"
    PROOF_KEY_OTHER = "PROOF_KEY_OTHER"
    TOKEN_CERTIFICATE = "TOKEN_CERTIFICATE"
    TOKEN_CLIENT = "TOKEN_CLIENT"
    ACTION_OTHER = "ACTION_OTHER"
    PURPOSE_NOT_GRANTED = "PURPOSE_NOT_GRANTED"
    PURPOSE_UNKNOWN = "PURPOSE_UNKNOWN"
    ACTION_NOT_GRANTED = "ACTION_NOT_GRANTED"
    ACTION_NOT_ALLOWED = "ACTION_NOT_ALLOWED"
    GALLERY_NOT_GRANTED = "GALLERY_NOT_GRANTED"
    MODALITY_NOT_GRANTED = "MODALITY_NOT_GRANTED"
    MODALITY_NOT_ALLOWED = "MODALITY_NOT_ALLOWED"
    RELYING_PARTY_GALLERY = "RELYING_PARTY_GALLERY"
    RELYING_PARTY_NOT_ALLOWED = "RELYING_PARTY_NOT_ALLOWED"
    NARROWING_WIDER = "NARROWING_WIDER"
    NARROWING_EXCLUDES = "NARROWING_EXCLUDES"
    APPROVALS_MISSING = "APPROVALS_MISSING"
    APPROVAL_MALFORMED = "APPROVAL_MALFORMED"
    APPROVAL_SAME_OFFICER = "APPROVAL_SAME_OFFICER"
    APPROVAL_SAME_ROLE = "APPROVAL_SAME_ROLE"
    APPROVAL_SAME_KEY = "APPROVAL_SAME_KEY"
    APPROVAL_OFFICER_UNKNOWN = "APPROVAL_OFFICER_UNKNOWN"
    APPROVAL_SIGNATURE = "APPROVAL_SIGNATURE"
    APPROVAL_ROLE = "APPROVAL_ROLE"
    APPROVAL_OTHER_DETAILS = "APPROVAL_OTHER_DETAILS"
    APPROVAL_OTHER_CASE = "APPROVAL_OTHER_CASE"
    APPROVAL_EXPIRED = "APPROVAL_EXPIRED"
    SAMPLES_UNEXPECTED = "SAMPLES_UNEXPECTED"
    SAMPLES_MISSING = "SAMPLES_MISSING"
    CAPTURE_FROM_FUTURE = "CAPTURE_FROM_FUTURE"
    CAPTURE_TOO_OLD = "CAPTURE_TOO_OLD"
    MODEL_UNKNOWN = "MODEL_UNKNOWN"
    MODEL_NOT_SEARCHED = "MODEL_NOT_SEARCHED"
    CANDIDATES_OVER_LIMIT = "CANDIDATES_OVER_LIMIT"
    AMOUNT_OVER_LIMIT = "AMOUNT_OVER_LIMIT"
    DECISION_SAMPLES = "DECISION_SAMPLES"
    EVIDENCE_MISSING = "EVIDENCE_MISSING"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    REQUEST_SLOW = "REQUEST_SLOW"
    REQUEST_IN_FLIGHT = "REQUEST_IN_FLIGHT"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    ANSWER_EXPIRED = "ANSWER_EXPIRED"
    PROOF_REPLAYED = "PROOF_REPLAYED"
    ENVELOPE_SPENT = "ENVELOPE_SPENT"
    TOKEN_SPENT = "TOKEN_SPENT"
    RATE_LIMITED = "RATE_LIMITED"
    ENVELOPES_REFUSED = "ENVELOPES_REFUSED"
    SUBJECT_UNKNOWN = "SUBJECT_UNKNOWN"
    SUBJECT_EXISTS = "SUBJECT_EXISTS"
    SUBJECT_LOCKED = "SUBJECT_LOCKED"
    ATTEMPTS_DELAYED = "ATTEMPTS_DELAYED"
    ATTEMPTS_IN_FLIGHT = "ATTEMPTS_IN_FLIGHT"
    MATCH_MISSING = "MATCH_MISSING"
    NO_SUCH_ENTRY = "NO_SUCH_ENTRY"
    NO_SUCH_EVIDENCE = "NO_SUCH_EVIDENCE"
    ENVELOPE_MALFORMED = "ENVELOPE_MALFORMED"
    ENVELOPE_KEY_UNKNOWN = "ENVELOPE_KEY_UNKNOWN"
    ENVELOPE_INVALID = "ENVELOPE_INVALID"
    REFERENCE_MISSING = "REFERENCE_MISSING"
    TEMPLATE_INCONSISTENT = "TEMPLATE_INCONSISTENT"
    TEMPLATE_LENGTH = "TEMPLATE_LENGTH"
    NODES_OUT_OF_STEP = "NODES_OUT_OF_STEP"
    CANCELLED = "CANCELLED"
    CHANGE_REFUSED = "CHANGE_REFUSED"
    BATCH_MIXED = "BATCH_MIXED"
    PEER_LOST = "PEER_LOST"
    CLOCK_IN_DOUBT = "CLOCK_IN_DOUBT"
    PEER_BROKEN = "PEER_BROKEN"
    NODE_A_DISTRUSTED = "NODE_A_DISTRUSTED"
    NODE_B_DISTRUSTED = "NODE_B_DISTRUSTED"
    NODE_C_DISTRUSTED = "NODE_C_DISTRUSTED"
    PEERS_DISAGREE = "PEERS_DISAGREE"
    RUN_FAILED = "RUN_FAILED"
    LOG_HALTED = "LOG_HALTED"
    LOG_BEHIND = "LOG_BEHIND"
    STORE_FAILED = "STORE_FAILED"
    NOT_LEADER = "NOT_LEADER"
    OVERLOADED = "OVERLOADED"
    READER_SLOW = "READER_SLOW"
    COMMITTEE_INCOMPLETE = "COMMITTEE_INCOMPLETE"
    ANSWER_MISSING = "ANSWER_MISSING"
    UNKNOWN = "UNKNOWN"
    """Also of a reason that this version of the client does not know: `Refusal.code` has it as it came."""

    @classmethod
    def _missing_(cls, value: object) -> "Reason":
        return cls.UNKNOWN


class TumarError(Exception):
    """All that this package raises."""


class InputError(TumarError):
    """What the caller brought makes no request; nothing was sent."""


class Refusal(TumarError):
    """A node refused, and says why: match on `reason`."""

    def __init__(
        self,
        code: str,
        status: grpc.StatusCode,
        message: str,
        node: str | None = None,
        field: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        at = "".join([f" (node {node})" if node else "", f" ({field})" if field else ""])
        super().__init__(f"{code}{at}: {message}")
        self.reason = Reason(code)
        """Stable."""
        self.code = code
        """The reason as it came."""
        self.status = status
        """The gRPC status code."""
        self.node = node
        """Which node refused, by the leader's account: A, B or C."""
        self.field = field
        """The field of the request, or the claim of the token or proof, that is at fault."""
        self.retry_after = retry_after
        """Seconds after which it is worth trying again."""


class Unanswered(TumarError):
    """Nobody answered, or somebody did who is no node: whether anything was done is not known. Send the same `Prepared` again."""

    def __init__(self, status: grpc.StatusCode, message: str) -> None:
        super().__init__(f"the call ended without an answer ({status.name}): {message}")
        self.status = status


class NotTrusted(TumarError):
    """What came back does not hold against the pinned keys. Nothing of it is to be believed."""


class CommitteeFault(StrEnum):
    """What is wrong with who the nodes say they are."""

    DEPLOYMENT = "deployment"
    NODES = "nodes"
    SIGNATURE = "signature"
    LOG_KEY = "log_key"
    SUITE = "suite"
    CONTEXT = "context"
    ENVELOPE_KEY = "envelope_key"
    MODEL = "model"


class CommitteeNotTrusted(NotTrusted):
    """The nodes are not those that are pinned."""

    def __init__(self, fault: CommitteeFault, party: str | None = None) -> None:
        super().__init__(f"committee not trusted: {fault.value}" + (f" of node {party}" if party else ""))
        self.fault = fault
        self.party = party


class ReceiptFault(StrEnum):
    """What is wrong with receipts."""

    COUNT = "count"
    FORM = "form"
    SIGNATURE = "signature"
    CHECKPOINT = "checkpoint"
    INCLUSION = "inclusion"
    OTHER_REQUEST = "other_request"
    OUTCOME = "outcome"
    FOUND = "found"
    DECISION = "decision"


class ReceiptNotTrusted(NotTrusted):
    """The receipts do not show what the answer says."""

    def __init__(self, fault: ReceiptFault, party: str | None = None) -> None:
        super().__init__(f"receipt not trusted: {fault.value}" + (f" of node {party}" if party else ""))
        self.fault = fault
        self.party = party


class CertificateFault(StrEnum):
    """What is wrong with a certificate of erasure, apart from its receipts."""

    FORM = "form"
    DEPLOYMENT = "deployment"


class CertificateNotTrusted(NotTrusted):
    """A certificate of erasure that is none, or is of another deployment."""

    def __init__(self, fault: CertificateFault) -> None:
        of = "another deployment" if fault is CertificateFault.DEPLOYMENT else "no form that is known"
        super().__init__(f"certificate not trusted: it is of {of}")
        self.fault = fault


def from_rpc(error: grpc.RpcError) -> Refusal | Unanswered:
    """What a failed call says in its `ErrorInfo`; `Unanswered` if it has none of ours."""
    code, message = error.code(), error.details() or ""
    trailers = cast(Iterable[tuple[str, str | bytes]], error.trailing_metadata() or ())
    refusal = _refusal(code, message, trailers)
    return refusal or Unanswered(code, message)


def _refusal(code: grpc.StatusCode, message: str, trailers: Iterable[tuple[str, str | bytes]]) -> Refusal | None:
    raw = next((value for name, value in trailers if name == "grpc-status-details-bin"), None)
    if not isinstance(raw, bytes):
        return None
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    details: Iterable[Any] = status_pb2.Status.FromString(raw).details
    found, retry_after = False, None
    for detail in details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR) and detail.Unpack(info):
            found = info.domain == DOMAIN
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) and detail.Unpack(retry):
            retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    if not found:
        return None
    field = info.metadata.get("claim") or info.metadata.get("field")
    return Refusal(info.reason, code, message, info.metadata.get("node"), field, retry_after)
