"""Why a call gave no answer that can be believed, split by whose fault it is."""

from collections.abc import Iterable
from enum import StrEnum
from typing import cast

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2

from .reasons import Reason

DOMAIN = "tumar.v1"


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
