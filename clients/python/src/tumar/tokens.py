"""Tokens, proofs and approvals: who may ask for what."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from .framing import b64u, sha256
from .keys import SigningKey

TYPE = "urn:tumar:match:1"


@dataclass(frozen=True)
class Details:
    """What one token allows: the one element of its `authorization_details` (RFC 9396)."""

    purpose: str
    actions: tuple[str, ...]
    relying_party: str
    galleries: tuple[str, ...]
    modalities: tuple[str, ...] = ("face", "finger")
    max_uses: int = 1
    legal_basis: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The element. The order of its members says nothing."""
        members: dict[str, Any] = {
            "type": TYPE, "purpose": self.purpose, "actions": list(self.actions), "relying_party": self.relying_party,
            "galleries": list(self.galleries), "modalities": list(self.modalities), "max_uses": self.max_uses,
        }  # fmt: skip
        return members if self.legal_basis is None else {**members, "legal_basis": self.legal_basis}

    @property
    def longest_life(self) -> int:
        """Seconds that nodes take a token with these for."""
        if self.actions == ("read_log",):
            return 3600
        return 120 if "search" in self.actions else 300


def draw_id() -> str:
    """A `jti` of 128 random bits."""
    return b64u(secrets.token_bytes(16))


@dataclass(frozen=True)
class TokenClaims:
    """What an issuer says in an access token (RFC 9068). For tests and small issuers: a bank has an authorisation server."""

    issuer: str
    deployment: str
    client: str
    jkt: str
    """Thumbprint of the client's proof key."""
    details: Details
    amr: tuple[str, ...] = ()
    """Evidence of other factors: `mobile_auth`, `registry_check`, `pin`."""
    lifetime: int | None = None
    """Seconds; as many as nodes take if not given."""

    def claims(self, now: int, jti: str) -> dict[str, Any]:
        """The payload."""
        lifetime = self.details.longest_life if self.lifetime is None else self.lifetime
        claims: dict[str, Any] = {
            "iss": self.issuer, "aud": f"urn:tumar:{self.deployment}", "client_id": self.client, "sub": self.client,
            "iat": now, "nbf": now, "exp": now + lifetime, "jti": jti, "cnf": {"jkt": self.jkt},
            "authorization_details": [self.details.to_json()],
        }  # fmt: skip
        return {**claims, "amr": list(self.amr)} if self.amr else claims

    def mint(self, key: SigningKey, now: int | None = None, jti: str | None = None) -> str:
        """The token, signed with the issuer's key, whose thumbprint is the `kid`."""
        header = {"typ": "at+jwt", "kid": key.thumbprint}
        return key.jws(header, self.claims(int(time.time()) if now is None else now, jti or draw_id()))


@dataclass(frozen=True)
class Proof:
    """That the holder of the token's key wants this one request, now (RFC 9449 with `rqh`). A proof works once."""

    htu: str
    """`https://HOST[:PORT]` of the leader and the path of the call."""
    token: str
    transcript: bytes
    """SHA-256 of the request, 32 bytes."""

    def claims(self, now: int, jti: str) -> dict[str, Any]:
        """The payload."""
        return {
            "htm": "POST", "htu": self.htu, "iat": now, "jti": jti,
            "ath": b64u(sha256(self.token.encode())), "rqh": b64u(self.transcript),
        }  # fmt: skip

    def sign(self, key: SigningKey, now: int | None = None, jti: str | None = None) -> str:
        """For the metadata `dpop`."""
        claims = self.claims(int(time.time()) if now is None else now, jti or draw_id())
        return key.jws({"typ": "dpop+jwt", "jwk": key.jwk}, claims)


def approve(
    key: SigningKey,
    name: str,
    role: str,
    deployment: str,
    details: Details,
    case_digest: bytes,
    now: int | None = None,
    jti: str | None = None,
) -> str:
    """An officer's approval of searches by tokens with exactly these details, in the case with this SHA-256. Good for 15 minutes."""
    claims: dict[str, Any] = {
        "sub": name, "role": role, "iat": int(time.time()) if now is None else now, "jti": jti or draw_id(),
        "aud": f"urn:tumar:{deployment}", "authorization_details": [details.to_json()], "case": b64u(case_digest),
    }  # fmt: skip
    return key.jws({"typ": "tumar-approval+jwt", "kid": key.thumbprint}, claims)


