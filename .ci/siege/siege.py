"""Three nodes under siege: siege.py TUMAR FOLDER [SECONDS]

Each node may open 1024 files, and map 512 MiB more than it does at rest. Six kinds of attack at once, from sixteen addresses, of
which one is that of the bank b17, which makes 20 calls a second meanwhile. Exit code 0 if all holds that is listed in `judge`.
"""

import atexit
import json
import os
import random
import shutil
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

from nodes import PARTIES, Nodes, Trouble, dies_with_us, ends_by_signals, run, table, wait_for, write_result

# Each with how often it must have come through at least to be one.
ATTACKS = {
    "idle connections": {"opened": 1000},
    "large bodies": {"calls": 500},
    "slow bodies": {"calls": 256},
    "reset streams": {"streams": 1000},
    "slow readers": {"opened": 200},
    "forged and spent tokens": {"TOKEN_SIGNATURE": 50, "TOKEN_SPENT": 50},
}
FILES = 1024
BEYOND_REST = 512 * 1024  # KiB of address space
RATE = 20
PEOPLE = 100
# What is asserted.
SLOWER = 5  # times the calm p99
MARGIN = 64  # MiB above the calm memory, half a minute after the siege at the latest
MOST_WORDS = 64  # KiB on a node's standard error


class Attacker:
    """One attack as a process of its own, and the last that it told."""

    def __init__(self, name, target):
        here = os.path.dirname(os.path.abspath(__file__))
        command = dies_with_us([sys.executable, os.path.join(here, "attackers.py"), name, target])
        self.name, self.told = name, {"ready": False, "counts": {}}
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.listen, daemon=True)
        self.reader.start()

    def listen(self):
        for line in self.process.stdout:
            self.told = json.loads(line)

    def is_ready(self):
        if self.process.poll() is not None:
            raise Trouble(f"the attack by {self.name} ended with {self.process.returncode}")
        return self.told["ready"]

    def weak(self):
        """What it did less often than it must."""
        did = self.told["counts"]
        return [f"{self.name}: {did.get(what, 0)} {what}" for what, least in ATTACKS[self.name].items() if did.get(what, 0) < least]

    def end(self):
        self.process.kill()
        self.process.wait()


class Newcomer:
    """Bank b17 once more: verifies one person again and again, each time by a connection of its own, as a terminal that comes back."""

    def __init__(self, nodes):
        self.nodes, self.calls, self.failed, self.over = nodes, 0, [], threading.Event()
        code, words = nodes.enrol("b17", "newcomer")
        if code:
            raise Trouble(f"nobody can be enrolled for b17: {words}")

    def begin(self):
        self.thread = threading.Thread(target=self.call, daemon=True)
        self.thread.start()

    def call(self):
        while not self.over.wait(0.5):
            self.calls += 1
            try:
                code, words = self.nodes.verify("b17", "newcomer")
            except Trouble as trouble:
                code, words = 1, str(trouble)
            if code:
                self.failed.append(f"exit code {code}: {words}")

    def end(self):
        self.over.set()
        self.thread.join(60)


class Auditor:
    """An honest reader: asks each node once a second what logs there are, by a connection of its own."""

    def __init__(self, nodes):
        self.answered, self.asked, self.over = 0, 0, threading.Event()
        self.ports = [nodes.base + 200 + place for place in range(3)]

    def begin(self):
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        while not self.over.wait(1 / 3):
            port = self.ports[self.asked % 3]
            self.asked += 1
            try:
                with urllib.request.urlopen(f"https://127.0.0.1:{port}/logs.json", context=context, timeout=10) as answer:
                    self.answered += bool(json.load(answer))
            except (OSError, ValueError):
                pass

    def end(self):
        self.over.set()
        self.thread.join(30)


def address_space_at_rest(nodes):
    """KiB that each node maps once all are linked; they are stopped again."""
    nodes.start_all()
    held = {party: nodes.memory(party, "VmSize") for party in PARTIES}
    nodes.end_all()
    return held


