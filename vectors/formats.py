"""Tumar's bytes, written out apart from every client and from the nodes: frames, messages, signed texts, trees."""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def sha256(data):
    return hashlib.sha256(data).digest()


def framed(*fields):
    raw = [field.encode() if isinstance(field, str) else field for field in fields]
    return b"".join(len(field).to_bytes(8, "big") + field for field in raw)


def u32(number):
    return number.to_bytes(4, "big")


def u64(number):
    return number.to_bytes(8, "big")


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64(data):
    return base64.b64encode(data).decode()


def drawn(label, count):
    """So many bytes that nobody knows anything about, the same at every run."""
    return hashlib.shake_256(label.encode()).digest(count)


# ------------------------------------------------------------------ protobuf
def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def message(*fields):
    """`(number, value)` each: a text, bytes, or a number; what is empty or 0 is not written, as proto3 has it."""
    out = b""
    for number, value in fields:
        value = value.encode() if isinstance(value, str) else value
        if isinstance(value, int):
            out += varint(number << 3) + varint(value) if value else b""
        elif isinstance(value, list):
            out += b"".join(varint(number << 3 | 2) + varint(len(item)) + item for item in value)
        elif value:
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


# ------------------------------------------------------------------ keys and JSON that is signed
def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class Ed:
    algorithm = "EdDSA"

    def __init__(self, label):
        self.key = Ed25519PrivateKey.from_private_bytes(drawn(label, 32))
        self.public = self.key.public_key().public_bytes_raw()
        self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64u(self.public)}
        # RFC 7638: the required members by name.
        self.kid = b64u(sha256(compact({name: self.jwk[name] for name in ("crv", "kty", "x")})))

    def sign(self, data):
        return self.key.sign(data)

    def pem(self):
        form, without = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, form, without).decode()


class Es:
    algorithm = "ES256"

    def __init__(self, label):
        self.key = ec.derive_private_key(int.from_bytes(drawn(label, 31), "big"), ec.SECP256R1())
        at = self.key.public_key().public_numbers()
        x, y = (b64u(number.to_bytes(32, "big")) for number in (at.x, at.y))
        self.jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        self.kid = b64u(sha256(compact({name: self.jwk[name] for name in ("crv", "kty", "x", "y")})))

    def sign(self, data):
        # RFC 6979: the same at every run.
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def pem(self):
        form, without = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, form, without).decode()


def jws(key, header, payload):
    """A compact JWS over an object, or over bytes as they are."""
    raw = payload if isinstance(payload, bytes) else compact(payload)
    text = b64u(compact(header)) + "." + b64u(raw)
    return text + "." + b64u(key.sign(text.encode()))


def hkdf(key, info):
    """RFC 5869 without salt, 32 bytes."""
    return hmac.digest(hmac.digest(bytes(32), key, "sha256"), info + b"\1", "sha256")


# ------------------------------------------------------------------ trees and notes
def leaf_hash(entry):
    return sha256(b"\0" + entry)


def root_of(leaves):
    """RFC 6962, section 2.1."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + root_of(leaves[:split]) + root_of(leaves[split:]))


def path_of(leaves, index):
    """RFC 6962, section 2.1.1: lowest first."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*path_of(leaves[:split], index), root_of(leaves[split:])]
    return [*path_of(leaves[split:], index - split), root_of(leaves[:split])]


def key_id(name, public, kind=1):
    return sha256(name.encode() + b"\n" + bytes([kind]) + public)[:4]


def verifier_key(name, public):
    return f"{name}+{key_id(name, public).hex()}+{b64(bytes([1]) + public)}"


def note(text, *signers):
    """A C2SP signed note: `(name, key)` each."""
    lines = [f"\u2014 {name} {b64(key_id(name, key.public) + key.sign(text.encode()))}\n" for name, key in signers]
    return text + "\n" + "".join(lines)


def checkpoint(origin, leaves):
    return f"{origin}\n{len(leaves)}\n{b64(root_of(leaves))}\n"
