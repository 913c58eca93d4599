#!/usr/bin/env python3
"""Makes fingers.txt beside it: records of made-up fingers, and what they must become.

    make_fingers.py REFERENCE

REFERENCE is the folder of the reference encoder, `reference_encoder.py` (numpy), which computes cylinders and vectors as reals and was
written apart from the Rust code. The weights are those of crates/tumar-mpc/src/template/finger/weights. Minutiae are drawn here from a fixed seed: none is
anyone's. Records are written, rows are mapped and quantised, and sets are counted here, too.

`key = value` lines make a case, an empty line ends it, `FAILS = WHY` names the refusal. Reals are little-endian 32-bit floats in
hex, packed templates are as in quantise.txt. `angles` are bytes. The last case has the counts of the sets of all others, each as a probe
against each as a reference: of the probe's rows and of the reference's. `sent_nevertheless` is what who crafts a pattern sends to
the nodes, past the refusal: the rows with all their repeats.
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
WEIGHTS = HERE.parent.parent / "crates/tumar-mpc/src/template/finger/weights"


def load(name, *shape):
    return np.fromfile(WEIGHTS / f"{name}.f32", "<f4").astype(float).reshape(shape)


LINEAR, HIDDEN, OUTPUT = load("leader-rows-3/linear", 128, 480), load("leader-rows-3/hidden", 384, 480), load("leader-rows-3/output", 128, 384)
MEAN, BIAS = load("leader-rows-3/mean", 480), load("leader-rows-3/hidden-bias", 384)
FIXED_MEAN, PROJECTION, SECOND = load("leader-fixed-1/mean", 480), load("leader-fixed-1/projection", 128, 480), load("leader-fixed-1/second-order-mean", 8256)


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
    m = np.array(minutiae, float).reshape(-1, 4)
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


def lattice(odd):
    """A pattern that repeats itself everywhere, with some odd minutiae."""
    regular = [(150 + 40 * i, 150 + 40 * j, 64, 90) for i in range(5) for j in range(5)]
    return regular + finger(random.Random(7), odd, qualities=range(40, 80))


def wide_lattice():
    """Minutiae that all point the same way on a grid as wide as fifteen fingers, the middle ones first: crafted, to match anybody."""
    grid = [(706 + 95 * i + 27 * j, 666 + 4 * i - 90 * j) for i in range(-8, 9) for j in range(-8, 9)]
    near = sorted((math.dist(place, (706, 666)), place) for place in grid)
    return [(*place, 0, max(100 - rank, 15)) for rank, (far, place) in enumerate(near) if far < 700]


def put_down_again(rng, minutiae, degrees):
    """The same finger, turned about its middle, its minutiae some pixels off and in another order of quality."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    again = []
    for x, y, angle, _ in minutiae:
        u, v = x - 250 + rng.uniform(-6, 6), y - 280 + rng.uniform(-6, 6)
        # Angles run counter-clockwise where y points down.
        turned = round(angle + degrees * 256 / 360 + rng.gauss(0, 2)) % 256
        again.append((round(250 + cosine * u + sine * v), round(280 - sine * u + cosine * v), turned, rng.randrange(40, 101)))
    return again


def three_rows():
    """The first small finger of which three minutiae have enough of it around them."""
    for seed in range(1000):
        found = finger(random.Random(seed), 9)
        if len(cylinders(*normalised(found, (197, 197), 2 * math.pi / 256))[0]) == 3:
            return found
    raise ValueError("none")


# ------------------------------------------------------------------ rows
class Seen:
    """Stands for a projection, of which the reference asks for one product a cylinder: keeps what it is multiplied with."""

    def __init__(self):
        self.all = []

    def __matmul__(self, cylinder):
        self.all.append(cylinder)
        return np.ones(128)


def cylinders(x, y, theta):
    """The cylinders of all minutiae that have one, and of which minutia each is."""
    if len(x) < 3:
        return np.zeros((0, 480)), []
    seen = Seen()
    reference.rows(x, y, theta, np.zeros(480), seen)
    places, owners = np.stack([x, y], 1), []
    hull = reference.hull(places)
    for own in range(len(x)):
        far = np.hypot(*(np.delete(places, own, 0) - places[own]).T)
        sine, cosine = math.sin(theta[own]), math.cos(theta[own])
        u, v = reference.CELLS.T
        cells = np.stack([x[own] + cosine * u - sine * v, y[own] + sine * u + cosine * v], 1)
        if (far <= 85 + 28).sum() >= 2 and reference.in_hull(cells, hull, 50).sum() >= 60:
            owners.append(own)
    assert len(owners) == len(seen.all)
    return np.array(seen.all).reshape(-1, 480), owners


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True) if len(rows) else rows