def target(nodes, draw):
    """What attackers know: addresses, and of bank b19 a client with tokens that are spent or forged."""
    code, words = nodes.enrol("b19", "c-0001")
    if code:
        raise Trouble(f"nobody can be enrolled for b19: {words}")
    spent = []
    for _ in range(4):
        path = nodes.token("b19", "subject_lock", "lock")
        nodes.ask("lock", "--client", nodes.client("b19"), "--subject", "c-0001", "--token", path)
        with open(path) as file:
            spent.append(file.read().strip())
    forged = []
    for token in spent:
        head, body, signature = token.split(".")
        place = draw.randrange(len(signature) - 2)
        other = "A" if signature[place] != "A" else "B"
        forged.append(".".join((head, body, signature[:place] + other + signature[place + 1 :])))
    known = {
        "public": [nodes.base + place for place in range(3)],
        "peer": [nodes.base + 100 + place for place in range(3)],
        "audit": [nodes.base + 200 + place for place in range(3)],
        "spent": spent,
        "forged": forged,
        "b19": [
            os.path.join(nodes.bank("b19"), "client", "proof.pk8"),
            f"https://localhost:{nodes.base}",
            "banks/b19/atm-backend",
            "banks/b19/customers",
            "c-0001",
        ],
    }
    path = os.path.join(nodes.folder, "target.json")
    with open(path, "w") as file:
        json.dump(known, file)
    return path


def load(nodes, name, seconds, draw):
    seed = draw.randrange(1 << 32)
    return nodes.load(name, rate=RATE, duration=seconds, people=PEOPLE, mix="verify=95,enroll=5", seed=seed)


def besieged(nodes, attackers, honest, seconds, draw):
    """Lets b17 call under siege, and others who are honest: its report, and per node what was seen meanwhile."""
    wait_for("all attacks at full strength", 120, lambda: all([attacker.is_ready() for attacker in attackers]))
    seen = {party: {"first": nodes.published(party)[0], "cosigned": 0, "rss": 0, "files": 0} for party in PARTIES}
    for other in honest:
        other.begin()
    calls, until = load(nodes, "siege", seconds, draw), time.monotonic() + 3 * seconds + 120
    try:
        while not calls.is_over() and time.monotonic() < until:
            nodes.alive()
            for party, figures in seen.items():
                figures["last"], cosigned = nodes.published(party)
                figures["cosigned"] = figures["last"] if cosigned else figures["cosigned"]
                figures["rss"] = max(figures["rss"], nodes.memory(party))
                figures["files"] = max(figures["files"], nodes.open_files(party))
            time.sleep(0.2)
        report = calls.finished(1)
    finally:
        if not calls.is_over():
            calls.stop()
        for other in honest:
            other.end()
    for attacker in attackers:
        attacker.is_ready()
    return report, seen


def agree(nodes):
    """What does not agree afterwards: in the logs, and in a verification."""
    wrong = [f"logs: {json.dumps(finding)}" for finding in nodes.audit()[:5]]
    for step, done in (("enrolment", nodes.enrol), ("verification", nodes.verify)):
        code, words = done("b17", "after-the-siege")
        if code:
            wrong.append(f"{step}: exit code {code}: {words}")
    return wrong


def judge(calm, siege, seen, nodes, rest, after):
    """Each rule with whether it holds and its figure."""
    quick, slow = calm["latency_ms"]["p99"], siege["latency_ms"]["p99"] or float("inf")
    rules = [
        ("no call of b17 fails", siege["errors"] == 0, f"{siege['errors']} of {siege['offered']} {siege['reasons'] or ''}"),
        ("no answer is wrong", siege["wrong_bits"] == 0, f"{siege['wrong_bits']} wrong bits"),
        (f"p99 under {SLOWER} times the calm one", slow < SLOWER * quick, f"{quick:.1f} ms calm, {slow:.1f} ms under siege"),
    ]
    for party, figures in seen.items():
        name = f"node {party.upper()}"
        grown, cosigned = figures["last"] - figures["first"], figures["cosigned"] - figures["first"]
        calm_kib, most, now, said = rest[party], figures["rss"], after[party], nodes.said(party)
        memory = ", ".join(f"{kib / 1024:.1f} MiB {when}" for kib, when in ((calm_kib, "calm"), (most, "at most"), (now, "after")))
        rules += [
            (f"{name}: the log publishes", grown >= siege["answered"], f"{grown} entries"),
            (f"{name}: the others cosign", cosigned > 0, f"{cosigned} entries"),
            (f"{name}: memory returns", now <= calm_kib + MARGIN * 1024, memory),
            (f"{name}: standard error stays small", said <= MOST_WORDS * 1024, f"{said / 1024:.1f} KiB"),
        ]
    return rules


