"""The client against vectors that an independent script made; and each of them with a bit flipped, which it must not pass."""

import base64
import copy
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REPOSITORY, VECTORS, vectors
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHAKE256, Hash
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
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
    TokenClaims,
    approve,
    finger_rows,
    finger_vector,
    quantise,
    seal_sample,
    split,
)
from tumar.committee import node_message
from tumar.framing import framed
from tumar.reasons import Reason
from tumar.receipts import Receipt, found_digest
from tumar.request import MESSAGES, fields
from tumar.sharing import SUITE
from tumar.v1 import committee_pb2, receipt_pb2

CONFIG = ClientConfig.read(VECTORS / "client" / "client.toml")


def private(seed: str) -> MLKEM768X25519PrivateKey:
    """A node's key from its seed, as a node has it."""
    shake = Hash(SHAKE256(96))
    shake.update(bytes.fromhex(seed))
    expanded = shake.finalize()
    classic = X25519PrivateKey.from_private_bytes(expanded[64:])
    return MLKEM768X25519PrivateKey(MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), classic)


def check_templates(file: Any) -> None:
    for case in file["cases"]:
        made = quantise(np.frombuffer(bytes.fromhex(case["embedding"]), "<f4"))
        assert " ".join(map(str, made.components.ravel())) == case["components"], case["name"]
        assert made.pack().hex() == case["packed"], case["name"]
        parts = split(made, bytes.fromhex(case["masks"]))
        assert {party: part.hex() for party, part in zip("ABC", parts, strict=True)} == case["plaintexts"], case["name"]
    said = {"not_finite": "not finite", "zero": "zero", "sparse": "sparse", "dimension": "511 components"}
    for case in file["refused"]:
        with pytest.raises(InputError, match=said[case["fault"]]):
            quantise(np.frombuffer(bytes.fromhex(case["embedding"]), "<f4"))


def check_envelopes(file: Any) -> None:
    keys = {party: EnvelopeKey(bytes.fromhex(key["public"])) for party, key in file["keys"].items()}
    assert {party: key.id.hex() for party, key in keys.items()} == {p: k["id"] for p, k in file["keys"].items()}
    for case in file["cases"]:
        binding = Binding(
            file["deployment"], file["relying_party"], file["client"], case["path"], case["purpose"],
            bytes.fromhex(case["request_id"].replace("-", "")), case["gallery"], case["subject"], case["modality"],
            case["model"], case["amount_kzt"], case["capture_minute"],
        )  # fmt: skip
        person = PersonKey(bytes.fromhex(case["person_key"])) if case["person_key"] else None
        shape = (4, 140) if case["modality"] == "finger" else (1, 128)
        own = seal_sample(Template(np.zeros(shape)), (keys["A"], keys["B"], keys["C"]), binding, person)
        for (party, sealed), mine in zip(case["sealed"].items(), own, strict=True):
            key = private(file["keys"][party]["seed"])
            info = binding.info(party, keys[party].id)
            assert info.hex() == sealed["info"], case["name"]
            plaintext = bytes.fromhex(sealed["plaintext"])
            for envelope in (bytes.fromhex(sealed["envelope"]), mine):
                assert envelope[:8] == keys[party].id and len(envelope) == len(plaintext) + 1144
                opened = SUITE.decrypt(envelope[8:], key, info)
                assert envelope == mine or opened == plaintext, case["name"]
                if person:
                    assert opened[-32:] == plaintext[-32:] == bytes(person.for_node(party))


def check_transcripts(file: Any) -> None:
    for case in file["cases"]:
        prepared = Prepared(case["call"], MESSAGES[case["call"]].FromString(bytes.fromhex(case["message"])))
        shown = [field if isinstance(field, str) else {"hex": field.hex()} for field in fields(prepared)]
        assert shown == case["fields"]
        assert framed(*fields(prepared)).hex() == case["bytes"]
        assert prepared.transcript.hex() == case["hash"]
        assert Prepared.from_bytes(prepared.to_bytes()) == prepared


