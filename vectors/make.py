#!/usr/bin/env python3
"""Makes the conformance vectors beside it: vectors/*.json and vectors/client/.

    make.py            writes them
    make.py --check    says which of them are not as they would be written

Needs Python 3.11, `cryptography` (50 or later), `kyber-py` and `numpy`. It shares no code with the nodes or with any client, and draws
nothing: every run writes the same. README.md beside it says what each file is.
"""

import json
import math
import random
import struct
import sys
from pathlib import Path

import fingers
import formats
import hpke
import trust
import world
from formats import drawn, framed, message, sha256, u32, u64
from world import CLIENT, DEPLOYMENT, GALLERY, MINUTE, NODES, PARTIES, RELYING_PARTY, REQUEST_ID, SERVICE, SUBJECT

HERE = Path(__file__).resolve().parent


# ------------------------------------------------------------------ packing and summands
def pack(q):
    return bytes((q[i] & 15) | (q[i + 1] & 15) << 4 for i in range(0, len(q), 2))


def split(packed, masks):
    a, b = masks[: len(packed)], masks[len(packed) :]
    c = bytes(x ^ y ^ z for x, y, z in zip(packed, a, b, strict=True))
    return {"A": a + b, "B": b + c, "C": c + a}


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def templates():
    dice = random.Random(1)
    draws = {
        "128 components": ("sface128", [dice.gauss(0, 1) for _ in range(128)]),
        "512 components": ("fr512", [dice.gauss(0, 1) for _ in range(512)]),
        "512 components, as short as a float is": ("fr512", [dice.gauss(0, 1) * 2.0**-100 for _ in range(512)]),
        "few large components": ("fr512", [dice.gauss(0, 1) ** 3 for _ in range(512)]),
        "coarse values, of which many are equal": ("sface128", [round(dice.gauss(0, 2)) / 2 for _ in range(128)]),
    }
    cases = []
    for name, (model, values) in draws.items():
        raw = floats(values)
        values = struct.unpack(f"<{len(values)}f", raw)
        length = math.sqrt(plain_sum(x * x for x in values))
        q = fingers.quantise([x / length for x in values])
        masks = drawn(name, len(q))
        summands = {party: pair.hex() for party, pair in split(pack(q), masks).items()}
        cases.append({"name": name, "model": model, "embedding": raw.hex(), "components": " ".join(map(str, q)), "packed": pack(q).hex(),
                      "masks": masks.hex(), "plaintexts": summands})  # fmt: skip
    axis = [0.0] * 512
    axis[5] = 1.0
    bad = {"not_finite": [math.inf, *axis[1:]], "zero": [0.0] * 512, "sparse": axis, "dimension": [1.0] * 511}
    refused = [{"fault": fault, "model": "fr512", "embedding": floats(values).hex()} for fault, values in bad.items()]
    return {"cases": cases, "refused": refused}


def plain_sum(values):
    """One after the other, without compensation."""
    total = 0.0
    for value in values:
        total += value
    return total


# ------------------------------------------------------------------ envelopes
def info(node, call, purpose, subject, modality, model, amount=0, key=None):
    return framed(
        "tumar envelope v2", node.letter, (key or node.envelope).id, DEPLOYMENT, RELYING_PARTY, CLIENT, SERVICE + call, purpose,
        bytes.fromhex(REQUEST_ID.replace("-", "")), GALLERY, subject, modality, model, u64(amount), u32(MINUTE),
    )  # fmt: skip


