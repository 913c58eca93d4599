"""What is believed of an answer: three receipts that agree, each shown to stand in its node's log."""

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .config import ClientConfig, NodePin
from .errors import CertificateFault, CertificateNotTrusted, ReceiptFault, ReceiptNotTrusted
from .framing import PARTIES, framed, from_hex, sha256, u64
from .log import Checkpoint, LogError, is_signed, verify_inclusion
from .request import OUTCOMES, Prepared
from .v1 import matching_pb2, receipt_pb2

WORDS: dict[int, str] = {
    1: "match", 2: "no_match", 3: "enrolled", 4: "erased", 5: "locked", 6: "unlocked", 7: "searched", 8: "logged",
    9: "had_none",
}  # fmt: skip


@dataclass(frozen=True)
class Receipt:
    """One node's signed word on a request."""

    party: str
    outcome: str
    transcript: bytes
    log_index: int
    leaf_hash: bytes
    inclusion_proof: tuple[bytes, ...]
    checkpoint: str
    signature: bytes
    found: bytes = b""
    """Of a search, the digest of its result; empty of other calls."""

    @classmethod
    def parse(cls, party: str, receipt: receipt_pb2.Receipt) -> "Receipt":
        """Checks lengths and words; nothing is believed yet."""
        word = WORDS.get(receipt.outcome)
        hashes = [receipt.request_digest, receipt.leaf_hash, *receipt.inclusion_proof]
        well_formed = all(len(digest) == 32 for digest in hashes) and len(receipt.signature) == 64
        if word is None or receipt.party not in (1, 2, 3) or not well_formed or len(receipt.found_digest) not in (0, 32):
            raise ReceiptNotTrusted(ReceiptFault.FORM, party)
        if receipt.party != "?ABC".index(party):
            raise ReceiptNotTrusted(ReceiptFault.COUNT)
        return cls(
            party, word, receipt.request_digest, receipt.log_index, receipt.leaf_hash, tuple(receipt.inclusion_proof),
            receipt.checkpoint, receipt.signature, receipt.found_digest,
        )  # fmt: skip

    def message(self, deployment: str) -> bytes:
        """What is signed: all but the path, which proves itself against the checkpoint."""
        return framed(
            "tumar receipt v1", deployment, self.party, self.outcome, self.transcript, u64(self.log_index), self.leaf_hash,
            sha256(self.checkpoint.encode()), self.found,
        )  # fmt: skip

    def verify(self, pin: NodePin, deployment: str) -> Checkpoint:
        """Checks signature, checkpoint and place. A careful client keeps the checkpoint, to ask for consistency later."""
        if not is_signed(pin.identity, self.signature, self.message(deployment)):
            raise ReceiptNotTrusted(ReceiptFault.SIGNATURE, self.party)
        try:
            checkpoint = Checkpoint.open(self.checkpoint, pin.log_key)
        except LogError as error:
            raise ReceiptNotTrusted(ReceiptFault.CHECKPOINT, self.party) from error
        try:
            verify_inclusion(self.leaf_hash, self.log_index, checkpoint.size, list(self.inclusion_proof), checkpoint.root)
        except LogError as error:
            raise ReceiptNotTrusted(ReceiptFault.INCLUSION, self.party) from error
        return checkpoint


@dataclass(frozen=True)
class Receipts:
    """Three receipts, of A, B and C, that were checked against pinned keys and against one request."""

    all: tuple[Receipt, Receipt, Receipt]

    @classmethod
    def check(cls, receipts: Sequence[receipt_pb2.Receipt], prepared: Prepared, config: ClientConfig) -> "Receipts":
        """ReceiptNotTrusted: the first fault that is found."""
        if len(receipts) != 3:
            raise ReceiptNotTrusted(ReceiptFault.COUNT)
        parsed = [Receipt.parse(party, receipt) for party, receipt in zip(PARTIES, receipts, strict=True)]
        return cls.of(parsed, prepared.transcript, OUTCOMES[prepared.call], config.nodes, config.deployment)

    @classmethod
    def of(
        cls, receipts: Sequence[Receipt], transcript: bytes, outcomes: Sequence[str], pins: Sequence[NodePin], deployment: str
    ) -> "Receipts":
        """The same, of receipts that came in another form."""
        first = receipts[0]
        for receipt, pin in zip(receipts, pins, strict=True):
            receipt.verify(pin, deployment)
            if receipt.transcript != transcript:
                raise ReceiptNotTrusted(ReceiptFault.OTHER_REQUEST, receipt.party)
            if receipt.outcome not in outcomes or not _go_together(receipt.outcome, first.outcome):
                raise ReceiptNotTrusted(ReceiptFault.OUTCOME, receipt.party)
            if receipt.found != first.found or bool(receipt.found) != (first.outcome == "searched"):
                raise ReceiptNotTrusted(ReceiptFault.FOUND, receipt.party)
        if all(receipt.outcome == "had_none" for receipt in receipts):
            raise ReceiptNotTrusted(ReceiptFault.OUTCOME, "A")
        return cls((receipts[0], receipts[1], receipts[2]))

    @property
    def outcome(self) -> str:
        """The word that all three signed; of an erasure `erased`, and each says for itself what its node had."""
        return "erased" if self.all[0].outcome == "had_none" else self.all[0].outcome

    def __iter__(self) -> Iterator[Receipt]:
        return iter(self.all)


