"""Bytes as all sides agree on them: framed fields, numbers, base64url without padding."""

import base64
import binascii
import hashlib

PARTIES = ("A", "B", "C")


def framed(*fields: bytes | str) -> bytes:
    """Each field behind its length in 8 bytes, big-endian: two different lists never give one string. Texts are UTF-8."""
    raw = [field.encode() if isinstance(field, str) else bytes(field) for field in fields]
    return b"".join(len(field).to_bytes(8, "big") + field for field in raw)


def u32(number: int) -> bytes:
    """4 bytes, big-endian."""
    return number.to_bytes(4, "big")


def u64(number: int) -> bytes:
    """8 bytes, big-endian."""
    return number.to_bytes(8, "big")


def sha256(data: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def b64u(data: bytes) -> str:
    """Base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64(text: str) -> bytes:
    """Standard base64, strictly. ValueError for anything else."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if base64.b64encode(data).decode() != text:
        raise ValueError("not the one base64 of these bytes")
    return data


def from_hex(text: str, length: int) -> bytes:
    """Lower-case hexadecimal of so many bytes. ValueError for anything else."""
    if len(text) != 2 * length or any(digit not in "0123456789abcdef" for digit in text):
        raise ValueError(f"not {2 * length} digits of lower-case hex")
    return bytes.fromhex(text)