def envelopes():
    person = drawn("key of a person", 32)
    cases = []
    for name, call, purpose, subject, modality, model, amount, size, key in (
        ("the first sample of an enrolment", "EnrollSubject", "enrolment", SUBJECT, "face", "sface128", 0, 128, person),
        ("the second sample of an enrolment, a finger", "EnrollSubject", "enrolment", SUBJECT, "finger", "leader-rows-3", 0, 560, None),
        ("a verification", "VerifySubject", "cash_withdrawal", SUBJECT, "face", "sface128", 40_000, 128, None),
        ("a search", "SearchGallery", "case_search", "", "face", "sface128", 0, 128, None),
    ):
        summands = split(drawn(name, size // 2), drawn(name + ": masks", size))
        sealed = {}
        for node in NODES:
            bound = info(node, call, purpose, subject, modality, model, amount)
            plain = summands[node.letter] + (formats.hkdf(key, b"tumar subject key v1" + node.letter.encode()) if key else b"")
            envelope = hpke.seal(node.envelope, plain, bound, drawn(f"{name}: to {node.letter}", 64))
            sealed[node.letter] = {"info": bound.hex(), "plaintext": plain.hex(), "envelope": envelope.hex()}
        cases.append({
            "name": name, "path": SERVICE + call, "purpose": purpose, "request_id": REQUEST_ID, "gallery": GALLERY,
            "subject": subject, "modality": modality, "model": model, "amount_kzt": amount, "capture_minute": MINUTE,
            "person_key": key.hex() if key else None, "sealed": sealed,
        })  # fmt: skip
    keys = {
        node.letter: {"seed": node.envelope.seed.hex(), "public": node.envelope.public.hex(), "id": node.envelope.id.hex()}
        for node in NODES
    }
    common = {"deployment": DEPLOYMENT, "relying_party": RELYING_PARTY, "client": CLIENT}
    return common | {"keys": keys, "cases": cases}


# ------------------------------------------------------------------ transcripts
def sample(modality, model, label):
    sent = [drawn(f"{label} for {party}", 24) for party in PARTIES]
    wire = message((1, {"face": 1, "finger": 2}[modality]), (2, model), *zip((3, 4, 5), sent, strict=True))
    return {"modality": modality, "model": model, "envelopes": [e.hex() for e in sent], "wire": wire, "sent": sent}


def transcript(call, about, purpose, amount, minute, samples):
    fields = ["tumar request v2", SERVICE + call, CLIENT, bytes.fromhex(REQUEST_ID.replace("-", "")), GALLERY, *about, purpose]
    fields += [u64(amount), u32(minute), u64(len(samples))]
    for one in samples:
        fields += [one["modality"], one["model"], *(sha256(envelope) for envelope in one["sent"])]
    return fields


def transcripts():
    face, finger = sample("face", "fr512", "a face"), sample("finger", "leader-rows-3", "a finger")
    case, approvals = drawn("the file of a case", 32), ["an.approval.by-one", "an.approval.by-another"]
    rows = [
        ("EnrollSubject", "enrolment", 0, MINUTE, [face, finger]),
        ("VerifySubject", "cash_withdrawal", 40_000, MINUTE, [face]),
        ("VerifySubject", "cash_withdrawal", 1_200_000, MINUTE, [face, finger]),
        ("VerifySubject", "subject_access", 0, MINUTE, [finger]),
        ("EraseSubject", "erasure", 0, 0, []),
        ("LockSubject", "subject_lock", 0, 0, []),
        ("UnlockSubject", "subject_unlock", 0, 0, []),
        ("SearchGallery", "case_search", 0, MINUTE, [face]),
    ]
    cases = []
    for call, purpose, amount, minute, samples in rows:
        wired = [one["wire"] for one in samples]
        plain = [(1, REQUEST_ID), (2, GALLERY), (3, SUBJECT), (4, purpose)]
        about = [SUBJECT]
        if call == "EnrollSubject":
            wire = message(*plain, (5, wired), (6, CLIENT), (7, minute))
        elif call == "VerifySubject":
            wire = message(*plain, (5, amount), (6, wired), (7, CLIENT), (8, minute))
        elif call == "SearchGallery":
            about = ["", case, u32(3), u64(len(approvals)), *approvals]
            texts = [text.encode() for text in approvals]
            wire = message((1, REQUEST_ID), (2, GALLERY), (3, purpose), (4, case), (5, 3), (6, wired), (7, texts), (8, CLIENT), (9, minute))
        else:
            wire = message(*plain, (5, CLIENT))
        cases.append(as_case(call, wire, transcript(call, about, purpose, amount, minute, samples)))
    return {"cases": cases}


def as_case(call, wire, fields):
    shown = [field if isinstance(field, str) else {"hex": field.hex()} for field in fields]
    whole = framed(*fields)
    return {"call": call, "message": wire.hex(), "fields": shown, "bytes": whole.hex(), "hash": sha256(whole).hex()}


# ------------------------------------------------------------------ the person
def person():
    key = drawn("key of a person", 32)
    nodes = {party: formats.hkdf(key, b"tumar subject key v1" + party.encode()) for party in PARTIES}
    handles = {
        party: {str(count): formats.hmac.digest(own, u64(count), "sha256").hex() for count in (0, 1, 255, 2**40)}
        for party, own in nodes.items()
    }
    return {"file": key.hex() + "\n", "nodes": {party: own.hex() for party, own in nodes.items()}, "handles": handles}


# ------------------------------------------------------------------ fingers
def print_of(dice, count, steps=256):
    """Made-up minutiae: places at least 12 px apart on an ellipse, directions along a whorl with some noise."""
    found = []
    while len(found) < count:
        x, y = dice.uniform(-1, 1), dice.uniform(-1, 1)
        place = (250 + 130 * x, 280 + 170 * y)
        if x * x + y * y > 1 or any(math.dist(place, other[:2]) < 12 for other in found):
            continue
        turn = math.atan2(-170 * y, 130 * x) + math.pi / 2 + dice.gauss(0, 0.2) + dice.choice((0, math.pi))
        found.append((*place, round(turn / math.tau * steps) % steps, dice.randrange(40, 101)))
    return [(round(x), round(y), angle, quality) for x, y, angle, quality in found]


def records():
    dice = random.Random(2)
    ordinary = print_of(dice, 32)
    again = [(x + 7, y - 5, (a + 3) % 256, q) for x, y, a, q in ordinary]
    lattice = [(150 + 40 * i, 150 + 40 * j, 64, 90) for i in range(5) for j in range(5)]
    rows = [
        ("an ordinary finger", fingers.iso, ordinary, (197, 197), 256),
        ("the same, put down beside", fingers.iso, again, (197, 197), 256),
        ("more rows than a template has", fingers.iso, print_of(dice, 47), (197, 197), 256),
        ("another resolution along x than along y", fingers.iso, print_of(dice, 20), (224, 197), 256),
        ("by ANSI 378, directions in steps of two degrees", fingers.ansi, print_of(dice, 24, 180), (197, 197), 180),
        ("nothing but a pattern", fingers.iso, lattice, (197, 197), 256),
        ("two minutiae", fingers.iso, print_of(dice, 2), (197, 197), 256),
        ("none", fingers.iso, [], (197, 197), 256),
    ]
    cases = []
    for name, write, minutiae, resolution, steps in rows:
        case = {"name": name, "record": write(minutiae, resolution).hex()}
        points = fingers.normalised(minutiae, resolution, steps)
        try:
            made = fingers.rows(points)
            case |= {"rows": len(made), "set": b"".join(map(pack, made)).hex(), "vector": pack(fingers.vector(points)).hex()}
        except fingers.Refused as refused:
            case["reason"] = str(refused)
        cases.append(case)
    good = fingers.iso(ordinary)
    for name, record, reason in (
        ("cut off within a minutia", good[:8] + u32(60) + good[12:60], "RECORD_TRUNCATED"),
        ("another format", b"FIR\0" + good[4:], "RECORD_MAGIC"),
        ("another edition", b"FMR\x00020\0" + good[8:], "RECORD_VERSION"),
        ("a byte more than it says", good + b"\0", "RECORD_LENGTH"),
        ("a resolution of zero", good[:18] + b"\0\0" + good[20:], "RECORD_RESOLUTION"),
        ("a finger that nobody has", good[:24] + b"\x0b" + good[25:], "RECORD_POSITION"),
    ):
        cases.append({"name": name, "record": record.hex(), "reason": reason})
    return {"cases": cases}


FILES = {
    "templates.json": templates,
    "envelopes.json": envelopes,
    "transcripts.json": transcripts,
    "person.json": person,
    "fingers.json": records,
    "committee.json": trust.committee,
    "receipts.json": trust.receipts,
    "certificates.json": trust.certificates,
    "tokens.json": trust.tokens,
    "approvals.json": trust.approvals,
}


def main():
    hpke.check()
    files = {name: json.dumps(make(), indent=1, ensure_ascii=False) + "\n" for name, make in FILES.items()}
    files |= {"client/client.toml": world.config(), "client/tls.crt": world.certificate(), "client/proof.pem": world.PROOF_KEY.pem()}
    (HERE / "client").mkdir(exist_ok=True)
    stale = [name for name, text in files.items() if not (HERE / name).exists() or (HERE / name).read_text() != text]
    if sys.argv[1:] == ["--check"]:
        sys.exit(f"not as make.py writes them: {', '.join(stale)}" if stale else 0)
    for name in stale:
        (HERE / name).write_text(files[name])
    print(f"{len(files)} files, {len(stale)} of them new")


if __name__ == "__main__":
    main()
