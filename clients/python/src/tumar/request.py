"""One request, its shares sealed: what may be sent again, unchanged, until there is an answer."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from .committee import MODALITIES, Committee
from .config import ClientConfig
from .errors import InputError
from .framing import framed, sha256, u32, u64
from .sharing import Binding, PersonKey, seal_sample
from .template import Template
from .v1 import committee_pb2
from .v1 import matching_pb2 as pb

Message = (
    pb.EnrollSubjectRequest
    | pb.VerifySubjectRequest
    | pb.EraseSubjectRequest
    | pb.LockSubjectRequest
    | pb.UnlockSubjectRequest
    | pb.SearchGalleryRequest
)
Receipted = pb.EnrollSubjectResponse | pb.EraseSubjectResponse | pb.LockSubjectResponse | pb.UnlockSubjectResponse
Capture = tuple[str, Template]
"""A model's name, and a template that it made."""

SERVICE = "/tumar.v1.MatchingService/"
MESSAGES: dict[str, type[Message]] = {
    "EnrollSubject": pb.EnrollSubjectRequest,
    "VerifySubject": pb.VerifySubjectRequest,
    "EraseSubject": pb.EraseSubjectRequest,
    "LockSubject": pb.LockSubjectRequest,
    "UnlockSubject": pb.UnlockSubjectRequest,
    "SearchGallery": pb.SearchGalleryRequest,
}
ANSWERS: dict[str, type[Receipted]] = {
    "EnrollSubject": pb.EnrollSubjectResponse,
    "EraseSubject": pb.EraseSubjectResponse,
    "LockSubject": pb.LockSubjectResponse,
    "UnlockSubject": pb.UnlockSubjectResponse,
}
"""Of the calls that are answered by three receipts and nothing else."""
OUTCOMES: dict[str, tuple[str, ...]] = {
    "EnrollSubject": ("enrolled",),
    "VerifySubject": ("match", "no_match"),
    "EraseSubject": ("erased", "had_none"),
    "LockSubject": ("locked",),
    "UnlockSubject": ("unlocked",),
    "SearchGallery": ("searched",),
}
MOST_SAMPLES = 32
_KEPT = b"tumar python request v1 "


@dataclass(frozen=True)
class Target:
    """Whom a call is about, and what for."""

    gallery: str
    subject: str
    purpose: str


@dataclass(frozen=True)
class Search:
    """Whom a search looks for, and where."""

    gallery: str
    purpose: str
    case_digest: bytes
    """SHA-256 of the file of the case."""
    approvals: tuple[str, ...]
    max_candidates: int = 8


@dataclass(frozen=True)
class Prepared:
    """One request, ready to be proven and sent. It holds no secret: its shares are sealed. It says whom it is about."""

    call: str
    message: Message

    @property
    def path(self) -> str:
        """The gRPC path, with its leading slash."""
        return SERVICE + self.call

    @property
    def transcript(self) -> bytes:
        """SHA-256 over every field: what a proof signs as `rqh`, and what all three receipts must be of."""
        return sha256(framed(*fields(self)))

    def to_bytes(self) -> bytes:
        """To be kept before it is sent: after a crash the very same can be sent again, with a new token if need be."""
        return _KEPT + self.call.encode() + b"\n" + self.message.SerializeToString(deterministic=True)

    @classmethod
    def from_bytes(cls, kept: bytes) -> "Prepared":
        """From what `to_bytes` gave. InputError for anything else."""
        head, _, body = kept.partition(b"\n")
        message = MESSAGES.get(head.removeprefix(_KEPT).decode(errors="replace"))
        if not head.startswith(_KEPT) or message is None:
            raise InputError("the bytes are not a request saved by this version")
        try:
            return cls(head.removeprefix(_KEPT).decode(), message.FromString(body))
        except DecodeError as error:
            raise InputError("the bytes are not a request saved by this version") from error


def fields(prepared: Prepared) -> list[bytes | str]:
    """The fields of a request's transcript, in their order."""
    m = prepared.message
    made: list[bytes | str] = ["tumar request v2", prepared.path, m.client, uuid.UUID(m.request_id).bytes, m.gallery]
    if isinstance(m, pb.SearchGalleryRequest):
        made += ["", m.case_digest, u32(m.max_candidates), u64(len(m.approvals)), *m.approvals]
    else:
        made.append(m.subject)
    samples: Sequence[pb.Sample] = ()
    minute = amount = 0
    if isinstance(m, pb.EnrollSubjectRequest | pb.VerifySubjectRequest | pb.SearchGalleryRequest):
        samples, minute = m.samples, m.capture_minute
    if isinstance(m, pb.VerifySubjectRequest):
        amount = m.amount_kzt
    made += [m.purpose, u64(amount), u32(minute), u64(len(samples))]
    for sample in samples:
        made += [MODALITIES[sample.modality], sample.model]
        made += [sha256(envelope) for envelope in (sample.envelope_a, sample.envelope_b, sample.envelope_c)]
    return made


