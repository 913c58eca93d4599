#!/usr/bin/env python3
"""Makes the test vectors beside it, with nothing but Python's own integers and floats.

Written apart from the Rust code, from the description of the arithmetic in docs/DESIGN.md, section 4. Run it in its folder:
it writes the same files every time. `key = value` lines make a case, an empty line ends it, `FAILS = WHY` names the refusal.
"""
import math
import random
import struct

WORD = 1 << 16
A, B, C = PARTIES = (0, 1, 2)
POINT = ((1, 0), (0, 1), (1, 1))


def after(p):
    return (p + 1) % 3


# ------------------------------------------------------------------ the ring Z_2^16[X] / (X^2 - X - 1)
def times(a, b):
    square = a[1] * b[1]  # X^2 is X + 1
    return (a[0] * b[0] + square) % WORD, (a[0] * b[1] + a[1] * b[0] + square) % WORD


def plus(a, b):
    return (a[0] + b[0]) % WORD, (a[1] + b[1]) % WORD


def minus(a, b):
    return (a[0] - b[0]) % WORD, (a[1] - b[1]) % WORD


def power(a, n):
    out = (1, 0)
    while n:
        if n & 1:
            out = times(out, a)
        a, n = times(a, a), n >> 1
    return out


def over(a):
    """The inverse by the order of the group of units: (4 - 1) * 4^15."""
    return power(a, 3 * 4**15 - 1)


def value_at_zero(points):
    """Of the polynomial of degree at most 2 through (e_p, points[p])."""
    out = (0, 0)
    for p in PARTIES:
        term = points[p]
        for m in PARTIES:
            if m != p:
                term = times(times(term, minus((0, 0), POINT[m])), over(minus(POINT[p], POINT[m])))
        out = plus(out, term)
    return out


def point_of(summands, p):
    """What party p computes from its two summands: lines that are 0 where the summand is missing."""
    out = (0, 0)
    for i in (p, after(p)):
        missing = POINT[after(i)]
        slope = minus((0, 0), times(summands[i], over(missing)))  # summand + slope * missing = 0
        out = plus(out, plus(summands[i], times(slope, POINT[p])))
    return out


# ------------------------------------------------------------------ templates
def quantise(e):
    d = len(e)
    length = math.sqrt(math.fsum(x * x for x in e))
    low, high = 0.0, 64 * math.sqrt(d)
    for _ in range(60):
        scale = (low + high) / 2
        q = [max(-7, min(7, round(scale * (x / length)))) for x in e]  # round: half to even
        norm = sum(x * x for x in q)
        if abs(norm - 6 * d) * 100 <= 2 * 6 * d:
            return q
        low, high = (scale, high) if norm < 6 * d else (low, scale)
    return None


def pack(q):
    return bytes((q[i] & 15) | (q[i + 1] & 15) << 4 for i in range(0, len(q), 2))


def floats(values):
    return struct.pack(f"<{len(values)}f", *values).hex()


def words(values):
    return struct.pack(f"<{len(values)}H", *[v % WORD for v in values]).hex()


def single(values):
    """To the nearest 32-bit float and back."""
    return list(struct.unpack(f"<{len(values)}f", struct.pack(f"<{len(values)}f", *values)))


# ------------------------------------------------------------------ files
def write(name, about, cases):
    with open(name, "w", encoding="ascii") as out:
        for line in ("Made by make.py.", *about):
            out.write(f"# {line}\n")
        for comment, case in cases:
            out.write("\n" + (f"# {comment}\n" if comment else ""))
            out.writelines(f"{key} = {value}\n" for key, value in case.items())


def quantise_cases(rng):
    for d in (64, 128, 512):
        for k in range(6):
            e = single([rng.gauss(0, 1) * 10.0 ** rng.randrange(-3, 4) ** (k == 5) for _ in range(d)])
            q = quantise(e)
            case = {"dimension": d, "embedding": floats(e)}
            if q is None:
                yield "few components carry the length", case | {"FAILS": "SPARSE"}
            else:
                yield "", case | {"packed": pack(q).hex(), "norm": sum(x * x for x in q)}
    ramp = single([(i - 31.5) / 16 for i in range(64)])
    yield "a ramp", {"dimension": 64, "embedding": floats(ramp), "packed": pack(quantise(ramp)).hex(),
                     "norm": sum(x * x for x in quantise(ramp))}
    for comment, value, why in (("not a number", math.nan, "NOT_FINITE"), ("infinite", -math.inf, "NOT_FINITE")):
        yield comment, {"dimension": 64, "embedding": floats(ramp[:-1] + [value]), "FAILS": why}
    yield "nothing", {"dimension": 64, "embedding": floats([0.0] * 64), "FAILS": "ZERO"}
    yield "one axis", {"dimension": 64, "embedding": floats([0.0] * 63 + [1.0]), "FAILS": "SPARSE"}
    seven = [1.0] * 7 + [0.0] * 57  # 7 * 49 = 343 is below 377
    yield "seven axes", {"dimension": 64, "embedding": floats(seven), "FAILS": "SPARSE"}
    eight = [1.0] * 8 + [0.0] * 56  # 8 * 49 = 392 is above 391, and 8 * 36 = 288 below 377
    yield "eight equal axes: the norm jumps over the band", {"dimension": 64, "embedding": floats(eight), "FAILS": "SPARSE"}
    yield "one component short", {"dimension": 64, "embedding": floats(ramp[:-1]), "FAILS": "DIMENSION"}
    yield "twice as long", {"dimension": 64, "embedding": floats(ramp * 2), "FAILS": "DIMENSION"}


