"""Terminals in C and C++ under valgrind, against the conformance vectors, and with a backend that has three nodes verify what they sealed.

    terminal.py C_EXAMPLE CPP_EXAMPLE FOLDER

TUMAR names the binary of the nodes. Each call is told with the time that it took; the first that is not as it should be ends it.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import grpc
import numpy as np
from tumar import Client, Details, SigningKey
from tumar.request import MESSAGES, Prepared
from tumar.v1 import committee_pb2

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "vectors"))
import hpke  # noqa: E402

GALLERY = "banks/b17/customers"
# What is still reachable at the end is the learned weights: constants, unpacked once.
LEAKS = "definite,indirect,possible"
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", f"--show-leak-kinds={LEAKS}", f"--errors-for-leak-kinds={LEAKS}"]


def expect(holds, text):
    if not holds:
        sys.exit(f"terminal.py: {text}")


class Backend:
    """Draws the ids of requests, has the tokens, and calls."""

    def __init__(self, folder):
        self.folder = folder
        self.client = Client.open(folder / "client" / "client.toml")
        self.issuer = SigningKey.read(folder / "issuer" / "issuer.pk8")

    def token(self, purpose, action, *amr):
        details = Details(purpose, (action,), "banks/b17", (GALLERY,))
        return self.client.claims("https://issuer.b17.dev.tumar.internal", details, amr).mint(self.issuer)

    def committee(self):
        """As the leader answers, for the terminal to check."""
        config = self.client.config
        options = [("grpc.ssl_target_name_override", config.server_name)]
        with grpc.secure_channel(config.address, grpc.ssl_channel_credentials(config.certificate), options) as channel:
            call = channel.unary_unary(
                "/tumar.v1.MatchingService/GetCommittee",
                request_serializer=committee_pb2.GetCommitteeRequest.SerializeToString,
                response_deserializer=lambda raw: raw,
            )
            return call(committee_pb2.GetCommitteeRequest(), timeout=10)

    def send(self, call, message, *token):
        return self.client.send(self.token(*token), Prepared(call, MESSAGES[call].FromString(message)))

    def verified(self, message):
        prepared = Prepared("VerifySubject", MESSAGES["VerifySubject"].FromString(message))
        return self.client.send_verification(self.token("cash_withdrawal", "verify"), prepared).matched

    def resume(self, subject, out):
        """Sends what is saved by the command line, which finds the key and the request beside it."""
        key, token = out.with_name(out.name + ".key"), out.with_name("token")
        out.with_name(out.name + ".saved").rename(key.with_name(key.name + ".request"))
        token.write_text(self.token("enrolment", "enroll", "registry_check"))
        command = [os.environ["TUMAR"], "enroll", "--client", self.folder / "client" / "client.toml", "--token", token]
        subprocess.run([*command, "--subject", subject, "--key-out", key, "--resume"], check=True)


class Terminal:
    """Knows the pins, and what the backend tells it; has the captures."""

    def __init__(self, program, pins, committee, scratch):
        self.program, self.pins, self.committee, self.scratch = program, pins, committee, scratch

    def seal(self, method, subject, amount, captures, code=0):
        """The message for the backend, or what is said where the example ends with another code than 0, as it should."""
        purpose, now = "enrolment" if method == "enroll" else "cash_withdrawal", int(time.time())
        began = time.monotonic()
        out, said = self.told([method, str(uuid.uuid4()), GALLERY, subject, purpose, amount, now], captures, code, VALGRIND)
        print(f"{self.program.name}: {method} {subject}: {time.monotonic() - began:.1f} s {said}", flush=True)
        return out, said if code else out.read_bytes()

    def told(self, told, captures, code, under=()):
        """What the example wrote, and what it said."""
        out = self.scratch / f"{self.program.name}-{uuid.uuid4()}"
        command = [*under, self.program, self.pins, self.committee, *map(str, told), out, *captures]
        done = subprocess.run(command, capture_output=True, text=True)
        said = done.stderr.strip()
        expect(done.returncode == code, f"ended with {done.returncode}, and {code} was expected: {said}")
        expect(code == 0 or not out.exists(), "refused, and wrote a request")
        return out, said


def load(name):
    return json.loads((ROOT / "vectors" / f"{name}.json").read_text())


def sealed_for_vectors(terminal, case, keys, capture, packed):
    """Seals as a case of envelopes.json says, and opens with the nodes' keys, by its `info` and apart from any client's code."""
    method, person = ("enroll", 32) if case["person_key"] else ("verify", 0)
    told = [method, case["request_id"], case["gallery"], case["subject"], case["purpose"], case["amount_kzt"], case["capture_minute"] * 60]
    out, _ = terminal.told(told, [capture], 0)
    sample = MESSAGES["EnrollSubject" if person else "VerifySubject"].FromString(out.read_bytes()).samples[0]
    own = []
    for party, envelope in zip("ABC", (sample.envelope_a, sample.envelope_b, sample.envelope_c)):
        info = bytes.fromhex(case["sealed"][party]["info"])
        plaintext = hpke.open_(hpke.Key(bytes.fromhex(keys[party]["seed"])), envelope, info)
        expect(len(plaintext) == 2 * len(packed) + person, f"{case['name']}: {len(plaintext)} bytes for {party}")
        own.append(plaintext[: len(packed)])
    whole = bytes(a ^ b ^ c for a, b, c in zip(*own))
    expect(whole == packed, f"{case['name']}: another template is in the envelopes")


def vectors(terminal):
    """The cases of the vectors that a terminal has, through the example."""
    scratch = terminal.scratch
    told = ["verify", "7d444840-9dc0-4d2b-b5f5-1c3b8e0a5a11", GALLERY, "c-0042", "cash_withdrawal", 0, 1_800_000_000]
    templates, fingers, envelopes, committees = load("templates"), load("fingers"), load("envelopes"), load("committee")
    face, record = scratch / "vector.f32", scratch / "vector.fmr"
    tried = 0

    def refused(captures, word):
        nonlocal tried
        _, said = terminal.told(told, captures, 1)
        expect(f" {word} " in said, f"{word} was expected: {said}")
        tried += 1

    face.write_bytes(bytes.fromhex(templates["cases"][0]["embedding"]))
    for case in committees["cases"]:
        terminal.committee.write_bytes(bytes.fromhex(case["answer"]))
        if case["fault"]:
            refused([f"sface128={face}"], case["fault"])
    terminal.committee.write_bytes(bytes.fromhex(committees["cases"][0]["answer"]))
    of = {case["name"]: case for case in envelopes["cases"]}
    for case in templates["cases"]:
        if case["model"] == "sface128":
            face.write_bytes(bytes.fromhex(case["embedding"]))
            for name in ("the first sample of an enrolment", "a verification"):
                sealed_for_vectors(terminal, of[name], envelopes["keys"], f"sface128={face}", bytes.fromhex(case["packed"]))
                tried += 1
    for case in templates["refused"]:
        face.write_bytes(bytes.fromhex(case["embedding"]))
        refused([f"{case['model']}={face}"], case["fault"])
    for case in fingers["cases"]:
        record.write_bytes(bytes.fromhex(case["record"]))
        if "reason" in case:
            refused([f"leader-rows-3={record}"], case["reason"])
    print(f"{terminal.program.name}: {tried} vectors, as they should be", flush=True)


def captures(scratch):
    """A face and a finger of one person, both again, and a stranger's face."""
    draw = np.random.default_rng(14)
    face = draw.normal(size=512)
    faces = {"face": face, "again": face + draw.normal(size=512) * 0.6, "stranger": draw.normal(size=512), "zero": face * 0}
    for name, values in faces.items():
        (scratch / f"{name}.f32").write_bytes(values.astype("<f4").tobytes())
    for name, case in zip(("finger", "finger-again"), load("fingers")["cases"]):
        (scratch / f"{name}.fmr").write_bytes(bytes.fromhex(case["record"]))
    return (lambda name: f"fr512={scratch / name}.f32"), (lambda model, name: f"{model}={scratch / name}.fmr")


