"""A template in three parts, each sealed to one node; and the person's key."""

import hmac
import os
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import InputError
from .framing import PARTIES, framed, from_hex, sha256, u32, u64
from .template import Template

SUITE_NAME = "hpke-base+x-wing+hkdf-sha256+aes-256-gcm"
SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
MLKEM_KEY, PUBLIC_KEY = 1184, 1216

def split(template: Template, masks: bytes | None = None) -> tuple[bytearray, bytearray, bytearray]:
    """The plaintexts for A, B and C: of each party its own summand, then the next one's. Any one is noise; any two tell all.

    `masks` are as many fresh random bytes as the template has components, the summands of A and of B; drawn here if not given.
    """
    packed = template.pack()
    half = len(packed)
    drawn = os.urandom(2 * half) if masks is None else masks
    if len(drawn) != 2 * half:
        raise InputError(f"{2 * half} bytes of masks are due, not {len(drawn)}")
    a, b = bytearray(drawn[:half]), bytearray(drawn[half:])
    c = bytearray(p ^ x ^ y for p, x, y in zip(packed, a, b, strict=True))
    pairs = (a + b, b + c, c + a)
    for part in (packed, a, b, c):
        wipe(part)
    return pairs


def wipe(buffer: bytearray) -> None:
    """Overwrites a buffer in place."""
    buffer[:] = bytes(len(buffer))


class PersonKey:
    """The person's own key, drawn at enrolment: it finds their entries in all three access logs, and nobody else's.

    It is for the person, and kept by nobody else. `wipe` overwrites it; the text that `to_text` gives can not be overwritten.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = bytearray(secrets.token_bytes(32) if key is None else key)
        if len(self._key) != 32:
            raise InputError("a person's key has 32 bytes")

    @classmethod
    def from_text(cls, text: str) -> "PersonKey":
        """From 64 digits of lower-case hex; white space around them does not matter."""
        try:
            return cls(from_hex(text.strip(), 32))
        except ValueError as error:
            raise InputError("a person's key is 64 digits of lower-case hex") from error

    def to_text(self) -> str:
        """64 digits of lower-case hex, for the person to keep."""
        return self._key.hex()

    def for_node(self, party: str) -> bytearray:
        """What one node blinds its entries about the person with: HKDF-SHA256 without salt, 32 bytes."""
        made = bytearray(32)
        HKDF(hashes.SHA256(), 32, None, b"tumar subject key v1" + party.encode()).derive_into(self._key, made)
        return made

    def handle(self, party: str, counter: int) -> bytes:
        """What stands in the log of this node in its entry of this number about the person, from 0."""
        return hmac.digest(bytes(self.for_node(party)), u64(counter), "sha256")

    def wipe(self) -> None:
        """Overwrites the key."""
        wipe(self._key)

    def __repr__(self) -> str:
        return "PersonKey(..)"


@dataclass(frozen=True)
class Binding:
    """What an envelope is for: sealed for one, it opens for no other."""

    deployment: str
    relying_party: str
    client: str
    path: str
    purpose: str
    request_id: bytes
    gallery: str
    subject: str
    modality: str
    model: str
    amount_kzt: int
    capture_minute: int

    def info(self, party: str, key_id: bytes) -> bytes:
        """HPKE's `info` for the envelope to this party's key."""
        return framed(
            "tumar envelope v2", party, key_id, self.deployment, self.relying_party, self.client, self.path, self.purpose,
            self.request_id, self.gallery, self.subject, self.modality, self.model, u64(self.amount_kzt),
            u32(self.capture_minute),
        )  # fmt: skip


class EnvelopeKey:
    """A node's X-Wing public key: 1184 bytes of ML-KEM-768, then 32 of X25519. ValueError if it is none."""

    def __init__(self, public: bytes) -> None:
        if len(public) != PUBLIC_KEY:
            raise ValueError(f"an X-Wing public key has {PUBLIC_KEY} bytes")
        self.id = sha256(public)[:8]
        mlkem = MLKEM768PublicKey.from_public_bytes(public[:MLKEM_KEY])
        self._key = MLKEM768X25519PublicKey(mlkem, X25519PublicKey.from_public_bytes(public[MLKEM_KEY:]))

    def seal(self, plaintext: bytes | bytearray, info: bytes) -> bytes:
        """Key id, X-Wing ciphertext (1120), AES-256-GCM ciphertext and tag."""
        return self.id + SUITE.encrypt(plaintext, self._key, info)


def seal_sample(
    template: Template, keys: tuple[EnvelopeKey, EnvelopeKey, EnvelopeKey], binding: Binding, person: PersonKey | None = None
) -> tuple[bytes, bytes, bytes]:
    """Three envelopes of one template, for A, B and C. `person` with the first sample of an enrolment, and with no other."""
    sealed = []
    for party, key, plaintext in zip(PARTIES, keys, split(template), strict=True):
        whole = plaintext + person.for_node(party) if person else plaintext
        sealed.append(key.seal(whole, binding.info(party, key.id)))
        wipe(whole)
        wipe(plaintext)
    return sealed[0], sealed[1], sealed[2]
