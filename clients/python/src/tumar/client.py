"""The client of banks and terminals: split, seal, prove, call, and check three receipts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import grpc
from google.protobuf.message import Message as AnyMessage

from .committee import Committee
from .config import ClientConfig
from .errors import Refusal, from_rpc
from .receipts import ErasureCertificate, Receipts
from .request import ANSWERS, SERVICE, Capture, Prepared, Sealer, Search, Target, now, without_samples
from .session import DEADLINE, SEARCH_DEADLINE, Searched, Session, Verified, wants_new_keys
from .sharing import PersonKey
from .tokens import Details, TokenClaims
from .v1 import committee_pb2
from .v1 import matching_pb2 as pb

Answer = TypeVar("Answer", bound=AnyMessage)
Result = TypeVar("Result")
Progress = Callable[[int, int], None]
"""Told how many blocks of a gallery are compared, and how many there are."""


class Client:
    """A connection to the leader. It may be used by several threads."""

    def __init__(self, config: ClientConfig) -> None:
        self._session = Session(config)
        address, credentials, options = self._session.channel_arguments()
        self._channel = grpc.secure_channel(address, credentials, options)

    @classmethod
    def open(cls, path: str | Path) -> "Client":
        """By a `client.toml`. Asks who the nodes are, and checks all three against the pinned keys."""
        client = cls(ClientConfig.read(path))
        client.refresh()
        return client

    @property
    def config(self) -> ClientConfig:
        """Whom it calls and believes."""
        return self._session.config

    def close(self) -> None:
        """Hangs up."""
        self._channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def claims(self, issuer: str, details: Details, amr: Sequence[str] = ()) -> TokenClaims:
        """What a token for this client says; `TokenClaims.mint` signs it with an issuer's key."""
        return self._session.claims(issuer, details, amr)

    # ------------------------------------------------------------------ who the nodes are
    def refresh(self) -> Committee:
        """Asks anew who the nodes are."""
        call = self._unary("GetCommittee", committee_pb2.GetCommitteeResponse)
        answer = self._asked(lambda: call(committee_pb2.GetCommitteeRequest(), timeout=DEADLINE))
        committee = Committee.check(answer, self.config)
        self._session.committee = committee
        return committee

    def committee(self) -> Committee:
        """The committee in use, or a newer one where its keys are about to end."""
        committee = self._session.committee
        if committee is None or self._session.needs_committee(now()):
            return self.refresh()
        return committee

    # ------------------------------------------------------------------ calls
    def prepare_enrolment(
        self, target: Target, references: Sequence[Capture], person: PersonKey, captured: float | None = None
    ) -> Prepared:
        """The request of `enroll`, to be kept before it is sent. `captured`, in Unix seconds, is when the person stood there."""
        when = now() if captured is None else captured
        return Sealer(self.config, self.committee()).enroll(target, references, person, when)

    def enroll(
        self, token: str, target: Target, references: Sequence[Capture], captured: float | None = None
    ) -> tuple[PersonKey, Receipts]:
        """Enrols a person with 1 to 32 references, all of them or none. The key is for the person, and kept by nobody else.

        A caller that must not lose a key with a connection draws it, prepares, keeps both, and sends: `prepare_enrolment`, `send`.
        """
        person, when = PersonKey(), now() if captured is None else captured
        return person, self._sealed(lambda: self.prepare_enrolment(target, references, person, when), token, self.send)

    def prepare_verification(
        self, target: Target, probes: Sequence[Capture], amount_kzt: int = 0, captured: float | None = None
    ) -> Prepared:
        """The request of `verify`."""
        when = now() if captured is None else captured
        return Sealer(self.config, self.committee()).verify(target, probes, amount_kzt, when)

    def verify(
        self,
        token: str,
        target: Target,
        probes: Sequence[Capture],
        amount_kzt: int = 0,
        captured: float | None = None,
    ) -> Verified:
        """Compares one probe, or two of different modalities, with a person's references. A non-match is an answer."""
        when = now() if captured is None else captured
        make = lambda: self.prepare_verification(target, probes, amount_kzt, when)  # noqa: E731
        return self._sealed(make, token, self.send_verification)

    def search(
        self,
        token: str,
        search: Search,
        probes: Sequence[Capture],
        captured: float | None = None,
        watch: Progress | None = None,
    ) -> Searched:
        """Compares one vector, or a face and a finger, with everybody in a gallery. Needs two officers' approvals."""
        when = now() if captured is None else captured
        make = lambda: Sealer(self.config, self.committee()).search(search, probes, when)  # noqa: E731
        return self._sealed(make, token, lambda token, prepared: self.send_search(token, prepared, watch))

    def erase(self, token: str, target: Target) -> ErasureCertificate:
        """Destroys a person's references at all three nodes."""
        return self.send_erasure(token, self.prepare("EraseSubject", target))

    def lock(self, token: str, target: Target) -> Receipts:
        """Stops every use of a person until unlocked."""
        return self.send(token, self.prepare("LockSubject", target))

    def unlock(self, token: str, target: Target) -> Receipts:
        """Ends a lock, and forgets the non-matches counted so far."""
        return self.send(token, self.prepare("UnlockSubject", target))

    def prepare(self, call: str, target: Target) -> Prepared:
        """The request of `erase`, `lock` or `unlock`, to be kept before it is sent."""
        return without_samples(self.config, call, target)

    # ------------------------------------------------------------------ sending, and sending again
    def send(self, token: str, prepared: Prepared) -> Receipts:
        """Proves and calls. After a lost connection send the same again: what was answered is answered alike, and is no second use."""
        if prepared.call == "VerifySubject":
            return self.send_verification(token, prepared).receipts
        if prepared.call == "SearchGallery":
            return self.send_search(token, prepared).receipts
        return self._session.receipts(prepared, self._sent(token, prepared, ANSWERS[prepared.call]).receipts)

    def send_verification(self, token: str, prepared: Prepared) -> Verified:
        """`send`, of a verification."""
        return self._session.verified(prepared, self._sent(token, prepared, pb.VerifySubjectResponse))

    def send_erasure(self, token: str, prepared: Prepared) -> ErasureCertificate:
        """`send`, of an erasure."""
        return self._session.certificate(prepared, self.send(token, prepared))

    def send_search(self, token: str, prepared: Prepared, watch: Progress | None = None) -> Searched:
        """`send`, of a search."""
        call = self._channel.unary_stream(
            prepared.path,
            request_serializer=pb.SearchGalleryRequest.SerializeToString,
            response_deserializer=pb.SearchGalleryResponse.FromString,
        )
        metadata = self._session.metadata(token, prepared)

        def steps() -> pb.SearchResult | None:
            result = None
            for step in call(prepared.message, metadata=metadata, timeout=SEARCH_DEADLINE):
                if step.HasField("result"):
                    result = step.result
                elif watch:
                    watch(step.progress.blocks_done, step.progress.blocks)
            return result

        return self._session.searched(prepared, self._asked(steps))

    def _sent(self, token: str, prepared: Prepared, answer: type[Answer]) -> Answer:
        call, metadata = self._unary(prepared.call, answer), self._session.metadata(token, prepared)
        return self._asked(lambda: call(prepared.message, metadata=metadata, timeout=DEADLINE))

    def _unary(self, name: str, answer: type[Answer]) -> "grpc.UnaryUnaryMultiCallable[AnyMessage, Answer]":
        return self._channel.unary_unary(
            SERVICE + name,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )

    def _sealed(self, make: Callable[[], Prepared], token: str, send: Callable[[str, Prepared], Result]) -> Result:
        """Seals and sends; once more with new keys where a node has just changed its own, which spends nothing."""
        try:
            return send(token, make())
        except Refusal as error:
            if not wants_new_keys(error):
                raise
        self.refresh()
        return send(token, make())

    @staticmethod
    def _asked(call: Callable[[], Result]) -> Result:
        try:
            return call()
        except grpc.RpcError as error:
            raise from_rpc(error) from None