def settled(nodes, rest):
    """KiB that each node holds once all attackers have gone and memory has had half a minute to return."""
    try:
        wait_for("memory", 30, lambda: all(nodes.memory(party) <= rest[party] + MARGIN * 1024 for party in PARTIES), look=0.5)
    except Trouble:
        pass  # The figures tell.
    return {party: nodes.memory(party) for party in PARTIES}


def main(tumar, folder, seconds="60"):
    seconds, seed = int(seconds), random.SystemRandom().randrange(1 << 32)
    draw, attackers, nodes = random.Random(seed), [], Nodes(tumar, folder)

    def end():
        for attacker in attackers:
            attacker.end()
        nodes.kill_all()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    ends_by_signals()
    at_rest = address_space_at_rest(nodes)
    nodes.start_all({party: (held + BEYOND_REST) * 1024 for party, held in at_rest.items()}, FILES)
    at_rest_words = ", ".join(f"{held // 1024} MiB ({party.upper()})" for party, held in at_rest.items())
    print(f"Seed {seed}. Each node: {FILES} files, {BEYOND_REST // 1024} MiB beyond {at_rest_words} at rest.", flush=True)

    calm = load(nodes, "calm", seconds, draw).finished(3 * seconds + 120)
    if calm["errors"] or not calm["answered"]:
        raise Trouble(f"b17 has errors without any siege: {calm['reasons']}")
    newcomer, auditor = Newcomer(nodes), Auditor(nodes)
    known, rest = target(nodes, draw), {party: nodes.memory(party) for party in PARTIES}
    attackers += [Attacker(name, known) for name in ATTACKS]
    siege, seen = besieged(nodes, attackers, [newcomer, auditor], seconds, draw)
    for attacker in attackers:
        attacker.end()
    after = settled(nodes, rest)
    nodes.alive()
    rules = judge(calm, siege, seen, nodes, rest, after)
    wrong, weak = agree(nodes), [words for attacker in attackers for words in attacker.weak()]
    others = f"{len(newcomer.failed)} of {newcomer.calls} {newcomer.failed[:2] or ''}"
    rules += [
        ("no new connection of b17 fails", newcomer.calls > 0 and not newcomer.failed, others),
        ("all attacks came through", not weak, "; ".join(weak) or "each as often as it must"),
        ("an honest auditor is served", auditor.answered >= 0.9 * auditor.asked, f"{auditor.answered} of {auditor.asked}"),
        ("afterwards everything agrees", not wrong, "; ".join(wrong) or "three logs, an enrolment, a verification"),
    ]
    figures = {"calm": calm, "siege": siege, "seen": seen, "rest": rest, "after": after, "at_rest": at_rest}
    return tell(seed, seconds, attackers, rules, figures)


def tell(seed, seconds, attackers, rules, figures):
    """Prints what was done and what holds; the exit code."""
    print(f"\nWhat was done in {seconds} s and before, at once")
    counted = [(attacker.name, what, count) for attacker in attackers for what, count in sorted(attacker.told["counts"].items())]
    table(["attack", "what came of it", "so many"], counted)
    print("\nWhat must hold")
    table(["rule", "holds", "figure"], [[rule, "yes" if holds else "NO", figure] for rule, holds, figure in rules])
    told = ("offered", "answered", "errors", "reasons", "wrong_bits", "latency_ms")
    result = {**figures, "seed": seed, "seconds": seconds}
    result |= {name: {key: figures[name][key] for key in told} for name in ("calm", "siege")}
    result["attacks"] = {attacker.name: attacker.told["counts"] for attacker in attackers}
    result["rules"] = [{"rule": rule, "holds": holds, "figure": figure} for rule, holds, figure in rules]
    write_result(result)
    broken = [rule for rule, holds, _ in rules if not holds]
    if broken:
        print(f"siege: does not hold: {'; '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    run("siege", main)
