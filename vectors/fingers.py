"""From minutiae to rows and vectors, step by step and one number at a time: docs/clients.md, "Fingers".

Slow, and apart from the encoders of the nodes' sources and of the Python client, which use matrices.
"""

import math
import struct
from pathlib import Path

import numpy as np

WEIGHTS = Path(__file__).resolve().parent.parent / "crates/tumar-mpc/src/template/finger/weights"
CELLS = [((i - 4.5) * 17.0, (j - 4.5) * 17.0) for i in range(10) for j in range(10)]
CELLS = [(u, v) for u, v in CELLS if u * u + v * v <= 85.0**2]
SIGMA, SIGMA_DIRECTION, STEP = 28 / 3, 2 * math.pi / 9, math.pi / 3


class Refused(Exception):
    """With its reason."""


def load(name, *shape):
    return np.fromfile(WEIGHTS / f"{name}.f32", "<f4").astype(float).reshape(shape)


def iso(minutiae, resolution=(197, 197), position=2):
    """An ISO/IEC 19794-2:2005 record."""
    body = b"".join(struct.pack(">HHBB", 1 << 14 | x, y, angle, quality) for x, y, angle, quality in minutiae)
    view = struct.pack(">BBBB", position, 0x10, 80, len(minutiae)) + body + b"\0\0"
    tail = struct.pack(">HHHHHBB", 0, 900, 900, *resolution, 1, 0) + view
    return b"FMR\0 20\0" + struct.pack(">I", 12 + len(tail)) + tail


def ansi(minutiae, resolution=(197, 197)):
    """An ANSI/INCITS 378-2004 record: two bytes of length, the product, and angles of two degrees."""
    body = b"".join(struct.pack(">HHBB", 1 << 14 | x, y, angle, quality) for x, y, angle, quality in minutiae)
    view = struct.pack(">BBBB", 2, 0x10, 80, len(minutiae)) + body + b"\0\0"
    tail = struct.pack(">HHHHHHHBB", 7, 9, 0, 900, 900, *resolution, 1, 0) + view
    return b"FMR\0 20\0" + struct.pack(">H", 10 + len(tail)) + tail


