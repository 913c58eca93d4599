"""Three access logs of made-up requests, as a mirrored folder, and the same with lies in it.

Written from the specifications (RFC 6962, C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-cosignature) and from the schema of
an entry, with nothing of the crate: what the page reads here, two programs agree on.
"""

import base64
import copy
import hashlib
import json
import random
import shutil
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PARTIES = "abc"
NOW = "2026h2"
DEPLOYMENT = "kz-demo"
PAGE = Path(__file__).resolve().parents[2] / "src/audit_server/page"
# 14 September 2026, 06:00 UTC, in minutes.
BEGIN = 1_789_365_600 // 60
MINUTES = 5 * 24 * 60
# When the copy is taken, in seconds: what was asked in the last two minutes may not stand everywhere yet.
TAKEN = (BEGIN + MINUTES) * 60 + 45


def sha256(data):
    return hashlib.sha256(data).digest()


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def root_of(hashes):
    """RFC 6962, section 2.1."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"")
    cut = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(root_of(hashes[:cut]), root_of(hashes[cut:]))


class Key:
    """An Ed25519 key with a name, of a log (type 1) or of a cosigner (type 4)."""

    def __init__(self, name, kind, seed):
        self.name, self.kind, self.seed = name, kind, seed
        self.private = Ed25519PrivateKey.from_private_bytes(sha256(seed.encode()))
        self.public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = sha256(name.encode() + b"\n" + bytes([kind]) + self.public)[:4]

    def of_half(self, half):
        return Key(f"{self.name}/{half}", self.kind, self.seed)

    def text(self):
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"

    def line(self, signature):
        return f"\u2014 {self.name} {base64.b64encode(self.id + signature).decode()}\n"

    def sign(self, text):
        return self.line(self.private.sign(text.encode()))

    def cosign(self, text, time):
        signature = self.private.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
        return self.line(time.to_bytes(8, "big") + signature)


LOG = {p: Key(f"log.{p}.{DEPLOYMENT}.tumar.internal", 1, f"log {p}") for p in PARTIES}
COSIGNER = {p: Key(f"witness.{p}.{DEPLOYMENT}.tumar.internal", 4, f"cosigner {p}") for p in PARTIES}
WITNESS = Key("witness.example.org", 4, "outside")


class Log:
    """One node's log of half a year: entries as dicts, and how it is signed."""

    def __init__(self, party, half, entries, time):
        self.party, self.half, self.entries, self.time = party, half, entries, time
        self.key = LOG[party]
        self.origin = None
        self.claimed = None
        self.cosigners = [COSIGNER[p] for p in PARTIES if p != party] + [WITNESS]
        self.raw = {}

    def lines(self):
        return [self.raw.get(i) or canonical(entry) for i, entry in enumerate(self.entries)]

    def checkpoint(self, leaves):
        key = self.key.of_half(self.half)
        text = f"{self.origin or key.name}\n{self.claimed or len(leaves)}\n{base64.b64encode(root_of(leaves)).decode()}\n"
        return f"{text}\n{key.sign(text)}" + "".join(c.cosign(text, self.time) for c in self.cosigners)

    def write(self, folder):
        lines = self.lines()
        leaves = [sha256(b"\x00" + line) for line in lines]
        bundled = [len(line).to_bytes(2, "big") + line for line in lines]
        put_tiles(folder, "entries", bundled)
        level, hashes = 0, leaves
        while hashes:
            put_tiles(folder, str(level), hashes)
            hashes = [root_of(hashes[i : i + 256]) for i in range(0, len(hashes) - 255, 256)]
            level += 1
        (folder / "checkpoint").write_text(self.checkpoint(leaves))


def canonical(entry):
    return json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()


def tile_path(what, index, width=256):
    """C2SP tlog-tiles: three digits an element."""
    text = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        text = f"x{index % 1000:03}/{text}"
    return f"tile/{what}/{text}" + (f".p/{width}" if width < 256 else "")


