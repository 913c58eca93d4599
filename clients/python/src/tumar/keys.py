"""Keys that sign: a client's for its proofs, an issuer's, an officer's. EdDSA over Ed25519, or ES256."""

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from .errors import InputError
from .framing import b64u, sha256


def compact(value: Any) -> bytes:
    """JSON without white space."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class SigningKey:
    """A private Ed25519 or P-256 key. The key says which algorithm. It is not wiped: its library holds it."""

    def __init__(self, key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> None:
        self._key = key
        if isinstance(key, Ed25519PrivateKey):
            self.algorithm = "EdDSA"
            self.jwk = {"crv": "Ed25519", "kty": "OKP", "x": b64u(key.public_key().public_bytes_raw())}
        else:
            if not isinstance(key.curve, SECP256R1):
                raise InputError("not an Ed25519 or P-256 private key")
            point = key.public_key().public_numbers()
            x, y = (b64u(number.to_bytes(32, "big")) for number in (point.x, point.y))
            self.algorithm, self.jwk = "ES256", {"crv": "P-256", "kty": "EC", "x": x, "y": y}

    @classmethod
    def generate(cls) -> "SigningKey":
        """A fresh Ed25519 key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, path: str | Path) -> "SigningKey":
        """From a file: PKCS#8, DER or PEM, without a password."""
        data = Path(path).read_bytes()
        try:
            loaded = (load_pem_private_key if b"-----BEGIN" in data else load_der_private_key)(data, None)
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: not a private key in PKCS#8, without a password") from error
        if not isinstance(loaded, Ed25519PrivateKey | EllipticCurvePrivateKey):
            raise InputError(f"{path}: not an Ed25519 or P-256 private key")
        return cls(loaded)

    @property
    def thumbprint(self) -> str:
        """RFC 7638, base64url: what a token's `cnf.jkt` and a key's `kid` name."""
        return b64u(sha256(compact(dict(sorted(self.jwk.items())))))

    def jws(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """A compact JWS (RFC 7515); `alg` is added to the header."""
        text = b64u(compact({**header, "alg": self.algorithm})) + "." + b64u(compact(claims))
        if isinstance(self._key, Ed25519PrivateKey):
            signature = self._key.sign(text.encode())
        else:
            r, s = decode_dss_signature(self._key.sign(text.encode(), ECDSA(hashes.SHA256())))
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return text + "." + b64u(signature)

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm} {self.thumbprint})"
