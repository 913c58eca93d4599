"""The same client for asyncio."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio
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


class AsyncClient:
    """A connection to the leader. Its calls are those of `Client`; sealing takes about a millisecond of the loop's time.

    A search that is cancelled ends at all three nodes.
    """

    def __init__(self, config: ClientConfig) -> None:
        self._session = Session(config)
        address, credentials, options = self._session.channel_arguments()
        self._channel = grpc.aio.secure_channel(address, credentials, options)

    @classmethod
    async def open(cls, path: str | Path) -> "AsyncClient":
        """By a `client.toml`. Asks who the nodes are, and checks all three against the pinned keys."""
        client = cls(ClientConfig.read(path))
        await client.refresh()
        return client

    @property
    def config(self) -> ClientConfig:
        """Whom it calls and believes."""
        return self._session.config

    async def close(self) -> None:
        """Hangs up."""
        await self._channel.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def claims(self, issuer: str, details: Details, amr: Sequence[str] = ()) -> TokenClaims:
        """What a token for this client says; `TokenClaims.mint` signs it with an issuer's key."""
        return self._session.claims(issuer, details, amr)

    async def refresh(self) -> Committee:
        """Asks anew who the nodes are."""
        call = self._unary("GetCommittee", committee_pb2.GetCommitteeResponse)
        answer = await self._asked(call(committee_pb2.GetCommitteeRequest(), timeout=DEADLINE))
        self._session.committee = committee = Committee.check(answer, self.config)
        return committee

    async def committee(self) -> Committee:
        """The committee in use, or a newer one where its keys are about to end."""
        committee = self._session.committee
        return await self.refresh() if committee is None or self._session.needs_committee(now()) else committee

    async def enroll(
        self, token: str, target: Target, references: Sequence[Capture], captured: float | None = None
    ) -> tuple[PersonKey, Receipts]:
        """`Client.enroll`."""
        person, when = PersonKey(), now() if captured is None else captured

        async def make() -> Prepared:
            return Sealer(self.config, await self.committee()).enroll(target, references, person, when)

        return person, await self._sealed(make, lambda prepared: self.send(token, prepared))

    async def verify(
        self,
        token: str,
        target: Target,
        probes: Sequence[Capture],
        amount_kzt: int = 0,
        captured: float | None = None,
    ) -> Verified:
        """`Client.verify`."""
        when = now() if captured is None else captured

        async def make() -> Prepared:
            return Sealer(self.config, await self.committee()).verify(target, probes, amount_kzt, when)

        async def send(prepared: Prepared) -> Verified:
            return self._session.verified(prepared, await self._sent(token, prepared, pb.VerifySubjectResponse))

        return await self._sealed(make, send)

    async def search(
        self, token: str, search: Search, probes: Sequence[Capture], captured: float | None = None
    ) -> Searched:
        """`Client.search`."""
        when = now() if captured is None else captured

        async def make() -> Prepared:
            return Sealer(self.config, await self.committee()).search(search, probes, when)

        async def send(prepared: Prepared) -> Searched:
            return self._session.searched(prepared, await self._asked(self._steps(token, prepared)))

        return await self._sealed(make, send)

    async def _steps(self, token: str, prepared: Prepared) -> pb.SearchResult | None:
        call = self._channel.unary_stream(
            prepared.path,
            request_serializer=pb.SearchGalleryRequest.SerializeToString,
            response_deserializer=pb.SearchGalleryResponse.FromString,
        )
        result = None
        metadata = self._session.metadata(token, prepared)
        async for step in call(prepared.message, metadata=metadata, timeout=SEARCH_DEADLINE):
            if step.HasField("result"):
                result = step.result
        return result

    async def erase(self, token: str, target: Target) -> ErasureCertificate:
        """`Client.erase`."""
        prepared = self.prepare("EraseSubject", target)
        return self._session.certificate(prepared, await self.send(token, prepared))

    async def lock(self, token: str, target: Target) -> Receipts:
        """`Client.lock`."""
        return await self.send(token, self.prepare("LockSubject", target))

    async def unlock(self, token: str, target: Target) -> Receipts:
        """`Client.unlock`."""
        return await self.send(token, self.prepare("UnlockSubject", target))

    def prepare(self, call: str, target: Target) -> Prepared:
        """The request of `erase`, `lock` or `unlock`, to be kept before it is sent."""
        return without_samples(self.config, call, target)

    async def send(self, token: str, prepared: Prepared) -> Receipts:
        """`Client.send`, of all calls but searches."""
        if prepared.call == "VerifySubject":
            return self._session.verified(prepared, await self._sent(token, prepared, pb.VerifySubjectResponse)).receipts
        answer = await self._sent(token, prepared, ANSWERS[prepared.call])
        return self._session.receipts(prepared, answer.receipts)

    async def _sent(self, token: str, prepared: Prepared, answer: type[Answer]) -> Answer:
        call, metadata = self._unary(prepared.call, answer), self._session.metadata(token, prepared)
        return await self._asked(call(prepared.message, metadata=metadata, timeout=DEADLINE))

    def _unary(self, name: str, answer: type[Answer]) -> "grpc.aio.UnaryUnaryMultiCallable[AnyMessage, Answer]":
        return self._channel.unary_unary(
            SERVICE + name,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )

    async def _sealed(
        self, make: Callable[[], Awaitable[Prepared]], send: Callable[[Prepared], Awaitable[Result]]
    ) -> Result:
        try:
            return await send(await make())
        except Refusal as error:
            if not wants_new_keys(error):
                raise
        await self.refresh()
        return await send(await make())

    @staticmethod
    async def _asked(call: Awaitable[Result]) -> Result:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None
