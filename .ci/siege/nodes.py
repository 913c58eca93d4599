"""Three nodes as processes of their own, on files of their own: started, bounded, stopped, killed, frozen, measured and called."""

import glob
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

PARTIES = "abc"
# How long nodes may take to start, to find each other, or to stop.
PATIENCE = 60


class Trouble(Exception):
    """What is not as it must be, in words."""


def wait_for(what, seconds, condition, look=0.05):
    """Asks again and again until the answer is true, and gives it back."""
    until = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        if time.monotonic() > until:
            raise Trouble(f"{what}: not within {seconds} s")
        time.sleep(look)


def ends_by_signals():
    """A signal ends this program like an error does, so that what it registered for its end happens. A second one does not disturb."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def told(number, _frame):
        for later in numbers:
            signal.signal(later, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in numbers:
        signal.signal(number, told)


def dies_with_us(command, **limits):
    """The command, bounded, and killed with this program even if this program is killed."""
    bounds = [f"--{name}={value}" for name, value in limits.items() if value]
    return ["setpriv", "--pdeathsig", "KILL", "--", *(["prlimit", *bounds, "--"] if bounds else []), *command]


def free_ports():
    """A base such that all nine ports of three nodes are free. Below those that the system gives out by itself."""
    for _ in range(100):
        base = random.SystemRandom().randrange(20_000, 32_000)
        try:
            for port in (base + beyond + node for beyond in (0, 100, 200) for node in range(3)):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise Trouble("no free ports between 20000 and 32200 on 127.0.0.1")


class Nodes:
    """What `tumar init` wrote, and the three that run on it."""

    def __init__(self, tumar, folder):
        self.tumar, self.folder = os.path.abspath(tumar), folder
        self.at = os.path.join(folder, "try")
        self.base = free_ports()
        self.running, self.bounds, self.tokens = {}, {}, 0
        self.ask("init", self.at, "--base-port", self.base)

    # Processes.

    def start(self, party, address_space=None, files=None):
        """Starts one; it is bounded as it was before if nothing is said."""
        if address_space or files:
            self.bounds[party] = {"as": address_space, "nofile": f"{files}:{files}"}
        config = os.path.join(self.at, party, "node.toml")
        command = dies_with_us([self.tumar, "node", "--config", config], **self.bounds.get(party, {}))
        with open(self.words(party), "ab") as words:
            quiet = subprocess.DEVNULL
            self.running[party] = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=words)

    def start_all(self, address_space=None, files=None):
        """Starts all three, and waits until they have found each other."""
        for party in PARTIES:
            self.start(party, (address_space or {}).get(party), files)
        self.linked()

    def is_linked(self):
        """Whether the leader tells who the three are."""
        self.alive()
        return self.call("committee", "--client", self.client("b17"), seconds=10)[0] == 0

    def linked(self):
        """Waits until all three links are up."""
        wait_for("the three nodes find each other", PATIENCE, self.is_linked)

    def alive(self):
        """Nobody has ended unasked."""
        for party, node in self.running.items():
            if node.poll() is not None:
                raise Trouble(f"node {party.upper()} ended with {node.returncode}: {self.last_words(party)}")

    def send(self, party, number):
        self.running[party].send_signal(number)

    def end(self, party, number=signal.SIGTERM):
        """Sends the signal and waits for the end; gives the seconds that it took."""
        begin, node = time.monotonic(), self.running.pop(party)
        node.send_signal(number)
        node.send_signal(signal.SIGCONT)
        try:
            code = node.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            node.kill()
            raise Trouble(f"node {party.upper()} did not end within {PATIENCE} s of {signal.Signals(number).name}") from None
        if number == signal.SIGTERM and code != 0:
            raise Trouble(f"node {party.upper()} ended with {code} after SIGTERM: {self.last_words(party)}")
        return time.monotonic() - begin

    def end_all(self):
        for party in list(self.running):
            self.end(party)

    def kill_all(self):
        """Whatever happened."""
        for node in self.running.values():
            node.kill()
            node.wait()
        self.running.clear()

    # What they hold, and what they say.

    def memory(self, party, line="VmRSS"):
        """KiB, by the system's account."""
        node = self.running[party]
        with open(f"/proc/{node.pid}/status") as status:
            held = [int(text.split()[1]) for text in status if text.startswith(f"{line}:")]
        if not held:
            # It has ended, and nobody has asked how.
            node.wait(PATIENCE)
            self.alive()
        return held[0]

    def open_files(self, party):
        return len(os.listdir(f"/proc/{self.running[party].pid}/fd"))

    def words(self, party):
        return os.path.join(self.folder, f"{party}.log")

    def said(self, party):
        """Bytes on standard error so far."""
        return os.path.getsize(self.words(party)) if os.path.exists(self.words(party)) else 0

    def last_words(self, party):
        with open(self.words(party), errors="replace") as words:
            return " | ".join(line.strip() for line in words.readlines()[-5:]) or "it said nothing"

    def published(self, party):
        """Entries under the node's published checkpoint, and whether both others have cosigned it: as it stands on the disk."""
        entries, cosigned = 0, True
        for path in glob.glob(os.path.join(self.at, party, "data", "log", "*", "checkpoint")):
            with open(path) as note:
                lines = note.read().split("\n")
            entries += int(lines[1])
            cosigned &= sum(line.startswith("\N{EM DASH} ") for line in lines) >= 3
        return entries, cosigned

    # Calls.

    def bank(self, name):
        return self.at if name == "b17" else os.path.join(self.at, name)

    def client(self, name):
        return os.path.join(self.bank(name), "client", "client.toml")

    def call(self, *arguments, seconds=60):
        """Runs the command line: exit code, standard output, standard error. What takes longer has the code 124."""
        command = [self.tumar, *map(str, arguments)]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return 124, "", f"no end within {seconds} s"
        return done.returncode, done.stdout, done.stderr.strip()

    def ask(self, *arguments, seconds=60):
        """The same; it must succeed."""
        code, out, err = self.call(*arguments, seconds=seconds)
        if code != 0:
            raise Trouble(f"tumar {' '.join(map(str, arguments[:2]))} ended with {code}: {err or out}")
        return out

    def token(self, bank, purpose, action, *more):
        """A new token in a file of its own."""
        self.tokens += 1
        path = os.path.join(self.folder, f"{self.tokens}.token")
        self.ask("token", "--dir", self.bank(bank), "--purpose", purpose, "--action", action, "--out", path, *more)
        return path

    def enrol(self, bank, subject):
        """Enrols somebody by a face of their own: exit code and words."""
        face = os.path.join(self.folder, f"{bank}-{subject}.npy")
        draw = random.Random(f"{bank} {subject}")
        write_npy(face, [draw.gauss(0, 1) for _ in range(128)])
        token = self.token(bank, "enrolment", "enroll", "--amr", "registry_check")
        key = os.path.join(self.folder, f"{bank}-{subject}.key")
        whom = ("--client", self.client(bank), "--subject", subject, "--token", token, "--face", face)
        code, _, words = self.call("enroll", *whom, "--key-out", key, seconds=30)
        return code, words

    def verify(self, bank, subject):
        """Whether somebody who was enrolled is who they are: 0 for yes, 1 for no, otherwise there is no answer; and words."""
        face = os.path.join(self.folder, f"{bank}-{subject}.npy")
        token = self.token(bank, "cash_withdrawal", "verify")
        whom = ("--client", self.client(bank), "--subject", subject, "--token", token, "--face", face)
        code, _, words = self.call("verify", *whom, "--amount-kzt", 40_000, seconds=30)
        return code, words

    def load(self, name, **options):
        """Begins a `tumar load` as bank b17; `finished` gives its report."""
        command = [self.tumar, "load", "--json", "--client", self.client("b17"), "--issuer", self.at]
        command += [text for option, value in options.items() for text in (f"--{option.replace('_', '-')}", str(value))]
        return Load(command, os.path.join(self.folder, name))

    def audit(self, bears_warnings=False):
        """Fetches the three logs and holds them against each other: the findings, once they are the last word."""
        mirror = os.path.join(self.folder, "mirror")
        pins = ("--pins", os.path.join(self.at, "auditor", "auditor.toml"), "--mirror", mirror)
        token = self.token("b17", "audit", "read_log", "--auditor")
        findings = []

        def agreed():
            code, out, err = self.call("audit", "fetch", *pins, "--token", token, "--json")
            if code == 0:
                code, out, err = self.call("audit", "reconcile", *pins, "--json")
            report = json.loads(out) if out.startswith("{") else {}
            findings[:] = report.get("findings", []) + report.get("failures", [])
            if code and not findings:
                findings.append(f"tumar audit ended with {code}: {err or out}")
            return not (self.serious(findings) if bears_warnings else findings)

        try:
            # What was under way closes, and is published, within seconds.
            wait_for("agreement of the three logs", 30, agreed, look=1)
        except Trouble:
            pass  # The findings tell.
        shutil.rmtree(mirror, ignore_errors=True)
        return findings

    @staticmethod
    def serious(findings):
        """Those that are more than a warning."""
        return [finding for finding in findings if not (isinstance(finding, dict) and finding.get("severity") == "warning")]


