#!/usr/bin/env python3
"""Makes fingers.txt beside it: records of made-up fingers, and what they must become.

    make_fingers.py REFERENCE

REFERENCE is the folder of the reference encoder, `reference_encoder.py` (numpy), which computes rows and vectors as reals and was
written apart from the Rust code. The weights are those of src/template/finger/weights. Minutiae are drawn here from a fixed seed: none is
anyone's. Records are written and rows are quantised here, too.

`key = value` lines make a case, an empty line ends it, `FAILS = WHY` names the refusal. Reals are little-endian 32-bit floats in
hex, packed templates are as in quantise.txt.
"""
import math
import random
import struct
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, sys.argv[1])
import reference_encoder as reference  # noqa: E402

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parent.parent / "src/template/finger/weights/leader-1"
W, MEAN, SECOND = [np.fromfile(WEIGHTS / f"{name}.f32", "<f4").astype(float) for name in ("projection", "mean", "second-order-mean")]
W = W.reshape(128, 480)


# ------------------------------------------------------------------ records
def view(minutiae):
    body = struct.pack(">BBBB", 2, 0x10, 80, len(minutiae))
    for x, y, angle, quality in minutiae:
        body += struct.pack(">HHBB", x | 1 << 14, y, angle, quality)
    return body + struct.pack(">H", 0)


def iso(minutiae, ppcm):
    tail = struct.pack(">HHHHHBB", 0, 900, 900, *ppcm, 1, 0) + view(minutiae)
    return b"FMR\0 20\0" + struct.pack(">I", 12 + len(tail)) + tail


def ansi(minutiae, ppcm):
    tail = struct.pack(">HHHHHHHBB", 7, 9, 0, 900, 900, *ppcm, 1, 0) + view(minutiae)
    return b"FMR\0 20\0" + struct.pack(">H", 10 + len(tail)) + tail


def normalised(minutiae, ppcm, unit):
    m = np.array(minutiae, float)
    m = m[np.argsort(-m[:, 3], kind="stable")]
    return m[:, 0] * (500 / (ppcm[0] * 2.54)), -m[:, 1] * (500 / (ppcm[1] * 2.54)), m[:, 2] * unit


# ------------------------------------------------------------------ fingers
def finger(rng, count, scale=1.0, angles=256, qualities=range(40, 101)):
    """Places at least 12 px from each other on an ellipse, angles along a whorl with some noise."""
    found = []
    while len(found) < count:
        x, y = rng.uniform(-1, 1), rng.uniform(-1, 1)
        place = (250 + 130 * x, 280 + 170 * y)
        if x * x + y * y > 1 or any(math.dist(place, other[:2]) < 12 for other in found):
            continue
        angle = math.atan2(-170 * y, 130 * x) + math.pi / 2 + rng.gauss(0, 0.2) + rng.choice((0, math.pi))
        found.append((*place, round(angle / (2 * math.pi) * angles) % angles, rng.choice(qualities)))
    return [(round(x * scale), round(y * scale), a, q) for x, y, a, q in found]


def lattice():
    """A pattern that repeats itself everywhere, with a few odd minutiae: repeats are dropped."""
    regular = [(150 + 40 * i, 150 + 40 * j, 64, 90) for i in range(5) for j in range(5)]
    return regular + finger(random.Random(7), 14, qualities=range(40, 80))


def three_rows():
    """The first small finger of which three minutiae have enough of it around them."""
    for seed in range(1000):
        found = finger(random.Random(seed), 9)
        if len(reference.rows(*normalised(found, (197, 197), 2 * math.pi / 256), MEAN, W)) == 3:
            return found
    raise ValueError("none")


# ------------------------------------------------------------------ templates
def quantise(unit):
    """Scale by bisection until the squared length is 6 d within 2 %."""
    low, high = 0.0, 64 * math.sqrt(len(unit))
    for _ in range(60):
        scale = (low + high) / 2
        q = [max(-7, min(7, round(scale * x))) for x in unit]
        norm = sum(x * x for x in q)
        if abs(norm - 6 * len(unit)) * 100 <= 12 * len(unit):
            return q
        low, high = (scale, high) if norm < 6 * len(unit) else (low, scale)
    raise ValueError("sparse")


def pack(q):
    return bytes((q[i] & 15) | (q[i + 1] & 15) << 4 for i in range(0, len(q), 2))


def floats(values):
    return np.asarray(values, "<f4").tobytes().hex()


def case(what, record, minutiae, ppcm, unit):
    print("#", what)
    print("record =", record.hex())
    print("minutiae =", len(minutiae))
    made = reference.rows(*normalised(minutiae, ppcm, unit), MEAN, W) if len(minutiae) > 2 else np.zeros((0, 128))
    rows = reference.dedup(made)
    print("repeats =", len(made) - len(rows))
    if len(rows) < 4:
        print("too_few =", len(rows))
        print("FAILS = FINGER_TOO_FEW_MINUTIAE\n")
        return
    print("rows =", floats(rows))
    print("set =", b"".join(pack(quantise(row)) for row in rows[:40]).hex())
    vector = (reference.so_raw(made) - SECOND) @ reference.rp(8256, 1024)
    vector /= np.linalg.norm(vector)
    print("vector =", floats(vector))
    print("fixed =", pack(quantise(vector)).hex())
    print()


def main():
    rng, turn = random.Random(3), 2 * math.pi
    at500 = (197, 197)
    print("# Made by make_fingers.py: records of made-up fingers and what they become. No print of anyone.\n")
    for what, minutiae, ppcm in (
        ("an ordinary finger", finger(rng, 32), at500),
        ("all of one quality: the record's order stays", finger(rng, 14, qualities=[60]), at500),
        ("more rows than a template has", finger(rng, 47, qualities=range(1, 101)), at500),
        ("1000 dpi along x, 569 along y", finger(rng, 20, scale=1.5), (394, 224)),
        ("a pattern that repeats itself", lattice(), at500),
        ("three rows, one too few", three_rows(), at500),
        ("three minutiae", finger(rng, 3), at500),
        ("two minutiae", finger(rng, 2), at500),
        ("none", [], at500),
        ("all in a line, too thin for a finger", [(100 + 15 * i, 100, 10 * i, 50) for i in range(20)], at500),
    ):
        case(what, iso(minutiae, ppcm), minutiae, ppcm, turn / 256)
    minutiae = finger(rng, 24, angles=180)
    case("by ANSI 378, angles in steps of two degrees", ansi(minutiae, at500), minutiae, at500, turn / 180)


sys.stdout = open(HERE / "fingers.txt", "w")
main()