def run(nodes, programs, scratch):
    backend, (face, finger) = Backend(nodes), captures(scratch)
    pins, answer = nodes / "client" / "client.toml", backend.committee()
    (scratch / "committee").write_bytes(answer)
    in_c, in_cpp = (Terminal(program, pins, scratch / "committee", scratch) for program in programs)

    references = [face("face"), finger("leader-rows-3", "finger"), finger("leader-fixed-1", "finger")]
    out, _ = in_c.seal("enroll", "ada", 0, references)
    backend.resume("ada", out)
    _, message = in_cpp.seal("enroll", "eve", 0, [face("stranger")])
    backend.send("EnrollSubject", message, "enrolment", "enroll", "registry_check")

    for terminal, subject, probes, expected in (
        (in_c, "ada", [face("again")], True),
        (in_c, "ada", [face("stranger")], False),
        (in_cpp, "ada", [finger("leader-rows-3", "finger-again")], True),
        (in_cpp, "eve", [face("again")], False),
    ):
        _, message = terminal.seal("verify", subject, 40_000, probes)
        matched = backend.verified(message)
        print(f"  {'MATCH' if matched else 'NO MATCH'}", flush=True)
        expect(matched == expected, f"{subject}: {matched}")

    _, told = in_c.seal("verify", "ada", 40_000, [face("zero")], code=1)
    expect("zero" in told, "refused for another reason")
    # Any change of what is signed.
    (scratch / "committee").write_bytes(answer.replace(b"log.c.", b"log.d."))
    _, told = in_cpp.seal("verify", "ada", 40_000, [face("again")], code=1)
    expect("signature" in told, "refused for another reason")


def main():
    programs, scratch = [Path(name) for name in sys.argv[1:3]], Path(sys.argv[3])
    nodes = scratch / "nodes"
    for program in programs:
        vectors(Terminal(program, ROOT / "vectors" / "client" / "client.toml", scratch / "committee", scratch))
    serving = subprocess.Popen([os.environ["TUMAR"], "demo", "--serve", nodes], stdout=subprocess.PIPE, text=True)
    try:
        expect("Three nodes run" in serving.stdout.readline(), "no nodes")
        run(nodes, programs, scratch)
    finally:
        serving.terminate()
        serving.wait(60)
    print("Terminals in C and C++: sealed, verified and refused as they should; no leak and no invalid access.")


if __name__ == "__main__":
    main()
