"""Whom a client calls, whom it believes, and which key it proves with: `client.toml` and the files beside it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError
from .framing import PARTIES, from_hex
from .keys import SigningKey
from .log import VerifierKey


@dataclass(frozen=True)
class NodePin:
    """One node's public keys, as they are pinned."""

    party: str
    identity: bytes
    """Ed25519, 32 bytes."""
    log_key: VerifierKey


@dataclass(frozen=True)
class ClientConfig:
    """Everything a client needs before it connects."""

    deployment: str
    relying_party: str
    client: str
    """The `client_id` of its tokens."""
    address: str
    """The leader, `host:port`."""
    server_name: str
    """The name in the leader's certificate."""
    base: str
    """What proofs say of the leader's address: `https://HOST[:PORT]`."""
    certificate: bytes
    """PEM: what the leader's certificate must be, or lead to."""
    proof_key: SigningKey
    """The key that tokens are bound to."""
    nodes: tuple[NodePin, NodePin, NodePin]

    @classmethod
    def read(cls, path: str | Path) -> "ClientConfig":
        """Reads `client.toml` and the files it names, which are relative to its folder. InputError for what is no such file."""
        path = Path(path)
        try:
            file = tomllib.loads(path.read_text())
            pins = [_pin(node) for node in file["node"]]
            if [pin.party for pin in pins] != list(PARTIES):
                raise InputError(f"{path}: it must pin the nodes A, B and C, in this order")
            texts = {key: _text(file, key) for key in ("deployment", "relying_party", "client", "address", "server_name", "base")}
            certificate = (path.parent / _text(file, "certificate")).read_bytes()
            proof_key = SigningKey.read(path.parent / _text(file, "proof_key"))
            return cls(**texts, certificate=certificate, proof_key=proof_key, nodes=(pins[0], pins[1], pins[2]))
        except KeyError as error:
            raise InputError(f"{path}: the key {error} is missing") from error
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path}: {error}") from error


def _text(table: dict[str, Any], key: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise InputError(f"{key} must be a text")
    return value


def _pin(node: dict[str, Any]) -> NodePin:
    return NodePin(_text(node, "party"), from_hex(_text(node, "identity"), 32), VerifierKey.parse(_text(node, "log_key")))
