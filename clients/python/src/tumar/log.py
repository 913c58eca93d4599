"""A node's access log, as far as a client reads it: verifier keys, signed checkpoints, places in a tree."""

import base64
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .framing import from_b64, sha256

MAX_NOTE, MAX_SIGNATURES, MAX_PATH = 128 * 1024, 16, 64
_HALF = re.compile(r"(19[7-9][0-9]|[2-9][0-9]{3})h[12]")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class LogError(ValueError):
    """Not what a node's log signed, or not in it."""


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature is this Ed25519 key's over the message."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True)
class VerifierKey:
    """A log's name and Ed25519 key, `NAME+HASH+BASE64` (C2SP signed-note)."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """LogError for what does not print back as it came."""
        name, _, rest = text.partition("+")
        try:
            material = from_b64(rest.partition("+")[2])
        except ValueError as error:
            raise LogError("not a C2SP verifier key (NAME+HASH+BASE64)") from error
        made = cls(name, material[1:])
        if len(material) != 33 or not name or str(made) != text:
            raise LogError("not a C2SP verifier key (NAME+HASH+BASE64)")
        return made

    @property
    def id(self) -> bytes:
        """The first 4 bytes of the hash over name and key."""
        return sha256(self.name.encode() + b"\n\x01" + self.public)[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([1]) + self.public).decode()}"

    def open(self, note: str) -> str:
        """The text of a note that this key signed, with its last line end. Signatures by others are not looked at."""
        text, signatures = _read(note)
        signed = False
        for name, blob in signatures:
            if name == self.name and blob[:4] == self.id:
                if not is_signed(self.public, blob[4:], text.encode()):
                    raise LogError("a signature is not by the key it names")
                signed = True
        if not signed:
            raise LogError("the note is not signed by this key")
        return text


def _read(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    whole = note.encode()
    if len(whole) > MAX_NOTE or not note.endswith("\n") or any(byte < 0x20 and byte != 0x0A for byte in whole):
        raise LogError("not a signed note")
    text, blank, lines = note.rpartition("\n\n")
    signatures = []
    for line in lines.split("\n")[:-1]:
        dash, name, encoded = (line.split(" ", 2) + ["", ""])[:3]
        try:
            blob = from_b64(encoded)
        except ValueError as error:
            raise LogError("not a signed note") from error
        if dash != "\u2014" or not name or len(blob) < 5:
            raise LogError("not a signed note")
        signatures.append((name, blob))
    if not blank or not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise LogError("not a signed note")
    return text + "\n", signatures


@dataclass(frozen=True)
class Checkpoint:
    """How large a log is, and its root at that size."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Three lines and no more."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0] or not _SIZE.fullmatch(lines[1]):
            raise LogError("not a checkpoint")
        try:
            root = from_b64(lines[2])
        except ValueError as error:
            raise LogError("not a checkpoint") from error
        if len(root) != 32:
            raise LogError("not a checkpoint")
        return cls(lines[0], int(lines[1]), root)

    @classmethod
    def open(cls, note: str, key: VerifierKey) -> "Checkpoint":
        """The checkpoint of some half-year of the log with this key. The key's name has no half-year; origin and signature do."""
        origin = _read(note)[0].split("\n")[0]
        name, _, half = origin.rpartition("/")
        if name != key.name or not _HALF.fullmatch(half):
            raise LogError("the checkpoint is of another log")
        return cls.parse(VerifierKey(origin, key.public).open(note))


def verify_inclusion(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> None:
    """Whether a leaf's hash leads to the root by its path, lowest hash first (RFC 9162, section 2.1.3.2). LogError if not."""
    if index >= size or len(path) > MAX_PATH:
        raise LogError("an index beyond the tree, or a path longer than any")
    node, last, computed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise LogError("the path is too long")
        if node & 1 or node == last:
            computed = sha256(b"\x01" + sibling + computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = sha256(b"\x01" + computed + sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise LogError("the path is too short")
    if computed != root:
        raise LogError("the path leads to another root")
