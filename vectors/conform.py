#!/usr/bin/env python3
"""Holds any client against the vectors, and names the first that it fails.

    conform.py --cmd 'COMMAND ARGUMENTS'

The command is started once. It reads questions from standard input, one JSON object a line, and writes an answer to each, one JSON object a
line, in order. README.md has a table of them. `{"unsupported": true}` passes a question by, and is told at the end. Exit code 0: all
answers are right. 1: one is not. 2: the command can not be run, ends early, or says what is no answer.
"""

import argparse
import base64
import json
import shlex
import subprocess
import sys
from pathlib import Path

import hpke
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HERE = Path(__file__).resolve().parent


def load(name):
    return json.loads((HERE / f"{name}.json").read_text())


def equal(**expected):
    """Whether the answer has these members, and none that is no fault where there should be one."""
    return lambda answer: None if answer == expected else f"expected {shortened(expected)}"


def opens(seed, info, plaintext):
    """Whether an envelope opens to this; sealing is different at every run."""

    def judge(answer):
        try:
            opened = hpke.open_(hpke.Key(bytes.fromhex(seed)), bytes.fromhex(answer["envelope"]), bytes.fromhex(info))
        except (ValueError, KeyError, TypeError) as error:
            return f"the envelope does not open: {error}"
        return None if opened.hex() == plaintext else "the envelope holds something else"

    return judge


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signed(jwk, header, claims):
    """Whether a JWS says this, by this Ed25519 key. The order of members is the signer's."""

    def judge(answer):
        try:
            text, _, signature = answer["jws"].rpartition(".")
            said = [json.loads(unb64(part)) for part in text.split(".")]
            Ed25519PublicKey.from_public_bytes(unb64(jwk["x"])).verify(unb64(signature), text.encode())
        except (ValueError, KeyError, TypeError, InvalidSignature) as error:
            return f"not signed by the key: {error!r}"
        return None if said == [header, claims] else f"expected {shortened([header, claims])}"

    return judge


def faulty(case, **good):
    """The good answer, or the case's fault."""
    fault = {name: case[name] for name in ("fault", "party") if case.get(name) is not None}
    return equal(**(fault or good))


def questions():
    """Of each vector its name, what the client is asked, and what judges the answer."""
    yield from of_bytes()
    yield from of_trust()
    for case in load("fingers")["cases"]:
        good = equal(reason=case["reason"]) if "reason" in case else equal(set=case["set"], vector=case["vector"])
        yield f"fingers, {case['name']}", {"ask": "finger", "record": case["record"]}, good


def of_bytes():
    """Those of templates, shares and envelopes."""
    for case in load("templates")["cases"]:
        yield f"templates, {case['name']}", {"ask": "quantise", "embedding": case["embedding"], "model": case["model"]}, equal(packed=case["packed"])
        yield f"templates, {case['name']}, split", {"ask": "split", "packed": case["packed"], "masks": case["masks"]}, equal(**case["plaintexts"])
    for case in load("templates")["refused"]:
        yield f"templates, refused, {case['fault']}", {"ask": "quantise", "embedding": case["embedding"], "model": case["model"]}, equal(fault=case["fault"])
    envelopes = load("envelopes")
    common = {name: envelopes[name] for name in ("deployment", "relying_party", "client")}
    bound = ("path", "purpose", "request_id", "gallery", "subject", "modality", "model", "amount_kzt", "capture_minute")
    for case in envelopes["cases"]:
        for party, sealed in case["sealed"].items():
            key, name = envelopes["keys"][party], f"envelopes, {case['name']}, {party}"
            binding = common | {member: case[member] for member in bound} | {"party": party, "key_id": key["id"]}
            yield f"{name}, info", {"ask": "info", **binding}, equal(info=sealed["info"])
            asked = {"ask": "seal", "public": key["public"], "info": sealed["info"], "plaintext": sealed["plaintext"]}
            yield f"{name}, seal", asked, opens(key["seed"], sealed["info"], sealed["plaintext"])


