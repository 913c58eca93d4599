"""The Python client beside the Java one: cross.py NODES SUBJECT VERB, with an embedding in hex or a certificate on standard input."""

import sys
from pathlib import Path

import numpy as np
from tumar import Client, Details, ErasureCertificate, SigningKey, Target, quantise

GALLERY = "banks/b17/customers"
nodes, subject, verb = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
told = sys.stdin.read()
issuer = SigningKey.read(nodes / "issuer" / "issuer.pk8")


def token(client: Client, purpose: str, action: str, *amr: str) -> str:
    modalities = () if action == "erase" else ("face", "finger")
    details = Details(purpose, (action,), "banks/b17", (GALLERY,), modalities)
    return client.claims("https://issuer.b17.dev.tumar.internal", details, amr).mint(issuer)


with Client.open(nodes / "client" / "client.toml") as client:
    if verb == "check":
        certificate = ErasureCertificate.from_json(told)
        certificate.verify(client.config.nodes, client.config.deployment)
        print(certificate.subject)
    elif verb == "erase":
        print(client.erase(token(client, "erasure", "erase"), Target(GALLERY, subject, "erasure")).to_json())
    else:
        capture = [("sface128", quantise(np.frombuffer(bytes.fromhex(told), "<f4")))]
        if verb == "enroll":
            target = Target(GALLERY, subject, "enrolment")
            print(client.enroll(token(client, "enrolment", "enroll", "registry_check"), target, capture)[1].outcome)
        else:
            target = Target(GALLERY, subject, "cash_withdrawal")
            print(client.verify(token(client, "cash_withdrawal", "verify"), target, capture, 40_000).matched)