def _go_together(one: str, other: str) -> bool:
    """The same; but an erasure is made where there is anything, and a node that held nothing says so."""
    return one == other or {one, other} == {"erased", "had_none"}


def found_digest(candidates: Sequence[str], truncated: bool) -> bytes:
    """What receipts of a search sign of its result."""
    return sha256(framed("tumar found v1", bytes([truncated]), *candidates))


_KIND = "tumar erasure certificate 3"
_MEMBERS = {"kind", "deployment", "client", "request_id", "gallery", "subject", "purpose", "receipts"}
_RECEIPT = {"party", "outcome", "log_index", "leaf_hash", "inclusion_proof", "checkpoint", "signature"}


@dataclass(frozen=True)
class ErasureCertificate:
    """Three nodes' signed word that a person's record key is destroyed, or that the node held none. Checked offline, with their public keys."""

    document: dict[str, Any]

    @classmethod
    def make(cls, deployment: str, prepared: Prepared, receipts: Receipts) -> "ErasureCertificate":
        """From receipts that were checked."""
        m = prepared.message
        assert isinstance(m, matching_pb2.EraseSubjectRequest)
        shown = [
            {
                "party": receipt.party, "outcome": receipt.outcome, "log_index": receipt.log_index,
                "leaf_hash": receipt.leaf_hash.hex(),
                "inclusion_proof": [digest.hex() for digest in receipt.inclusion_proof],
                "checkpoint": receipt.checkpoint, "signature": receipt.signature.hex(),
            }
            for receipt in receipts
        ]  # fmt: skip
        return cls({
            "kind": _KIND, "deployment": deployment, "client": m.client, "request_id": m.request_id,
            "gallery": m.gallery, "subject": m.subject, "purpose": m.purpose, "receipts": shown,
        })  # fmt: skip

    @classmethod
    def from_json(cls, text: str) -> "ErasureCertificate":
        """It proves nothing until it is verified."""
        try:
            document = json.loads(text)
        except ValueError as error:
            raise CertificateNotTrusted(CertificateFault.FORM) from error
        is_one = isinstance(document, dict) and set(document) == _MEMBERS and document["kind"] == _KIND
        if not is_one or not isinstance(document["receipts"], list):
            raise CertificateNotTrusted(CertificateFault.FORM)
        return cls(document)

    def to_json(self) -> str:
        """To keep."""
        return json.dumps(self.document, indent=2, ensure_ascii=False) + "\n"

    @property
    def subject(self) -> str:
        """Who was erased."""
        return str(self.document["subject"])

    @property
    def had_none(self) -> list[str]:
        """The nodes that say that they held nothing of the person: they had lost what the others held."""
        return [receipt["party"] for receipt in self.document["receipts"] if receipt["outcome"] == "had_none"]

    def verify(self, pins: Sequence[NodePin], deployment: str) -> None:
        """Checks all three signatures and places. CertificateNotTrusted or ReceiptNotTrusted."""
        d = self.document
        if d["deployment"] != deployment:
            raise CertificateNotTrusted(CertificateFault.DEPLOYMENT)
        try:
            request_id = uuid.UUID(d["request_id"])
            if str(request_id) != d["request_id"]:
                raise ValueError("another text of the id")
            message = matching_pb2.EraseSubjectRequest(
                request_id=d["request_id"], gallery=d["gallery"], subject=d["subject"], purpose=d["purpose"], client=d["client"]
            )
            transcript = Prepared("EraseSubject", message).transcript
            receipts = [_shown(party, receipt, transcript) for party, receipt in zip(PARTIES, d["receipts"], strict=True)]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CertificateNotTrusted(CertificateFault.FORM) from error
        Receipts.of(receipts, transcript, OUTCOMES["EraseSubject"], pins, deployment)


def _shown(party: str, receipt: dict[str, Any], transcript: bytes) -> Receipt:
    index, checkpoint = receipt["log_index"], receipt["checkpoint"]
    if set(receipt) != _RECEIPT or receipt["party"] != party or type(index) is not int or not 0 <= index < 2**64:
        raise ValueError("not a receipt")
    if not isinstance(checkpoint, str) or receipt["outcome"] not in OUTCOMES["EraseSubject"]:
        raise ValueError("not a receipt")
    return Receipt(
        party, receipt["outcome"], transcript, index, from_hex(receipt["leaf_hash"], 32),
        tuple(from_hex(digest, 32) for digest in receipt["inclusion_proof"]), checkpoint, from_hex(receipt["signature"], 64),
    )  # fmt: skip
