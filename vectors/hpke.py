"""HPKE base mode (RFC 9180) with X-Wing (draft-connolly-cfrg-xwing-kem), HKDF-SHA256 and AES-256-GCM, drawing nothing by itself.

ML-KEM-768 is kyber-py's and X25519 is `cryptography`'s; the rest is written out here, apart from every client's library.
"""

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from kyber_py.ml_kem import ML_KEM_768

SUITE = b"HPKE" + bytes.fromhex("647a00010002")
LABEL = b"\\.//^\\"


def extract(salt, label, ikm):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + SUITE + label + ikm, "sha256")


def expand(prk, label, info, length):
    info, out, block, count = length.to_bytes(2, "big") + b"HPKE-v1" + SUITE + label + info, b"", b"", 1
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([count]), "sha256")
        out, count = out + block, count + 1
    return out[:length]


class Key:
    """A node's key, from its 32-byte seed."""

    def __init__(self, seed):
        expanded = hashlib.shake_256(seed).digest(96)
        self.seed = seed
        encapsulation, _ = ML_KEM_768.key_derive(expanded[:64])
        self.public = encapsulation + X25519PrivateKey.from_private_bytes(expanded[64:]).public_key().public_bytes_raw()
        self.id = hashlib.sha256(self.public).digest()[:8]


def encapsulate(public, eseed):
    """Shared secret and ciphertext of 64 bytes of randomness."""
    shared, ciphertext = ML_KEM_768._encaps_internal(public[:1184], eseed[:32])
    own = X25519PrivateKey.from_private_bytes(eseed[32:])
    sent = own.public_key().public_bytes_raw()
    classic = own.exchange(X25519PublicKey.from_public_bytes(public[1184:]))
    return hashlib.sha3_256(shared + classic + sent + public[1184:] + LABEL).digest(), ciphertext + sent


def schedule(shared, info):
    """Key and nonce (RFC 9180, section 5.1)."""
    context = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared, b"secret", b"")
    return expand(secret, b"key", context, 32), expand(secret, b"base_nonce", context, 12)


def seal(key, plaintext, info, eseed):
    """An envelope: key id, X-Wing ciphertext, AES-256-GCM ciphertext and tag."""
    shared, sent = encapsulate(key.public, eseed)
    aead, nonce = schedule(shared, info)
    return key.id + sent + AESGCM(aead).encrypt(nonce, plaintext, b"")


def check():
    """The first test vector of the X-Wing draft."""
    key = Key(bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26"))
    eseed = bytes.fromhex(
        "3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e235b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2"
    )
    shared, sent = encapsulate(key.public, eseed)
    assert shared.hex() == "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384"
    assert key.id.hex() == "2e816deebcd76c5c"
    assert sent.hex().startswith("b83aa828d4d62b9a83ceffe1d3d3bb1ef31264643c070c5798927e41fb07914a")


def open_(key, envelope, info):
    """The plaintext of an envelope to this key; ValueError if it does not open."""
    expanded = hashlib.shake_256(key.seed).digest(96)
    _, decapsulation = ML_KEM_768.key_derive(expanded[:64])
    sent, sealed = envelope[8:1128], envelope[1128:]
    if envelope[:8] != key.id or len(sealed) < 16:
        raise ValueError("not an envelope to this key")
    shared = ML_KEM_768.decaps(decapsulation, sent[:1088])
    own = X25519PrivateKey.from_private_bytes(expanded[64:])
    classic = own.exchange(X25519PublicKey.from_public_bytes(sent[1088:]))
    shared = hashlib.sha3_256(shared + classic + sent[1088:] + key.public[1184:] + LABEL).digest()
    aead, nonce = schedule(shared, info)
    try:
        return AESGCM(aead).decrypt(nonce, sealed, b"")
    except InvalidTag as error:
        raise ValueError("it does not open for this info") from error
