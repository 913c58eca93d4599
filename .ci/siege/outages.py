"""Outages of three nodes under load: outages.py TUMAR FOLDER [short|whole]

Each outage has a `tumar load` of 40 calls a second of its own, as bank b17; it begins once the load is at full rate. Meanwhile people
are enrolled by the command line, and whoever was acknowledged is asked for afterwards. A line of the table each. Exit code 0 if no
answer is wrong and none is lost, a restart that was announced costs nothing, and all calls are answered again in the end.
"""

import atexit
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

from nodes import PARTIES, Nodes, Trouble, ends_by_signals, run, table, wait_for, write_result

RATE = 40
# Enough for calls that wait in vain: of each person at most two or three are under way.
PEOPLE = {"short": 80, "whole": 250}
# Seconds that nodes and calls have to find back, and those at the end of a load in which every call must be answered.
BACK = {"short": 5, "whole": 10}
CALM = 3
# What nobody may hear of somebody who was enrolled.
GONE = ("SUBJECT_UNKNOWN", "NODES_OUT_OF_STEP", "RECEIPT_NOT_TRUSTED", "COMMITTEE_NOT_TRUSTED", "CERTIFICATE_NOT_TRUSTED")
# What a person may hear of whom an outage broke several runs in a row.
DELAYED = ("ATTEMPTS_DELAYED", "SUBJECT_LOCKED")
# Bytes of the small disk: enough for all that a node writes here.
DISK = 256 << 20


class Enrolments:
    """People who are enrolled one after the other meanwhile: those of whom it was acknowledged must be there afterwards."""

    def __init__(self, nodes, name):
        self.nodes, self.name, self.acknowledged, self.refused, self.over = nodes, name, [], 0, threading.Event()
        self.thread = threading.Thread(target=self.enrol, daemon=True)
        self.thread.start()

    def enrol(self):
        number = 0
        while not self.over.wait(0.2):
            number += 1
            subject = f"{self.name}-{number}"
            try:
                acknowledged = self.nodes.enrol("b17", subject)[0] == 0
            except Trouble:
                acknowledged = False
            if acknowledged:
                self.acknowledged.append(subject)
            else:
                self.refused += 1

    def end(self):
        self.over.set()
        self.thread.join(60)

    def lost(self):
        """Who was acknowledged and is not there, with what was said."""
        lost = []
        for subject in self.acknowledged:
            code, words = self.nodes.verify("b17", subject)
            if code:
                lost.append(f"{subject}: exit code {code}: {words}")
        return lost


# What can happen. Each takes the nodes, and leaves them all running; time that passes in it is part of what happens.


def rolling(nodes):
    for party in PARTIES:
        nodes.end(party)
        nodes.start(party)
        nodes.linked()


def restarted(party, number):
    def happens(nodes):
        nodes.end(party, number)
        nodes.start(party)

    return happens


def frozen(party, seconds):
    def happens(nodes):
        nodes.send(party, signal.SIGSTOP)
        time.sleep(seconds)
        nodes.send(party, signal.SIGCONT)

    return happens


def full(party, seconds):
    def happens(nodes):
        path = os.path.join(nodes.at, party, "data", "ballast")
        try:
            with open(path, "wb", buffering=0) as ballast:
                size, until = 1 << 20, time.monotonic() + seconds
                while time.monotonic() < until:
                    try:
                        ballast.write(bytes(size))
                    except OSError:
                        # Full, to the last page; what the node gives back meanwhile is taken as well.
                        size = 1 << 12
                        time.sleep(0.02)
        finally:
            os.unlink(path)

    return happens


def planned(whole, disks):
    """What is tried: name, what happens, whether it may cost any call, and seconds that it takes."""
    parties = PARTIES if whole else "b"
    plan = [("rolling restart", rolling, False, 15 if whole else 10)]
    killed = PARTIES if whole else "a"
    plan += [(f"{party.upper()} killed, started", restarted(party, signal.SIGKILL), True, 1) for party in killed]
    plan += [(f"{party.upper()} terminated, started", restarted(party, signal.SIGTERM), False, 3) for party in PARTIES if whole]
    for seconds in (3, 10, 60) if whole else (3,):
        plan += [(f"{party.upper()} frozen {seconds} s", frozen(party, seconds), True, seconds) for party in parties]
    seconds = 10 if whole else 3
    plan += [(f"{party.upper()}'s disk full {seconds} s", full(party, seconds), True, seconds) for party in disks]
    return plan


def small_disks(nodes, wanted):
    """Gives nodes a small disk for their data, where this machine lets mount: whose it did, and why not."""
    mounted = []
    for party in wanted:
        data = os.path.join(nodes.at, party, "data")
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "tumar-small-disk", data]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return mounted, done.stderr.strip()
        atexit.register(subprocess.run, ["umount", "--lazy", data], capture_output=True)
        mounted.append(party)
    return mounted, None


