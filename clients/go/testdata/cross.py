"""One step by the Python client, for the tests of the client in Go: a JSON object on standard input says which, and one is the answer."""

import json
import sys

import numpy as np
from tumar import Client, Details, ErasureCertificate, SigningKey, Target, finger_rows, quantise

asked = json.load(sys.stdin)
folder, gallery = asked["folder"], "banks/b17/customers"


def desk(purpose, action, *amr, modalities=("face", "finger")):
    client, issuer = Client.open(f"{folder}/client/client.toml"), SigningKey.read(f"{folder}/issuer/issuer.pk8")
    details = Details(purpose, (action,), "banks/b17", (gallery,), modalities)
    token = client.claims("https://issuer.b17.dev.tumar.internal", details, amr).mint(issuer)
    return client, token, Target(gallery, asked["subject"], purpose)


def face():
    return "sface128", quantise(np.array(asked["embedding"], np.float32))


def rows():
    return "leader-rows-3", finger_rows(bytes.fromhex(asked["record"]))


def enroll():
    client, token, target = desk("enrolment", "enroll", "registry_check")
    person, _ = client.enroll(token, target, [face(), rows()])
    return person.to_text()


def verify():
    client, token, target = desk("cash_withdrawal", "verify")
    return client.verify(token, target, [face() if "embedding" in asked else rows()], 40_000).matched


def erase():
    client, token, target = desk("erasure", "erase", modalities=())
    return client.erase(token, target).to_json()


def certificate():
    config = desk("erasure", "erase", modalities=())[0].config
    read = ErasureCertificate.from_json(asked["text"])
    read.verify(config.nodes, config.deployment)
    return read.subject


print(json.dumps(globals()[asked["do"]]()))