class Load:
    """A `tumar load` that runs."""

    def __init__(self, command, stem):
        self.out, self.err = f"{stem}.json", f"{stem}.err"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(dies_with_us(command), stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def is_over(self):
        return self.process.poll() is not None

    def finished(self, seconds):
        """Waits for its report. A wrong answer is in the report; no report is trouble."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            raise Trouble(f"the load did not end within {seconds} s") from None
        with open(self.out) as out, open(self.err, errors="replace") as err:
            text, words = out.read(), err.read().strip()
        if code not in (0, 1) or not text.startswith("{"):
            raise Trouble(f"the load ended with {code}: {words or 'no word'}")
        report = json.loads(text)
        if report["offered"] != report["answered"] + report["errors"]:
            raise Trouble(f"the load offered {report['offered']} calls, and {report['answered']} + {report['errors']} ended")
        return report

    def stop(self):
        self.process.kill()
        self.process.wait()


def write_npy(path, row):
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }" % len(row)
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack(f"<{len(row)}f", *row))


def table(head, rows):
    """Prints a table: words to the left, numbers to the right."""
    def text(cell, width=0):
        words = f"{cell:.1f}" if isinstance(cell, float) else str(cell)
        return words.rjust(width) if isinstance(cell, (int, float)) else words.ljust(width)

    widths = [max(len(text(cell)) for cell in column) for column in zip(head, *rows)]
    for place, row in enumerate([head, *rows]):
        print(" " + "   ".join(text(cell, width) for cell, width in zip(row, widths)).rstrip(), flush=True)
        if place == 0:
            print(" " + "─" * (sum(widths) + 3 * len(widths) - 3))


def write_result(result):
    """One JSON object, printed, and in the file that TUMAR_SIEGE_OUT names."""
    print(json.dumps(result), flush=True)
    if path := os.environ.get("TUMAR_SIEGE_OUT"):
        with open(path, "w") as file:
            json.dump(result, file, indent=1)


def run(name, main):
    """Ends with what `main` made of the arguments; with 1, and why, where the nodes gave trouble."""
    try:
        code = main(*sys.argv[1:])
    except Trouble as trouble:
        print(f"{name}: {trouble}", file=sys.stderr)
        code = 1
    sys.exit(code)
