"""Answers the questions of vectors/conform.py by the Python client."""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tumar import (
    Binding,
    CertificateNotTrusted,
    ClientConfig,
    Committee,
    CommitteeNotTrusted,
    Details,
    EnvelopeKey,
    ErasureCertificate,
    FingerError,
    InputError,
    PersonKey,
    Prepared,
    Proof,
    ReceiptNotTrusted,
    Receipts,
    SigningKey,
    Template,
    approve,
    finger_rows,
    finger_vector,
    quantise,
    split,
)
from tumar.framing import framed
from tumar.receipts import found_digest
from tumar.request import MESSAGES, fields
from tumar.v1 import committee_pb2, receipt_pb2

Answer = dict[str, Any]


def ask_quantise(q: Answer) -> Answer:
    try:
        return {"packed": quantise(np.frombuffer(bytes.fromhex(q["embedding"]), "<f4")).pack().hex()}
    except InputError as error:
        words = {"not finite": "not_finite", "zero": "zero", "sparse": "sparse", "components": "dimension"}
        return {"fault": next(fault for word, fault in words.items() if word in str(error))}


def ask_split(q: Answer) -> Answer:
    packed = np.frombuffer(bytes.fromhex(q["packed"]), np.uint8)
    nibbles = np.stack([packed & 15, packed >> 4], 1).ravel().astype(np.int8)
    parts = split(Template(np.where(nibbles > 7, nibbles - 16, nibbles)), bytes.fromhex(q["masks"]))
    return {party: part.hex() for party, part in zip("ABC", parts, strict=True)}


def ask_info(q: Answer) -> Answer:
    request_id = bytes.fromhex(q["request_id"].replace("-", ""))
    members = {name: value for name, value in q.items() if name not in ("ask", "party", "key_id", "request_id")}
    return {"info": Binding(request_id=request_id, **members).info(q["party"], bytes.fromhex(q["key_id"])).hex()}


def ask_seal(q: Answer) -> Answer:
    public, plaintext, info = (bytes.fromhex(q[name]) for name in ("public", "plaintext", "info"))
    return {"envelope": EnvelopeKey(public).seal(plaintext, info).hex()}


def prepared(q: Answer) -> Prepared:
    return Prepared(q["call"], MESSAGES[q["call"]].FromString(bytes.fromhex(q["message"])))


def ask_transcript(q: Answer) -> Answer:
    return {"bytes": framed(*fields(prepared(q))).hex(), "hash": prepared(q).transcript.hex()}


def ask_person(q: Answer) -> Answer:
    key = PersonKey.from_text(q["file"])
    handles = [key.handle(q["party"], counter).hex() for counter in q["counters"]]
    return {"key": key.for_node(q["party"]).hex(), "handles": handles}


def ask_committee(q: Answer) -> Answer:
    answer = committee_pb2.GetCommitteeResponse.FromString(bytes.fromhex(q["answer"]))
    try:
        committee = Committee.check(answer, ClientConfig.read(q["config"]))
    except CommitteeNotTrusted as error:
        return {"fault": error.fault.value} | ({"party": error.party} if error.party else {})
    return {"keys": {p: key.id.hex() for p, key in zip("ABC", committee.keys, strict=True)}, "until": committee.until}


def ask_receipts(q: Answer) -> Answer:
    receipts = [receipt_pb2.Receipt.FromString(bytes.fromhex(receipt)) for receipt in q["receipts"]]
    try:
        return {"outcome": Receipts.check(receipts, prepared(q), ClientConfig.read(q["config"])).outcome}
    except ReceiptNotTrusted as error:
        return {"fault": error.fault.value} | ({"party": error.party} if error.party else {})


def ask_found(q: Answer) -> Answer:
    return {"digest": found_digest(q["candidates"], q["truncated"]).hex()}


def ask_certificate(q: Answer) -> Answer:
    config = ClientConfig.read(q["config"])
    try:
        certificate = ErasureCertificate.from_json(q["text"])
        certificate.verify(config.nodes, config.deployment)
    except CertificateNotTrusted as error:
        return {"fault": error.fault.value}
    except ReceiptNotTrusted:
        return {"fault": "receipt"}
    return {"subject": certificate.subject}


def ask_proof(q: Answer) -> Answer:
    key = ClientConfig.read(q["config"]).proof_key
    return {"jws": Proof(q["htu"], q["token"], bytes.fromhex(q["transcript"])).sign(key, q["iat"], q["jti"])}


def ask_approval(q: Answer) -> Answer:
    members: Answer = {name: tuple(value) if isinstance(value, list) else value for name, value in q["details"].items()}
    members.pop("type")
    key = SigningKey(load_pem_private_key(q["key"].encode(), None))  # type: ignore[arg-type]
    details = Details(**members)
    return {"jws": approve(key, q["name"], q["role"], q["deployment"], details, bytes.fromhex(q["case"]), q["iat"], q["jti"])}


def ask_finger(q: Answer) -> Answer:
    record = bytes.fromhex(q["record"])
    try:
        return {"set": finger_rows(record).pack().hex(), "vector": finger_vector(record).pack().hex()}
    except FingerError as error:
        return {"reason": error.reason}


def unsupported(_: Answer) -> Answer:
    return {"unsupported": True}


def main() -> None:
    answers: dict[str, Callable[[Answer], Answer]] = {
        name.removeprefix("ask_"): made for name, made in globals().items() if name.startswith("ask_")
    }
    for line in sys.stdin:
        question = json.loads(line)
        answer = answers.get(question["ask"], unsupported)(question)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