def normalised(minutiae, resolution, steps):
    """Best first, at 500 dpi, y up: x, y, direction in radians, direction in 256ths of a turn."""
    best = sorted(minutiae, key=lambda m: -m[3])
    across, down = (500 / (per_centimetre * 2.54) for per_centimetre in resolution)
    angle = (lambda a: a) if steps == 256 else (lambda a: (a * 256 + 90) // 180)
    return [(x * across, -y * down, a * 2 * math.pi / steps, angle(a)) for x, y, a, _ in best]


def wrap(angle):
    return (angle + math.pi) % (2 * math.pi) - math.pi


def hull_of(points):
    def half(points):
        corners = []
        for p in points:
            while len(corners) > 1:
                (ax, ay), (bx, by) = corners[-2:]
                if (bx - ax) * (p[1] - ay) - (by - ay) * (p[0] - ax) > 0:
                    break
                corners.pop()
            corners.append(p)
        return corners[:-1]

    points = sorted(set(points))
    return half(points) + half(points[::-1]) or points


def holds(hull, x, y):
    """Within the hull, or at most 50 px from it."""
    sides = list(zip(hull, hull[1:] + hull[:1], strict=True))
    if len(hull) > 2 and all((bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0 for (ax, ay), (bx, by) in sides):
        return True
    for (ax, ay), (bx, by) in sides:
        length = max((bx - ax) ** 2 + (by - ay) ** 2, 1e-12)
        part = min(max(((bx - ax) * (x - ax) + (by - ay) * (y - ay)) / length, 0), 1)
        if (x - ax - part * (bx - ax)) ** 2 + (y - ay - part * (by - ay)) ** 2 <= 2500:
            return True
    return False


def cylinder(points, hull, own):
    """480 values, or None."""
    x, y, theta, _ = points[own]
    others = points[:own] + points[own + 1 :]
    if sum(math.hypot(q[0] - x, q[1] - y) <= 113 for q in others) < 2:
        return None
    values, valid = [], 0
    for u, v in CELLS:
        px = x + math.cos(theta) * u - math.sin(theta) * v
        py = y + math.sin(theta) * u + math.cos(theta) * v
        if not holds(hull, px, py):
            values += [0.0] * 6
            continue
        valid += 1
        near = [(q, (q[0] - px) ** 2 + (q[1] - py) ** 2) for q in others]
        near = [(q, squared) for q, squared in near if squared <= 28**2]
        for k in range(6):
            middle, total = -math.pi + (k + 0.5) * STEP, 0.0
            for q, squared in near:
                off = wrap(middle - wrap(theta - q[2]))
                below = lambda t: math.erf(t / (SIGMA_DIRECTION * math.sqrt(2)))  # noqa: E731
                share = 0.5 * (below(off + STEP / 2) - below(off - STEP / 2))
                total += math.exp(-squared / (2 * SIGMA**2)) / (SIGMA * math.sqrt(2 * math.pi)) * share
            values.append(1 / (1 + math.exp(-400 * (total - 0.01))))
    return values if valid >= 60 else None


def cylinders(points):
    if len(points) < 3:
        return []
    hull = hull_of([(p[0], p[1]) for p in points])
    made = [(cylinder(points, hull, own), points[own][3]) for own in range(len(points))]
    return [(np.array(values), angle) for values, angle in made if values is not None]


def apart(rows):
    """Of unit rows with their angles, those that are like at most one other."""
    if len(rows) < 4:
        raise Refused("FINGER_TOO_FEW_MINUTIAE")
    kept = [pair for pair in rows if sum(float(pair[0] @ other) > 0.45 for other, _ in rows) <= 2]
    if len(kept) < 4:
        raise Refused("FINGER_REPEATS")
    return kept


def quantise(unit):
    """Integers in -7..7 whose squared length is 6 d within 2 %, or None."""
    low, high, d = 0.0, 64 * math.sqrt(len(unit)), len(unit)
    for _ in range(60):
        scale = (low + high) / 2
        q = [max(-7, min(7, round(scale * float(x)))) for x in unit]
        norm = sum(x * x for x in q)
        if abs(norm - 6 * d) * 100 <= 12 * d:
            return q
        low, high = (scale, high) if norm < 6 * d else (low, scale)
    return None


def direction(angle):
    """Six pairs for 256ths of a turn, as rounded cosines and sines."""
    turns = [angle * math.tau / 256 + math.radians(15 * j) for j in range(6)]
    return [round(7 * f(turn)) for turn in turns for f in (math.cos, math.sin)]


def rows(points, set_name="leader-rows-3"):
    """A set of 4 to 40 rows of 140 integers, by the weights of this name or of this folder."""
    linear, output = load(f"{set_name}/linear", 128, 480), load(f"{set_name}/output", 128, 384)
    hidden, bias = load(f"{set_name}/hidden", 384, 480), load(f"{set_name}/hidden-bias", 384)
    made = []
    for values, angle in cylinders(points):
        x = values - load(f"{set_name}/mean", 480)
        row = linear @ x + output @ np.maximum(hidden @ x + bias, 0)
        made.append((row / np.linalg.norm(row), angle))
    quantised = [(quantise(row), angle) for row, angle in apart(made)]
    return [q + direction(angle) for q, angle in quantised if q is not None][:40]


def sign(line, column):
    """Of the projection: bit `column` of a kilobit of SplitMix64 for each line."""
    mask = 2**64 - 1
    z = (line * 16 + column // 64 + 1) * 0x9E3779B97F4A7C15 & mask
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    z ^= z >> 31
    return 1.0 if z >> column % 64 & 1 else -1.0


SIGNS = []


def vector(points):
    """One vector of 1024 integers."""
    mean, projection = load("leader-fixed-1/mean", 480), load("leader-fixed-1/projection", 128, 480)
    made = [(projection @ (values - mean), angle) for values, angle in cylinders(points)]
    kept = [row for row, _ in apart([(row / np.linalg.norm(row), angle) for row, angle in made])]
    pooled = sum(np.outer(row, row) for row in kept) / len(kept)
    values, vectors = np.linalg.eigh(pooled)
    flat = vectors @ np.diag(np.maximum(values, 0) ** 0.35) @ vectors.T
    triangle = [flat[i, j] * (1 if i == j else math.sqrt(2)) for i in range(128) for j in range(i, 128)]
    triangle = np.array([math.copysign(abs(t) ** 0.7, t) for t in triangle]) - load("leader-fixed-1/second-order-mean", 8256)
    if not SIGNS:
        SIGNS.append(np.array([[sign(line, column) for column in range(1024)] for line in range(8256)]))
    folded = triangle @ SIGNS[0]
    q = quantise(folded / np.linalg.norm(folded))
    if q is None:
        raise Refused("FINGER_SPARSE")
    return q