def intake_cases(rng):
    for d in (64, 66, 128, 512):
        for low in (-7, -8):
            q = [rng.randrange(low, 8) for _ in range(d)]
            s = [bytes(rng.randrange(256) for _ in range(d // 2)) for _ in (A, B)]
            s.append(bytes(x ^ y ^ z for x, y, z in zip(pack(q), *s)))
            yield "", {"s_a": s[A].hex(), "s_b": s[B].hex(), "s_c": s[C].hex(), "template": words(q),
                       "norm": sum(x * x for x in q) % WORD}


def convert_cases(rng):
    for d in (64, 512):
        secret = []
        for low, high in ((-8, 8), (-8, 8)):
            q = [rng.randrange(low, high) for _ in range(d)]
            x = [[rng.randrange(WORD) for _ in range(d)] for _ in (A, B)]
            x.append([(v - a - b) % WORD for v, a, b in zip(q, *x)])
            pairs = [[tuple(x[i][k:k + 2]) for i in PARTIES] for k in range(0, d, 2)]
            points = [[point_of(pair, p) for p in PARTIES] for pair in pairs]
            for pair, (k, got) in zip(pairs, enumerate(points)):
                assert value_at_zero(got) == tuple(v % WORD for v in q[2 * k:2 * k + 2])
            secret.append((q, x, [[w for got in points for w in got[p]] for p in PARTIES]))
        (q, x, e), (r, y, f) = secret
        case = {f"x_{n}": words(v) for n, v in zip("abc", x)} | {f"point_{n}": words(v) for n, v in zip("abc", e)}
        case |= {f"reference_{n}": words(v) for n, v in zip("abc", f)}
        yield "", case | {"score": sum(a * b for a, b in zip(q, r)) % WORD}


def ring_cases(rng):
    yield "the Lagrange weights", {f"lagrange_{n}": words(value_at_zero([(1, 0) if p == m else (0, 0) for m in PARTIES]))
                                   for p, n in zip(PARTIES, "abc")}
    for _ in range(12):
        a, b = [tuple(rng.randrange(WORD) for _ in range(2)) for _ in range(2)]
        case = {"a": words(a), "b": words(b), "product": words(times(a, b))}
        yield "", case | ({"inverse": words(over(a))} if a[0] % 2 or a[1] % 2 else {"FAILS": "NOT_A_UNIT"})


def compare_cases(rng):
    edges = [(s, t) for t in (-3133, -1, 0, 1, 1018, 3133) for s in (t - 1, t, t + 1)]
    far = [(32767, 0), (-32768, 0), (0, 32767), (-1, 32767), (29766 + 3011, 3011), (-32768, -3133), (3133, 3133)]
    lanes = edges + far + [(rng.randrange(-3133, 3134), rng.randrange(-3133, 3134)) for _ in range(200)]
    z = [[rng.randrange(WORD) for _ in lanes] for _ in (A, B)]
    z.append([(s - a - b) % WORD for (s, _), a, b in zip(lanes, *z)])
    outcome = "".join("1" if (s - t) % WORD < WORD // 2 else "0" for s, t in lanes)
    yield "", {"z_a": words(z[A]), "z_b": words(z[B]), "z_c": words(z[C]), "thresholds": words([t for _, t in lanes]),
               "at_least": outcome}


# ------------------------------------------------------------------ blocks of the comparison of sets
LEVELS = (614, 691, 768)


def bitstring(bits):
    return sum(bit << k for k, bit in enumerate(bits)).to_bytes(-(-len(bits) // 64) * 8, "little").hex()


def digits(bits):
    return "".join(str(int(bit)) for bit in bits)


def tree_cases(rng):
    for sizes in ([1], [2, 1], [3, 4, 5], [40] * 6, [65, 1, 64, 7], [130]):
        for sparse in (0.05, 0.95):
            bits = [int(rng.random() < sparse) for _ in range(sum(sizes))]
            s = [[rng.randrange(2) for _ in bits] for _ in (A, B)]
            s.append([v ^ a ^ b for v, a, b in zip(bits, *s)])
            groups, start = [], 0
            for size in sizes:
                groups.append(bits[start:start + size])
                start += size
            case = {f"s_{n}": bitstring(v) for n, v in zip("abc", s)}
            yield "", case | {"sizes": " ".join(map(str, sizes)), "or": digits(map(any, groups)),
                              "and": digits(map(all, groups)), "sum": " ".join(str(sum(group)) for group in groups)}


def width_cases(rng):
    for width, least, most, bounds in ((12, -1092, 1092, LEVELS), (8, 0, 120, (1, 22, 121)), (16, -3133, 3133, (-5, 0, 1018))):
        scores = [least, most] + [bound + k for bound in bounds for k in (-1, 0, 1) if least <= bound + k <= most]
        scores += [rng.randrange(least, most + 1) for _ in range(150)]
        half = 1 << (width - 1)
        assert all(-half <= score - bound < half for score in scores for bound in bounds)
        z = [[rng.randrange(WORD) for _ in scores] for _ in (A, B)]
        z.append([(s - a - b) % WORD for s, a, b in zip(scores, *z)])
        case = {f"z_{n}": words(v) for n, v in zip("abc", z)}
        case |= {"width": width, "bounds": words(bounds)}
        yield "", case | {f"reached_{k}": digits(score >= bound for score in scores) for k, bound in enumerate(bounds)}


def count_of(rows, others):
    """How many levels the best dots of these rows with the others reach."""
    best = [max(sum(a * b for a, b in zip(row, other)) for other in others) for row in rows]
    return sum(score >= level for score in best for level in LEVELS)


def least_above(thousandths, *rows):
    """The least count above T times the root of both sizes, where less than 20 rows count as 20; in whole numbers."""
    a, b = [max(n, 20) for n in rows]
    return next(count for count in range(200) if (1000 * count) ** 2 > thousandths**2 * a * b)


def direction(angle):
    """The twelve components of a minutia's direction, in 256ths of a turn."""
    turns = [angle * math.tau / 256 + math.radians(15 * j) for j in range(6)]
    return [round(7 * f(turn)) for turn in turns for f in (math.cos, math.sin)]


def set_cases(rng):
    for number, (probe_rows, reference_rows) in enumerate(((4, 4), (5, 17), (40, 4), (4, 40), (23, 31))):
        reals = [[rng.gauss(0, 1) for _ in range(128)] for _ in range(reference_rows)]
        near = [[x + rng.choice((0.4, 0.9, 1.2, 3)) * rng.gauss(0, 1) for x in rng.choice(reals)] for _ in range(probe_rows)]
        # No angle whose sine or cosine is a half: there the last bit of a float would decide.
        probe, reference = [[quantise(row) + direction(rng.randrange(1, 9)) for row in rows] for rows in (near, reals)]
        if number % 2:
            probe, reference = reference, probe
        yield "", {"probe": b"".join(map(pack, probe)).hex(), "reference": b"".join(map(pack, reference)).hex(),
                   "counts": f"{count_of(probe, reference)} {count_of(reference, probe)}",
                   "thresholds": " ".join(str(least_above(t, probe_rows, reference_rows)) for t in (150, 250))}


if __name__ == "__main__":
    write("quantise.txt", ["embedding: 32-bit floats, little-endian. packed: two components a byte, the first one low."],
          quantise_cases(random.Random(1)))
    write("ring.txt", ["An element a0 + a1 X is two 16-bit words, little-endian."], ring_cases(random.Random(2)))
    write("convert.txt", ["Additive summands to points of lines, and the dot of the secret with a second one. 16-bit words,",
                          "little-endian."], convert_cases(random.Random(3)))
    write("intake.txt", ["XOR summands of packed nibbles to the components that the parties' words must add up to."],
          intake_cases(random.Random(4)))
    write("compare.txt", ["Additive summands of scores, thresholds, and whether score less threshold is not negative as i16."],
          compare_cases(random.Random(5)))
    write("trees.txt", ["XOR summands of bits, 64 a word, little-endian; which of them belong together; their OR, AND and sum."],
          tree_cases(random.Random(6)))
    write("widths.txt", ["Additive summands of scores, how many bits their distance from the bounds takes, and which they reach."],
          width_cases(random.Random(7)))
    write("sets.txt", ["Packed rows of a probe and of a reference, the counts of both, and the least counts at FMR 1e-3 and 1e-4."],
          set_cases(random.Random(8)))
