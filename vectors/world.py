"""Who is in the vectors: a deployment, a bank, three nodes. All keys are drawn from their names; none is anyone's."""

import datetime

import hpke
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from formats import Ed, drawn, verifier_key

DEPLOYMENT = "kz-test"
RELYING_PARTY = "banks/b17"
CLIENT = "banks/b17/atm-backend"
GALLERY = "banks/b17/customers"
SUBJECT = "c-0042"
BASE = "https://tumar.example:8443"
ISSUER = "https://issuer.example"
NOW = 1_800_000_000
MINUTE = NOW // 60
REQUEST_ID = "7d444840-9dc0-4d2b-b5f5-1c3b8e0a5a11"
SERVICE = "/tumar.v1.MatchingService/"
PARTIES = "ABC"
SUITE = "hpke-base+x-wing+hkdf-sha256+aes-256-gcm"
HALF = "2026h2"


class Node:
    def __init__(self, letter):
        self.letter = letter
        self.number = 1 + PARTIES.index(letter)
        self.identity = Ed(f"identity of {letter}")
        self.log = Ed(f"log of {letter}")
        self.log_name = f"log.{letter.lower()}.{DEPLOYMENT}.tumar.internal"
        self.log_key = verifier_key(self.log_name, self.log.public)
        self.envelope = hpke.Key(drawn(f"envelope key of {letter}", 32))
        self.earlier = hpke.Key(drawn(f"envelope key of {letter} a day before", 32))


NODES = [Node(letter) for letter in PARTIES]
PROOF_KEY = Ed("proof key of the bank")
ISSUER_KEY = Ed("issuer of the bank")


def certificate():
    """A self-signed certificate, so that the configuration is whole. Nothing in the vectors connects."""
    key = Ed("certificate of the leader").key
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tumar.example")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1)
    made = made.not_valid_before(datetime.datetime(2026, 1, 1)).not_valid_after(datetime.datetime(2126, 1, 1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("tumar.example")]), False)
    return made.sign(key, None).public_bytes(serialization.Encoding.PEM).decode()


def config():
    """client.toml: what pins the nodes."""
    lines = ["# The client of the vectors.", f'deployment = "{DEPLOYMENT}"', f'relying_party = "{RELYING_PARTY}"']
    lines += [f'client = "{CLIENT}"', 'address = "tumar.example:8443"', 'server_name = "tumar.example"', f'base = "{BASE}"']
    lines += ['certificate = "tls.crt"', 'proof_key = "proof.pem"']
    for node in NODES:
        lines += ["", "[[node]]", f'party = "{node.letter}"', f'identity = "{node.identity.public.hex()}"']
        lines += [f'log_key = "{node.log_key}"']
    return "\n".join(lines) + "\n"