def check_person(file: Any) -> None:
    key = PersonKey.from_text(file["file"])
    assert {party: key.for_node(party).hex() for party in "ABC"} == file["nodes"]
    for party, handles in file["handles"].items():
        assert {count: key.handle(party, int(count)).hex() for count in handles} == handles


def check_fingers(file: Any) -> None:
    for case in file["cases"]:
        record = bytes.fromhex(case["record"])
        if "reason" in case:
            for encode in (finger_rows, finger_vector):
                with pytest.raises(FingerError) as refused:
                    encode(record)
                assert refused.value.reason == case["reason"], case["name"]
            continue
        rows = finger_rows(record)
        assert (rows.rows, rows.pack().hex()) == (case["rows"], case["set"]), case["name"]
        assert finger_vector(record).pack().hex() == case["vector"], case["name"]


def check_committee(file: Any) -> None:
    for case in file["cases"]:
        answer = committee_pb2.GetCommitteeResponse.FromString(bytes.fromhex(case["answer"]))
        if case["fault"]:
            with pytest.raises(CommitteeNotTrusted) as untrusted:
                Committee.check(answer, CONFIG)
            assert (untrusted.value.fault, untrusted.value.party) == (case["fault"], case["party"]), case["name"]
            continue
        committee = Committee.check(answer, CONFIG)
        assert {party: key.id.hex() for party, key in zip("ABC", committee.keys, strict=True)} == file["keys"]
        encodings = ["rows" if model.is_rows else "vector" for model in committee.models.values()]
        models = [[m.id, m.modality, e, m.dimension] for m, e in zip(committee.models.values(), encodings, strict=True)]
        assert (models, committee.until, committee.context.hex()) == (file["models"], file["until"], file["context"])
        limits = answer.limits
        shown = [limits.max_request_bytes, limits.max_samples, limits.request_retention_seconds]
        assert shown == list(file["limits"].values())
        if case["name"] == "good":
            assert node_message(answer.nodes[0], CONFIG.deployment).hex() == file["signed_by_a"]


def check_receipts(file: Any) -> None:
    prepared = Prepared(file["call"], MESSAGES[file["call"]].FromString(bytes.fromhex(file["message"])))
    assert prepared.transcript.hex() == file["transcript"]
    for case in file["cases"]:
        receipts = [receipt_pb2.Receipt.FromString(bytes.fromhex(receipt)) for receipt in case["receipts"]]
        if case["fault"]:
            with pytest.raises(ReceiptNotTrusted) as untrusted:
                Receipts.check(receipts, prepared, CONFIG)
            assert (untrusted.value.fault, untrusted.value.party) == (case["fault"], case["party"]), case["name"]
            continue
        checked = Receipts.check(receipts, prepared, CONFIG)
        assert checked.outcome == ("match" if case["name"] == "good, a match" else "no_match")
        if checked.outcome == "match":
            a, shown = Receipt.parse("A", receipts[0]), file["a"]
            path = [digest.hex() for digest in a.inclusion_proof]
            assert [a.message(CONFIG.deployment).hex(), a.checkpoint, a.leaf_hash.hex(), a.log_index, path] == list(shown.values())
    found = file["found"]
    whole = framed("tumar found v1", bytes([found["truncated"]]), *found["candidates"])
    assert (whole.hex(), found_digest(found["candidates"], found["truncated"]).hex()) == (found["bytes"], found["digest"])


def check_certificates(file: Any) -> None:
    for case in file["cases"]:
        if case["fault"] is None:
            ErasureCertificate.from_json(case["text"]).verify(CONFIG.nodes, CONFIG.deployment)
            assert ErasureCertificate.from_json(case["text"]).to_json() == case["text"]
        else:
            with pytest.raises((ReceiptNotTrusted, CertificateNotTrusted)) as untrusted:
                ErasureCertificate.from_json(case["text"]).verify(CONFIG.nodes, CONFIG.deployment)
            fault = untrusted.value.fault if isinstance(untrusted.value, CertificateNotTrusted) else "receipt"
            assert fault == case["fault"], case["name"]