def through(nodes, name, happens, takes, how, seed):
    """One outage: the load's report, and what is lost."""
    stem = "".join(letter for letter in name.lower() if letter.isalnum())
    before, people = nodes.published("c")[0], PEOPLE[how]
    load = nodes.load(
        stem,
        rate=RATE,
        duration=takes + BACK[how] + CALM,
        warm_up="0ms",
        people=people,
        mix="verify=90,enroll=10",
        seed=seed,
    )
    enrolments = None
    try:
        # Everybody is enrolled, with an entry to begin and one to end; and a second of the load is over.
        full_rate = before + 2 * (people + RATE)
        wait_for("the load at full rate", 180, lambda: load.is_over() or nodes.published("c")[0] >= full_rate)
        if load.is_over():
            load.finished(1)
            raise Trouble("the load ended before anything happened")
        enrolments = Enrolments(nodes, stem)
        begin = time.monotonic()
        happens(nodes)
        took = time.monotonic() - begin
        if took > takes + BACK[how]:
            raise Trouble(f"{name}: took {took:.1f} s, longer than there was load: the machine is too slow for this")
        report = load.finished(takes + 180)
    finally:
        if not load.is_over():
            load.stop()
        if enrolments:
            enrolments.end()
    nodes.linked()
    return report, enrolments, took


def row_of(name, report, enrolments, took, lost):
    """A line of the table, and the same as JSON."""
    bins = report["bins"]
    lost = lost + [f"{count} calls: {reason}" for reason, count in report["reasons"].items() if reason in GONE]
    offered = [second for second in bins if second["offered"]]
    return {
        "outage": name,
        "took_s": took,
        "silent_s": sum(second["answered"] == 0 for second in offered),
        "with_errors_s": sum(second["errors"] > 0 for second in offered),
        "offered": report["offered"],
        "errors": report["errors"],
        "reasons": report["reasons"],
        "longest_ms": report["latency_ms"]["max"],
        "wrong": report["wrong_bits"],
        "acknowledged": len(enrolments.acknowledged),
        "lost": lost,
        # Somebody of whom an outage broke so many runs that the next attempt must wait is no outage: those runs count as non-matches.
        "calm_again": sum(second["errors"] for second in offered[-CALM:])
        <= sum(report["reasons"].get(reason, 0) for reason in DELAYED),
    }


def judge(row, may_cost):
    """What does not hold of a line."""
    wrong = []
    if row["wrong"]:
        wrong.append(f"{row['wrong']} wrong answers")
    if row["lost"]:
        wrong.append(f"lost: {'; '.join(row['lost'][:3])}")
    if row["errors"] and not may_cost:
        wrong.append(f"{row['errors']} errors by a restart that was announced: {row['reasons']}")
    if not row["calm_again"]:
        wrong.append(f"errors in the last {CALM} s, when all was over: {row['reasons']}")
    if not row["acknowledged"]:
        wrong.append("nobody at all could be enrolled")
    return [f"{row['outage']}: {what}" for what in wrong]


def main(tumar, folder, how="whole"):
    if how not in ("short", "whole"):
        raise Trouble(f"short or whole, and not {how}")
    whole, seed = how == "whole", random.SystemRandom().randrange(1 << 32)
    nodes = Nodes(tumar, folder)
    # Last in, first out: nodes end, then small disks go, then all files.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    disks, why_not = small_disks(nodes, PARTIES if whole else "b")
    atexit.register(nodes.kill_all)
    ends_by_signals()
    print(f"Seed {seed}. {RATE} calls a second; each outage begins at full rate.", flush=True)
    if why_not:
        print(f"\n!! NOT TRIED: full disks. This machine does not let a small disk be mounted: {why_not}\n", flush=True)
    nodes.start_all()
    rows, wrong = [], []
    for name, happens, may_cost, takes in planned(whole, disks):
        report, enrolments, took = through(nodes, name, happens, takes, how, seed)
        row = row_of(name, report, enrolments, took, enrolments.lost())
        rows.append(row)
        wrong += judge(row, may_cost)
        print(f"  {name}: {row['errors']} errors {row['reasons'] or ''}", flush=True)
    # A request that was answered must stand in all three logs. Warnings are of those that were cut off, and that nobody was answered.
    findings = nodes.audit(bears_warnings=True)
    wrong += [f"the logs do not agree: {json.dumps(finding)}" for finding in nodes.serious(findings)[:5]]
    nodes.end_all()
    return tell(rows, wrong, findings, why_not, seed)


def tell(rows, wrong, findings, why_not, seed):
    """Prints the table; the exit code."""
    head = ["outage", "silent s", "s with errors", "offered", "errors", "longest ms", "wrong", "lost", "by reason"]
    reasons = (", ".join(f"{reason} {count}" for reason, count in row["reasons"].items()) for row in rows)
    figures = ("outage", "silent_s", "with_errors_s", "offered", "errors", "longest_ms", "wrong")
    print()
    table(head, [[*(row[figure] for figure in figures), len(row["lost"]), by] for row, by in zip(rows, reasons)])
    print(f" the three logs afterwards: {len(findings)} findings; warnings among them are of requests that were cut off")
    result = {"seed": seed, "outages": rows, "findings": findings, "disks_not_tried": why_not, "wrong": wrong}
    write_result(result)
    for what in wrong:
        print(f"outages: {what}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    run("outages", main)
