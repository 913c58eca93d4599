#!/usr/bin/env python3
"""Makes tests/vectors/seal.txt: what an envelope and a handshake secret must be, computed apart from the Rust code.

Given: the first test vector of draft-connolly-cfrg-xwing-kem (seed, eseed, pk, ct, ss), read from the file itself.
Made here: the HPKE key schedule of RFC 9180, section 5.1, by hand, and AES-256-GCM. Before it writes, the schedule is
checked against a published X-Wing answer of the HPKE working group (suite 647a/0001/0003).
Needs the package `cryptography`. Run from anywhere.
"""

import hashlib
import hmac
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FILE = Path(__file__).with_name("seal.txt")
GIVEN = ["seed", "eseed", "pk", "ct", "ss"]


def extract(salt, ikm):
    return hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()


def expand(prk, info, length):
    out, block, count = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([count]), hashlib.sha256).digest()
        out, count = out + block, count + 1
    return out[:length]


class Schedule:
    """HPKE base mode from the KEM's shared secret on."""

    def __init__(self, aead, shared, info):
        self.suite = b"HPKE" + bytes.fromhex("647a0001") + aead.to_bytes(2, "big")
        context = b"\0" + self.extract(b"", b"psk_id_hash", b"") + self.extract(b"", b"info_hash", info)
        secret = self.extract(shared, b"secret", b"")
        self.key = self.expand(secret, b"key", context, 32)
        self.nonce = self.expand(secret, b"base_nonce", context, 12)
        self.exporter = self.expand(secret, b"exp", context, 32)

    def extract(self, salt, label, ikm):
        return extract(salt, b"HPKE-v1" + self.suite + label + ikm)

    def expand(self, prk, label, info, length):
        return expand(prk, length.to_bytes(2, "big") + b"HPKE-v1" + self.suite + label + info, length)

    def export(self, context):
        return self.expand(self.exporter, b"sec", context, 32)


def framed(*fields):
    return b"".join(len(field).to_bytes(8, "big") + field for field in fields)


def check_schedule():
    shared = bytes.fromhex("58200ed1f137bd95a921bb47f6aaecf2395b26f7fd24efd3a5ffae4849e8dea3")
    info = bytes.fromhex("34663634363532303666366532303631323034373732363536333639363136653230353537323665")
    made = Schedule(3, shared, info)
    assert made.key.hex() == "131c2ebb469b909a40915914afd7ff5e638888ac7195dcaaaef8f9a84f0e4030"
    assert made.nonce.hex() == "2b7a68f19e6cdbd43dda3c6d"
    exported = "5a78d37f40e078c17ef43fa40963f1ff7dcdee56e366da9099dc181c3eccaee5"
    assert made.export(bytes.fromhex("70736575646f72616e646f6d30")).hex() == exported


def main():
    check_schedule()
    lines = [line.split(" = ") for line in FILE.read_text().splitlines() if " = " in line]
    given = {name: bytes.fromhex(value) for name, value in lines if name in GIVEN}
    key_id = hashlib.sha256(given["pk"]).digest()[:8]
    request_id = bytes([7] * 6 + [0x47, 7, 0x87] + [7] * 7)
    info = framed(
        b"tumar envelope v2", b"B", key_id, b"kz-demo", b"banks/b17", b"banks/b17/atm-backend",
        b"/tumar.v1.MatchingService/VerifySubject", b"cash_withdrawal", request_id, b"banks/b17/customers", b"c-0042",
        b"face", b"fr512", (40_000).to_bytes(8, "big"), (30_000_000).to_bytes(4, "big"),
    )
    plaintext = bytes(range(64))
    sealing = Schedule(2, given["ss"], info)
    envelope = key_id + given["ct"] + AESGCM(sealing.key).encrypt(sealing.nonce, plaintext, b"")
    secret = Schedule(0xFFFF, given["ss"], b"a run").export(b"tumar handshake secret v1")
    pair_seed = expand(extract(bytes([2] * 32), bytes(32) + bytes([1] * 32)), b"tumar handshake v1 seed", 32)
    made = {
        "key_id": key_id,
        "info": info,
        "plaintext": plaintext,
        "envelope": envelope,
        "secret": secret,
        "pair_seed": pair_seed,
    }
    text = ["# X-Wing: first test vector of draft-connolly-cfrg-xwing-kem"]
    text += [f"{name} = {given[name].hex()}" for name in GIVEN]
    text += ["# made by seal.py: an envelope to B and a handshake secret, both from that encapsulation; a pair's seed from"]
    text += ["# the salt 02.., the lower party's secret 00.. and the higher's 01.."]
    text += [f"{name} = {value.hex()}" for name, value in made.items()]
    FILE.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