def parts(jws: str) -> tuple[Any, Any]:
    header, claims, _ = jws.split(".")
    header, claims = (base64.urlsafe_b64decode(part + "==") for part in (header, claims))  # type: ignore[assignment]
    return json.loads(header), json.loads(claims)


def is_signed(jws: str, jwk: dict[str, str]) -> None:
    text, _, signature = jws.rpartition(".")
    key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(jwk["x"] + "=="))
    key.verify(base64.urlsafe_b64decode(signature + "=="), text.encode())


def details_of(element: Any) -> Details:
    members: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in element.items()}
    assert members.pop("type") == "urn:tumar:match:1"
    return Details(**members)


def pem(text: str) -> SigningKey:
    return SigningKey(load_pem_private_key(text.encode(), None))  # type: ignore[arg-type]


def check_tokens(file: Any) -> None:
    good, now, issuer = file["good"], file["now"], pem(file["issuer_key"])
    (element,) = good["claims"]["authorization_details"]
    said = TokenClaims(good["claims"]["iss"], CONFIG.deployment, CONFIG.client, CONFIG.proof_key.thumbprint, details_of(element))
    token = said.mint(issuer, now, good["claims"]["jti"])
    assert parts(token) == (good["header"], good["claims"])
    is_signed(token, issuer.jwk)
    assert parts(good["token"]) == (good["header"], good["claims"])
    is_signed(good["token"], file["trusted"]["jwks"]["keys"][0])
    rq = bytes.fromhex(vectors("receipts")["transcript"])
    proof = Proof(f"{CONFIG.base}/tumar.v1.MatchingService/VerifySubject", good["token"], rq)
    signed = proof.sign(CONFIG.proof_key, now, good["proof"]["jti"])
    assert parts(signed) == (good["proof_header"], good["proof"])
    is_signed(signed, CONFIG.proof_key.jwk)
    assert parts(good["proof_token"]) == (good["proof_header"], good["proof"])
    is_signed(good["proof_token"], CONFIG.proof_key.jwk)
    for case in file["cases"]:
        assert case["reason"] is None or Reason(case["reason"]) is not Reason.UNKNOWN


def check_approvals(file: Any) -> None:
    aida = file["officers"][0]
    jti = file["claims"]["jti"]
    case_digest = bytes.fromhex(file["case"])
    made = approve(pem(aida["key"]), aida["name"], aida["role"], CONFIG.deployment, details_of(file["details"]), case_digest, file["now"], jti)
    assert parts(made) == (file["header"], file["claims"])
    is_signed(made, aida["jwk"])
    own = file["cases"][0]["approvals"][0] if file["cases"][0]["reason"] is None else made
    assert parts(own) == (file["header"], file["claims"])
    is_signed(own, aida["jwk"])
    assert details_of(file["details"]).to_json() == file["details"]
    assert pem(aida["key"]).jwk == aida["jwk"]
    for case in file["cases"]:
        assert case["reason"] is None or Reason(case["reason"]) is not Reason.UNKNOWN