def of_trust():
    """The same, of what is signed and what is believed."""
    config = str(HERE / "client" / "client.toml")
    for case in load("transcripts")["cases"]:
        yield f"transcripts, {case['call']}", {"ask": "transcript", "call": case["call"], "message": case["message"]}, equal(bytes=case["bytes"], hash=case["hash"])
    person = load("person")
    for party, handles in person["handles"].items():
        asked = {"ask": "person", "file": person["file"], "party": party, "counters": [int(count) for count in handles]}
        yield f"person, {party}", asked, equal(key=person["nodes"][party], handles=list(handles.values()))
    committee = load("committee")
    for case in committee["cases"]:
        good = {"keys": committee["keys"], "until": committee["until"]}
        yield f"committee, {case['name']}", {"ask": "committee", "config": config, "answer": case["answer"]}, faulty(case, **good)
    receipts = load("receipts")
    for case in receipts["cases"]:
        asked = {"ask": "receipts", "config": config, "call": receipts["call"], "message": receipts["message"], "receipts": case["receipts"]}
        yield f"receipts, {case['name']}", asked, faulty(case, outcome="no_match" if case["name"] == "good, no match" else "match")
    found = receipts["found"]
    asked = {"ask": "found", "candidates": found["candidates"], "truncated": found["truncated"]}
    yield "receipts, what is signed of a search", asked, equal(digest=found["digest"])
    for case in load("certificates")["cases"]:
        yield f"certificates, {case['name']}", {"ask": "certificate", "config": config, "text": case["text"]}, faulty(case, subject="c-0042")
    good = load("tokens")["good"]
    asked = {"ask": "proof", "config": config, "htu": good["proof"]["htu"], "token": good["token"], "transcript": receipts["transcript"]}
    asked |= {"iat": good["proof"]["iat"], "jti": good["proof"]["jti"]}
    yield "tokens, the proof", asked, signed(good["proof_header"]["jwk"], good["proof_header"], good["proof"])
    approvals = load("approvals")
    officer, claims = approvals["officers"][0], approvals["claims"]
    asked = {"ask": "approval", "key": officer["key"], "name": officer["name"], "role": officer["role"], "details": approvals["details"]}
    asked |= {"deployment": load("envelopes")["deployment"], "case": approvals["case"], "iat": claims["iat"], "jti": claims["jti"]}
    yield "approvals, the first", asked, signed(officer["jwk"], approvals["header"], claims)


def shortened(value, most=300):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else text[:most] + ".."


def run(command):
    """The number of right answers, the vectors passed by, and the first failure."""
    right, passed_by = 0, []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        for name, asked, judge in questions():
            client.stdin.write(json.dumps(asked) + "\n")
            client.stdin.flush()
            line = client.stdout.readline()
            try:
                answer = json.loads(line)
            except ValueError:
                client.kill()
                print(f"conform: {name}: {line[:200].strip() or 'nothing'} is no JSON object", file=sys.stderr)
                sys.exit(2)
            if answer == {"unsupported": True}:
                passed_by.append(name)
                continue
            fault = judge(answer)
            if fault:
                client.kill()
                return right, passed_by, f"{name}: {fault}, not {shortened(answer)}"
            right += 1
        client.stdin.close()
    return right, passed_by, None


def main():
    parser = argparse.ArgumentParser(description="Holds a client against the vectors.")
    parser.add_argument("--cmd", required=True, help="what starts the client")
    command = shlex.split(parser.parse_args().cmd)
    try:
        right, passed_by, failure = run(command)
    except OSError as error:
        print(f"conform: {command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    for name in passed_by:
        print(f"not supported: {name}")
    if failure:
        print(f"FAILED after {right} vectors: {failure}")
        sys.exit(1)
    print(f"{right} vectors passed")


if __name__ == "__main__":
    main()