class Sealer:
    """Makes requests with a committee's keys. `now` is in Unix seconds."""

    def __init__(self, config: ClientConfig, committee: Committee) -> None:
        self._config, self._committee = config, committee

    def _samples(
        self,
        call: str,
        request_id: uuid.UUID,
        place: tuple[str, str, str],
        captures: Sequence[Capture],
        minute: int,
        amount_kzt: int = 0,
        person: PersonKey | None = None,
    ) -> list[pb.Sample]:
        gallery, subject, purpose = place
        most = MOST_SAMPLES if call == "EnrollSubject" else 2
        if not 1 <= len(captures) <= most:
            raise InputError(f"{call} takes 1 to {most} samples")
        samples: list[pb.Sample] = []
        for name, template in captures:
            model = self._committee.model(name, template)
            binding = Binding(
                self._config.deployment, self._config.relying_party, self._config.client, SERVICE + call, purpose,
                request_id.bytes, gallery, subject, model.modality, model.id, amount_kzt, minute,
            )  # fmt: skip
            # The nodes look for their keys in the first sample of an enrolment.
            a, b, c = seal_sample(template, self._committee.keys, binding, None if samples else person)
            modality = committee_pb2.MODALITY_FACE if model.modality == "face" else committee_pb2.MODALITY_FINGER
            samples.append(pb.Sample(modality=modality, model=model.id, envelope_a=a, envelope_b=b, envelope_c=c))
        return samples

    def enroll(self, target: Target, references: Sequence[Capture], person: PersonKey, captured: float) -> Prepared:
        """Takes 1 to 32 references in, all of them or none."""
        request_id, minute = uuid.uuid4(), int(captured) // 60
        place = (target.gallery, target.subject, target.purpose)
        samples = self._samples("EnrollSubject", request_id, place, references, minute, person=person)
        message = pb.EnrollSubjectRequest(
            request_id=str(request_id), gallery=target.gallery, subject=target.subject, purpose=target.purpose,
            samples=samples, client=self._config.client, capture_minute=minute,
        )  # fmt: skip
        return Prepared("EnrollSubject", message)

    def verify(self, target: Target, probes: Sequence[Capture], amount_kzt: int, captured: float) -> Prepared:
        """Compares one probe, or two of different modalities."""
        request_id, minute = uuid.uuid4(), int(captured) // 60
        place = (target.gallery, target.subject, target.purpose)
        samples = self._samples("VerifySubject", request_id, place, probes, minute, amount_kzt)
        message = pb.VerifySubjectRequest(
            request_id=str(request_id), gallery=target.gallery, subject=target.subject, purpose=target.purpose,
            amount_kzt=amount_kzt, samples=samples, client=self._config.client, capture_minute=minute,
        )  # fmt: skip
        return Prepared("VerifySubject", message)

    def search(self, search: Search, probes: Sequence[Capture], captured: float) -> Prepared:
        """Compares one vector, or a face and a finger, with everybody in a gallery."""
        request_id, minute = uuid.uuid4(), int(captured) // 60
        samples = self._samples("SearchGallery", request_id, (search.gallery, "", search.purpose), probes, minute)
        message = pb.SearchGalleryRequest(
            request_id=str(request_id), gallery=search.gallery, purpose=search.purpose, case_digest=search.case_digest,
            max_candidates=search.max_candidates, samples=samples, approvals=search.approvals,
            client=self._config.client, capture_minute=minute,
        )  # fmt: skip
        return Prepared("SearchGallery", message)


def without_samples(config: ClientConfig, call: str, target: Target) -> Prepared:
    """An erasure, a lock, or the end of a lock."""
    kinds: dict[str, type[pb.EraseSubjectRequest | pb.LockSubjectRequest | pb.UnlockSubjectRequest]]
    kinds = {"EraseSubject": pb.EraseSubjectRequest, "LockSubject": pb.LockSubjectRequest, "UnlockSubject": pb.UnlockSubjectRequest}
    message = kinds[call](
        request_id=str(uuid.uuid4()), gallery=target.gallery, subject=target.subject, purpose=target.purpose, client=config.client
    )
    return Prepared(call, message)


def now() -> float:
    """Unix seconds."""
    return time.time()
