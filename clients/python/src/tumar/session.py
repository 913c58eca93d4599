"""What both clients do without input or output: make requests, dress them, and believe nothing but three receipts."""

from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from .committee import Committee
from .config import ClientConfig
from .errors import ReceiptFault, ReceiptNotTrusted, Refusal, TumarError
from .reasons import Reason
from .receipts import ErasureCertificate, Receipts, found_digest
from .request import Prepared
from .tokens import Details, Proof, TokenClaims
from .v1 import matching_pb2 as pb
from .v1 import receipt_pb2

DEADLINE, SEARCH_DEADLINE = 10.0, 300.0
REFRESH_SECONDS = 600
OPTIONS = [("grpc.max_receive_message_length", 16 * 1024 * 1024)]


@dataclass(frozen=True)
class Verified:
    """A comparison was made."""

    matched: bool
    receipts: Receipts
    request_id: str


@dataclass(frozen=True)
class Searched:
    """A gallery was searched."""

    candidates: list[str]
    """Who matches, in the order of their enrolment."""
    truncated: bool
    """There may be more."""
    receipts: Receipts


class Session:
    """A client's configuration and committee."""

    def __init__(self, config: ClientConfig) -> None:
        self.config = config
        self.committee: Committee | None = None

    def channel_arguments(self) -> tuple[str, grpc.ChannelCredentials, list[tuple[str, str | int]]]:
        """Address, credentials and options. The pinned certificate is the only root that is believed."""
        options: list[tuple[str, str | int]] = [("grpc.ssl_target_name_override", self.config.server_name), *OPTIONS]
        return self.config.address, grpc.ssl_channel_credentials(self.config.certificate), options

    def metadata(self, token: str, prepared: Prepared) -> tuple[tuple[str, str | bytes], ...]:
        """Token and a fresh proof."""
        proof = Proof(self.config.base + prepared.path, token, prepared.transcript).sign(self.config.proof_key)
        return ("authorization", f"DPoP {token}"), ("dpop", proof)

    def claims(self, issuer: str, details: Details, amr: Sequence[str] = ()) -> TokenClaims:
        """What a token for this client says; an issuer signs it."""
        config = self.config
        return TokenClaims(issuer, config.deployment, config.client, config.proof_key.thumbprint, details, tuple(amr))

    def needs_committee(self, now: float) -> bool:
        """Whether there is none, or its keys are about to end."""
        return self.committee is None or now + REFRESH_SECONDS >= self.committee.until

    def receipts(self, prepared: Prepared, receipts: Sequence[receipt_pb2.Receipt]) -> Receipts:
        """Checks what came with an answer."""
        return Receipts.check(receipts, prepared, self.config)

    def verified(self, prepared: Prepared, answer: pb.VerifySubjectResponse) -> Verified:
        """The decision must be the one that the nodes signed."""
        receipts = self.receipts(prepared, answer.receipts)
        words: dict[int, str] = {pb.DECISION_MATCH: "match", pb.DECISION_NO_MATCH: "no_match"}
        if words.get(answer.decision) != receipts.outcome:
            raise ReceiptNotTrusted(ReceiptFault.DECISION)
        return Verified(receipts.outcome == "match", receipts, prepared.message.request_id)

    def searched(self, prepared: Prepared, result: pb.SearchResult | None) -> Searched:
        """The names must be those that the nodes signed."""
        if result is None:
            raise ReceiptNotTrusted(ReceiptFault.COUNT)
        receipts = self.receipts(prepared, result.receipts)
        if receipts.all[0].found != found_digest(list(result.candidates), result.truncated):
            raise ReceiptNotTrusted(ReceiptFault.DECISION)
        return Searched(list(result.candidates), result.truncated, receipts)

    def certificate(self, prepared: Prepared, receipts: Receipts) -> ErasureCertificate:
        """What shows that somebody was erased."""
        return ErasureCertificate.make(self.config.deployment, prepared, receipts)


def wants_new_keys(error: TumarError) -> bool:
    """Whether a node has retired the key that an envelope was sealed to: worth asking for the new one."""
    return isinstance(error, Refusal) and error.reason is Reason.ENVELOPE_KEY_UNKNOWN