CHECKS: dict[str, Callable[[Any], None]] = {
    "templates": check_templates, "envelopes": check_envelopes, "transcripts": check_transcripts, "person": check_person,
    "fingers": check_fingers, "committee": check_committee, "receipts": check_receipts, "certificates": check_certificates,
    "tokens": check_tokens, "approvals": check_approvals,
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_all_vectors_pass(name: str) -> None:
    CHECKS[name](vectors(name))


def test_no_file_of_vectors_is_left_out() -> None:
    assert {path.stem for path in VECTORS.glob("*.json")} == set(CHECKS)


# ------------------------------------------------------------------ a bit flipped
def leaves(file: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Places of texts that a client must hold. Names are for people, and what is spoilt already may be spoilt further."""
    if isinstance(file, dict):
        spoilt = file.get("fault") or file.get("reason")
        for key, value in file.items():
            if key not in ("name", "model") and not (spoilt and key not in ("fault", "reason")):
                yield from leaves(value, (*path, key))
    elif isinstance(file, list):
        for place, value in enumerate(file):
            yield from leaves(value, (*path, place))
    elif isinstance(file, str) and file:
        yield path


def flipped(text: str, dice: random.Random) -> str:
    """A text with one bit of it changed; of hexadecimal, a bit of what it says."""
    if all(digit in "0123456789abcdef" for digit in text):
        place, bit = dice.randrange(len(text)), dice.randrange(4)
        return text[:place] + f"{int(text[place], 16) ^ 1 << bit:x}" + text[place + 1 :]
    raw = bytearray(text.encode())
    raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(7)
    return raw.decode(errors="replace")


NOT_HELD = {
    # Verifiers' parts: the tests of the nodes hold them.
    "tokens": [("trusted", "issuer"), ("trusted", "relying_parties"), ("trusted", "bases"), ("trusted", "jwks", "keys", 0, "kid"), ("cases",),
               ("trusted", "jwks", "keys", 0, "kty"), ("trusted", "jwks", "keys", 0, "crv")],
    "approvals": [("officers", 0, "relying_party"), ("officers", 1), ("officers", 2), ("roles",), ("cases",)],
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_a_bit_flipped_in_any_vector_fails(name: str) -> None:
    dice, file, tried = random.Random(name), vectors(name), 0
    for path in leaves(file):
        if any(path[: len(skipped)] == skipped for skipped in NOT_HELD.get(name, [])):
            continue
        spoilt = copy.deepcopy(file)
        at = spoilt
        for step in path[:-1]:
            at = at[step]
        before = at[path[-1]]
        if path[-1] in ("embedding", "record"):
            # Its last bits are rounded away, as they should be.
            continue
        at[path[-1]] = flipped(before, dice)
        if at[path[-1]] == before:
            continue
        tried += 1
        if isinstance(spoilt.get("cases"), list) and path[0] == "cases":
            spoilt["cases"] = [spoilt["cases"][path[1]]]
        with pytest.raises((Exception, pytest.fail.Exception)):
            CHECKS[name](spoilt)
    assert tried > 4, tried


def test_the_reasons_are_those_of_the_table() -> None:
    table = (REPOSITORY / "docs" / "reasons.md").read_text().split("\n## Refusals\n")[1].split("\n## ")[0]
    told = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    assert told == {reason.value for reason in Reason}


# ------------------------------------------------------------------ the runner for any client
def conform(command: str) -> "subprocess.CompletedProcess[str]":
    runner = [sys.executable, str(VECTORS / "conform.py"), "--cmd", command]
    return subprocess.run(runner, capture_output=True, text=True)


CLIENT = f"{sys.executable} {Path(__file__).with_name('conform.py')}"


def test_the_runner_finds_this_client_right() -> None:
    ran = conform(CLIENT)
    assert ran.returncode == 0 and " vectors passed" in ran.stdout, ran.stdout + ran.stderr
    assert "not supported" not in ran.stdout


@pytest.mark.parametrize(
    ("broken", "first"),
    [
        ("s/packed & 15, packed >> 4/packed >> 4, packed \\& 15/", "templates, 128 components, split: "),
        ("s/\\.info(q/.info('A' if q['party'] == 'B' else q/", "envelopes, the first sample of an enrolment, B, info: "),
        ("s/\"outcome\": Receipts.*outcome}/\"outcome\": \"match\"}/", "receipts, good, no match: "),
        ("s/q\\[\"truncated\"\\]/False/", "receipts, what is signed of a search: "),
        ("s/\"iat\"\\], q/\"iat\"] + 1, q/", "tokens, the proof: "),
    ],
)
def test_the_runner_names_the_first_vector_that_a_broken_client_fails(broken: str, first: str, tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    text = Path(__file__).with_name("conform.py").read_text()
    script.write_text(subprocess.run(["sed", broken], input=text, capture_output=True, text=True, check=True).stdout)
    assert script.read_text() != text
    ran = conform(f"{sys.executable} {script}")
    assert ran.returncode == 1 and re.search(r"^FAILED after \d+ vectors: " + re.escape(first), ran.stdout, re.M), ran.stdout


@pytest.mark.parametrize("command", ["/nonexistent/client", "true", "echo hello"])
def test_the_runner_tells_what_is_no_client(command: str) -> None:
    assert conform(command).returncode == 2