def apart(rows):
    """Which rows are like at most one other."""
    return [int(sum(row @ other > 0.45 for other in rows)) <= 2 for row in rows]


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


def direction(angle):
    """Twelve components, for 256ths of a turn."""
    turns = [angle * math.tau / 256 + math.radians(15 * j) for j in range(6)]
    return [round(7 * f(turn)) for turn in turns for f in (math.cos, math.sin)]


def counts(probe, reference):
    """For each row of the one set how many levels its best dot with a row of the other reaches; both ways."""
    dots = np.array(probe) @ np.array(reference).T
    return [sum(int((best >= level).sum()) for level in (614, 691, 768)) for best in (dots.max(1), dots.max(0))]


SETS = []


def case(what, record, minutiae, ppcm, step):
    print("#", what)
    print("record =", record.hex())
    print("minutiae =", len(minutiae))
    # Sorted as `normalised` sorts.
    angles = [round(m[2] * step * 128 / math.pi) % 256 for m in sorted(minutiae, key=lambda m: -m[3])]
    found, owners = cylinders(*normalised(minutiae, ppcm, step))
    x = found - MEAN
    made = unit(x @ LINEAR.T + np.maximum(x @ HIDDEN.T + BIAS, 0) @ OUTPUT.T)
    for_vector = unit((found - FIXED_MEAN) @ PROJECTION.T)
    kept, kept_for_vector = apart(made), apart(for_vector)
    assert (sum(kept) < 4) == (sum(kept_for_vector) < 4), "one refusal for both"
    print("made =", len(made))
    print("repeats =", kept.count(False))
    if sum(kept) < 4:
        print("FAILS =", "FINGER_TOO_FEW_MINUTIAE" if len(made) < 4 else "FINGER_REPEATS")
        if len(made) >= 4:
            print("sent_nevertheless =", b"".join(pack(quantise(row) + direction(angles[own])) for row, own in zip(made[:40], owners)).hex())
        print("repeats_of_vector =", kept_for_vector.count(False), end="\n\n")
        return
    rows, of_rows = made[kept], [angles[own] for own, keep in zip(owners, kept) if keep]
    print("rows =", floats(rows))
    print("angles =", bytes(of_rows).hex())
    whole = [quantise(row) + direction(angle) for row, angle in zip(rows, of_rows)][:40]
    assert all(1040 <= sum(q * q for q in row) <= 1092 for row in whole)
    SETS.append(whole)
    print("set =", b"".join(map(pack, whole)).hex())
    vector = (reference.so_raw(for_vector[kept_for_vector]) - SECOND) @ reference.rp(8256, 1024)
    vector /= np.linalg.norm(vector)
    print("vector =", floats(vector))
    print("fixed =", pack(quantise(vector)).hex())
    print()


def main():
    rng, turn = random.Random(3), 2 * math.pi
    at500 = (197, 197)
    print("# Made by make_fingers.py: records of made-up fingers and what they become. No print of anyone.\n")
    first = finger(rng, 32)
    for what, minutiae, ppcm in (
        ("an ordinary finger", first, at500),
        ("the same, put down again", put_down_again(random.Random(4), first, 8), at500),
        ("the same, a quarter turned", put_down_again(random.Random(5), first, 90), at500),
        ("all of one quality: the record's order stays", finger(rng, 14, qualities=[60]), at500),
        ("more rows than a template has", finger(rng, 47, qualities=range(1, 101)), at500),
        ("1000 dpi along x, 569 along y", finger(rng, 20, scale=1.5), (394, 224)),
        ("a pattern that repeats itself, and enough beside it", lattice(14), at500),
        ("a pattern that repeats itself, and next to nothing beside it", lattice(2), at500),
        ("nothing but a pattern, and much of it", wide_lattice(), at500),
        ("three rows, one too few", three_rows(), at500),
        ("three minutiae", finger(rng, 3), at500),
        ("two minutiae", finger(rng, 2), at500),
        ("none", [], at500),
        ("all in a line, too thin for a finger", [(100 + 15 * i, 100, 10 * i, 50) for i in range(20)], at500),
    ):
        case(what, iso(minutiae, ppcm), minutiae, ppcm, turn / 256)
    minutiae = finger(rng, 24, angles=180)
    case("by ANSI 378, angles in steps of two degrees", ansi(minutiae, at500), minutiae, at500, turn / 180)
    print("# all against all")
    print("counts =", " ".join(f"{p},{r}" for probe in SETS for other in SETS for p, r in [counts(probe, other)]))


sys.stdout = open(HERE / "fingers.txt", "w")
main()