def put_tiles(folder, what, items):
    for index in range(0, len(items), 256):
        span = items[index : index + 256]
        path = folder / tile_path(what, index // 256, len(span))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(span))


def requests(rng, count, begin, minutes):
    """(minute, what was asked, what came of it), in order of time; more by day than by night."""
    kinds = [("banks/b17", "cash_withdrawal", "verify", 46), ("banks/b17", "card_activation", "verify", 8), ("banks/b17", "enrolment", "enroll", 9),
             ("banks/b23", "cash_withdrawal", "verify", 27), ("banks/b23", "enrolment", "enroll", 5), ("banks/b23", "account_opening_dedup", "search", 4),
             ("banks/b40", "subject_lock", "lock", 1)]
    made = []
    while len(made) < count:
        minute = begin + rng.randrange(minutes)
        if rng.random() < (0.15 if (minute // 60 + 5) % 24 < 7 else 1):
            made.append((minute, rng.choices(kinds, [weight for *_, weight in kinds])[0][:3], rng.random()))
    return sorted(made)


def entry(rng, minute, kind, event, result, rq, party, modalities):
    bank, purpose, action = kind
    return {
        "action": action, "approvals": 2 if action == "search" else 0, "commitment": rng.randbytes(32).hex(), "event": event,
        "handle": rng.randbytes(32).hex(), "minute": minute, "modalities": modalities, "policy": sha256(b"policy").hex(), "purpose": purpose,
        "relying_party": bank, "result": result, "rq": rq, "salt": rng.randbytes(16).hex(), "version": 2,
    }


def write_request(rng, logs, minute, kind, chance):
    rq = rng.randbytes(32).hex()
    modalities = [] if kind[2] == "lock" else rng.choice([["face"], ["finger"], ["face", "finger"]])
    def at(parties, event, result):
        for party in parties:
            logs[party].append(entry(rng, minute, kind, event, result, rq, party, modalities))
    if chance < 0.03:
        reason = rng.choices(["TOKEN_SPENT", "RATE_LIMITED", "SUBJECT_LOCKED", "PURPOSE_NOT_ALLOWED"], [9, 9, 14, 2])[0]
        return at("a" if reason == "PURPOSE_NOT_ALLOWED" else PARTIES, "deny", f"denied:{reason}")
    at(PARTIES, "admit", "admitted")
    if kind[2] == "search":
        for _ in range(rng.randrange(3)):
            at(PARTIES, "candidate", "returned")
    at(PARTIES, "close", "completed" if chance < 0.99 else "error:PEER_LOST")


def honest(count=1000):
    """The logs of two halves, by (party, half)."""
    rng = random.Random(5)
    made = {}
    for half, begin, minutes, number in [("2026h1", BEGIN - 120 * 1440, 2 * 1440, 150), ("2026h2", BEGIN, MINUTES, count)]:
        logs = {p: [] for p in PARTIES}
        for minute, kind, chance in requests(rng, number, begin, minutes):
            write_request(rng, logs, minute, kind, chance)
        end = begin + minutes
        alone = entry(rng, end - 30, ("auditors/dpa", "audit", "open_evidence"), "admit", "admitted", rng.randbytes(32).hex(), "b", [])
        logs["b"].append(alone)
        logs["c"].append(entry(rng, end - 20, ("banks/b17", "subject_access", "list_uses"), "admit", "admitted", rng.randbytes(32).hex(), "c", []))
        if half == NOW:
            # The leader gives an answer again, and says so; and very many refusals of one token at one node.
            answered = next(e for e in reversed(logs["a"]) if e["result"] == "completed")
            kind = (answered["relying_party"], answered["purpose"], answered["action"])
            logs["a"].append(entry(rng, end - 10, kind, "again", "answered:1", answered["rq"], "a", answered["modalities"]))
            logs["b"].append(entry(rng, end - 10, kind, "deny", "unlogged:137", rng.randbytes(32).hex(), "b", answered["modalities"]))
        # One that has reached two of the nodes when the copy is taken.
        late = rng.randbytes(32).hex()
        for party in "ab" if half == NOW else "":
            for event, result in [("admit", "admitted"), ("close", "completed")]:
                logs[party].append(entry(rng, end, ("banks/b17", "cash_withdrawal", "verify"), event, result, late, party, ["face"]))
        for party in PARTIES:
            made[party, half] = Log(party, half, logs[party], end * 60 + 45)
    return made


def index(made, log=None):
    keys = {**LOG, **(log or {})}
    nodes = [{"party": p.upper(), "log": keys[p].text(), "cosigner": COSIGNER[p].text(), "halves": sorted({h for q, h in made if q == p})} for p in PARTIES]
    return {"deployment": DEPLOYMENT, "nodes": nodes, "witnesses": [WITNESS.text()]}


def write(made, folder, log_keys=None):
    """A mirrored folder, without the page."""
    folder = Path(folder)
    for (party, half), log in made.items():
        log.write(folder / party / half)
    (folder / "logs.json").write_text(json.dumps(index(made, log_keys)))
    return folder


def add_page(folder):
    """What `tumar audit page FOLDER` does: the page's own files, and the folder's files once more as scripts.

    page/mirror.js holds logs.json and all checkpoints, page/mirror/P-HALF.js what is below P/HALF/tile/. Each is ASCII; each line is
    tumarMirror("PATH","BASE64"); with PATH relative to the folder, / between its parts, standard base64 with padding.
    """
    folder = Path(folder)
    shutil.copytree(PAGE, folder / "page", dirs_exist_ok=True)
    shutil.move(folder / "page/index.html", folder / "index.html")
    (folder / "page/mirror").mkdir(exist_ok=True)
    def line(path):
        return f'tumarMirror("{path.relative_to(folder).as_posix()}","{base64.b64encode(path.read_bytes()).decode()}");\n'
    halves = sorted(folder.glob("[abc]/*"))
    small = [folder / "logs.json"] + [half / "checkpoint" for half in halves]
    (folder / "page/mirror.js").write_text("".join(map(line, small)))
    for half in halves:
        tiles = sorted(path for path in half.glob("tile/**/*") if path.is_file())
        (folder / f"page/mirror/{half.parent.name}-{half.name}.js").write_text("".join(map(line, tiles)))
    return folder


def uses(log):
    """Requests that were carried out, in order."""
    return [e["rq"] for e in log.entries if e["result"] == "completed"]


def hide_use(made):
    log = made["c", NOW]
    rq = uses(log)[200]
    log.entries = [e for e in log.entries if e["rq"] != rq]
    return {"node": "C", "rule": "MISSING", "rq": rq}


def add_use(made):
    log = made["b", NOW]
    place = next(i for i, e in enumerate(log.entries) if e["event"] == "close") + 1
    extra = [dict(log.entries[place - 2], rq="ab" * 32), dict(log.entries[place - 1], rq="ab" * 32)]
    for e, event, result in zip(extra, ["admit", "close"], ["admitted", "completed"]):
        e.update(event=event, result=result, minute=BEGIN + 600)
    log.entries[place:place] = extra
    return {"node": "B", "rule": "EXTRA", "entry": place}


def change_purpose(made):
    log = made["b", NOW]
    rq = uses(log)[300]
    places = [i for i, e in enumerate(log.entries) if e["rq"] == rq]
    for i in places:
        log.entries[i] = dict(log.entries[i], purpose="marketing")
    return {"node": "B", "rule": "DIFFERENT", "entry": places[0], "rq": rq}


def other_result(made):
    log = made["c", NOW]
    rq = uses(log)[100]
    log.entries = [dict(e, result="error:TEMPLATE_LENGTH") if e["rq"] == rq and e["event"] == "close" else e for e in log.entries]
    return {"node": "C", "rule": "DIFFERENT", "rq": rq}


def name_fewer(made):
    log = made["a", NOW]
    place = next(i for i, e in enumerate(log.entries) if e["event"] == "candidate")
    rq = log.entries.pop(place)["rq"]
    return {"node": "A", "rule": "DIFFERENT", "rq": rq}


def enter_late(made):
    log = made["b", NOW]
    rq = uses(log)[400]
    log.entries = [dict(e, minute=e["minute"] + 9) if e["rq"] == rq else e for e in log.entries]
    return {"node": "B", "rule": "LATE", "rq": rq}


def no_approval(made):
    place = next(i for i, e in enumerate(made["a", NOW].entries) if e["action"] == "search" and e["event"] == "admit")
    rq = made["a", NOW].entries[place]["rq"]
    for party in PARTIES:
        log = made[party, NOW]
        log.entries = [dict(e, approvals=1) if e["rq"] == rq else e for e in log.entries]
    return {"node": "A", "rule": "SEARCH_UNAPPROVED", "entry": place}


def open_schema(made):
    log = made["b", NOW]
    log.raw[77] = canonical(dict(log.entries[77], matched=True))
    return {"node": "B", "rule": "SCHEMA", "entry": 77}


def wrong_key(made):
    made["b", NOW].key = Key(LOG["b"].name, 1, "another")
    return {"node": "B", "rule": "BAD_SIGNATURE"}


def wrong_origin(made):
    made["a", NOW].origin = f"{LOG['b'].name}/{NOW}"
    return {"node": "A", "rule": "BAD_SIGNATURE"}


def no_cosignature(made):
    made["a", NOW].cosigners.remove(COSIGNER["c"])
    return {"node": "A", "rule": "UNDER_COSIGNED"}


def rewind(made):
    del made["c", NOW].entries[-300:]
    return {"node": "C", "rule": "REWOUND"}


def fork(made):
    log = made["c", NOW]
    log.entries[40] = dict(log.entries[40], salt="00" * 16)
    log.entries.append(dict(log.entries[-1], salt="01" * 16))
    return {"node": "C", "rule": "FORK"}


# Those that change what a node signs.
LIES = {f.__name__: f for f in [hide_use, add_use, change_purpose, other_result, name_fewer, enter_late, no_approval, open_schema, wrong_key, wrong_origin, no_cosignature]}
# Those that only who saw the log before can tell.
LATER_LIES = {f.__name__: f for f in [rewind, fork]}


def change_entry(folder):
    path = Path(folder) / "b" / NOW / tile_path("entries", 2)
    data = bytearray(path.read_bytes())
    at = data.find(b'"salt":"') + 8
    data[at] = ord("0") if data[at] != ord("0") else ord("1")
    path.write_bytes(data)
    return {"node": "B", "rule": "ENTRY_CHANGED", "entry": 512}


def change_tile(folder):
    path = Path(folder) / "c" / NOW / tile_path("1", 0, 7)
    data = bytearray(path.read_bytes())
    data[3 * 32] ^= 1
    path.write_bytes(data)
    return {"node": "C", "rule": "ROOT", "entry": 768}


def drop_entry(folder):
    """The last entry of a bundle is gone."""
    path = Path(folder) / "a" / NOW / tile_path("entries", 1)
    data = path.read_bytes()
    path.write_bytes(data[: data.rfind(b'{"action"') - 2])
    return {"node": "A", "rule": "GAP", "entry": 256}


# Those that change files after they were signed for.
TAMPERS = {f.__name__: f for f in [change_entry, change_tile, drop_entry]}


def doctored(name, made):
    """A lie by name, over a copy; with what must be named."""
    changed = copy.deepcopy(made, {id(key): key for log in made.values() for key in [log.key, *log.cosigners]})
    expected = {**LIES, **LATER_LIES}[name](changed)
    return changed, expected
