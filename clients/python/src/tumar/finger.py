"""Fingers: from a minutiae record to rows for one comparison, or to one vector for a search.

The constants are those of docs/clients.md. The learned weights fit the minutiae of one extractor, LEADER, and models are named after it.
"""

import math
import struct
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .folder import SURROUNDINGS, VALUES, RowsModel
from .template import LEAST_ROWS, MOST_ROWS, Integers, Reals, Template, round_to_band

MOST_BYTES = 65_535
COMPONENTS = 1024

CELLS_ACROSS, RADIUS, DIRECTIONS = 10, 85.0, 6
CELL_SIDE, STEP = 2 * RADIUS / CELLS_ACROSS, 2 * math.pi / DIRECTIONS
SIGMA, SIGMA_DIRECTION = 28 / 3, 2 * math.pi / 9
REACH, MARGIN = 3 * SIGMA, 50.0
MIDDLE, STEEPNESS = 0.01, 400.0
LEAST_VALID_CELLS, LEAST_NEIGHBOURS = 60, 2
REPEATED, MOST_REPEATS = 0.45, 1


class FingerError(InputError):
    """A record is none, or no template can be made of it: capture again. `reason` is stable, as Tumar's own tools have it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


# ------------------------------------------------------------------ records
class Minutia(NamedTuple):
    """As it stands in a record; `angle` in the standard's unit, counter-clockwise from the right."""

    x: int
    y: int
    angle: int
    quality: int


@dataclass(frozen=True)
class View:
    """One capture of one finger: `ansi` says that an angle is 2 degrees a unit, and not 360/256."""

    position: int
    number: int
    ansi: bool
    resolution: tuple[int, int]
    minutiae: list[Minutia]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> tuple[int, ...]:
        size = struct.calcsize(form)
        if self.at + size > len(self.data):
            raise FingerError("RECORD_TRUNCATED", f"the record ends within a field, at byte {self.at}")
        self.at += size
        return struct.unpack(form, self.data[self.at - size : self.at])


def read_record(data: bytes) -> list[View]:
    """The views of an ISO/IEC 19794-2:2005 or ANSI/INCITS 378-2004 record. FingerError for the first fault from its start."""
    if len(data) > MOST_BYTES:
        raise FingerError("RECORD_TOO_LARGE", f"the record is longer than {MOST_BYTES} bytes")
    reader = _Reader(data)
    if bytes(reader.take(">4B")) != b"FMR\0":
        raise FingerError("RECORD_MAGIC", "not a finger minutiae record (ISO/IEC 19794-2:2005 or ANSI/INCITS 378-2004)")
    if bytes(reader.take(">4B")) != b" 20\0":
        raise FingerError("RECORD_VERSION", "the record's version is not 20")
    (declared,) = reader.take(">H")
    ansi = declared != 0
    if not ansi:
        (declared,) = reader.take(">H")
        if declared == 0:
            # The long form of ANSI 378: its upper half was zero.
            ansi, (declared,) = True, reader.take(">H")
    if declared != len(data):
        raise FingerError("RECORD_LENGTH", f"the record's length field is {declared}, but it has {len(data)} bytes")
    if ansi:
        reader.take(">2H")
    _equipment, _width, _height, across, down = reader.take(">5H")
    if 0 in (across, down):
        raise FingerError("RECORD_RESOLUTION", "the record gives a resolution of zero")
    views, _ = reader.take(">2B")
    if views == 0:
        raise FingerError("RECORD_NO_VIEWS", "the record has no view")
    read = [_view(reader, ansi, (across, down)) for _ in range(views)]
    if reader.at < len(data):
        raise FingerError("RECORD_TRAILING", f"the record's views end at byte {reader.at}, before its end")
    return read


def _view(reader: _Reader, ansi: bool, resolution: tuple[int, int]) -> View:
    position, kind, _quality, count = reader.take(">4B")
    if position > 10:
        raise FingerError("RECORD_POSITION", f"{position} is not the position of a finger")
    minutiae = []
    for _ in range(count):
        x, y, angle, quality = reader.take(">HHBB")
        if ansi and angle >= 180:
            raise FingerError("RECORD_ANGLE", f"{angle} times two degrees is not an angle below 360 degrees")
        minutiae.append(Minutia(x & 0x3FFF, y & 0x3FFF, angle, quality))
    (extended,) = reader.take(">H")
    reader.take(f">{extended}B")
    return View(position, kind >> 4, ansi, resolution, minutiae)


# ------------------------------------------------------------------ cylinders
def _wrap(angle: Reals) -> Reals:
    return (angle + math.pi) % (2 * math.pi) - math.pi


@cache
def _offsets() -> Reals:
    along = (np.arange(CELLS_ACROSS) - 4.5) * CELL_SIDE
    return np.array([(u, v) for u in along for v in along if u * u + v * v <= RADIUS * RADIUS])


_erf = np.vectorize(math.erf, otypes=[np.float64])


class _Minutiae:
    """At 500 dpi with y up, best first; equals stay in the record's order."""

    def __init__(self, view: View) -> None:
        marks = sorted(view.minutiae, key=lambda mark: -mark.quality)
        across, down = (500 / (per_centimetre * 2.54) for per_centimetre in view.resolution)
        steps = 180 if view.ansi else 256
        self.places = np.array([(mark.x * across, -(mark.y * down)) for mark in marks]).reshape(-1, 2)
        self.directions = np.array([mark.angle * (2 * math.pi) / steps for mark in marks])
        self.angles = [(mark.angle * 256 + 90) // 180 if view.ansi else mark.angle for mark in marks]


def _hull(places: Reals) -> Reals:
    """Corners, counter-clockwise (A. M. Andrew, 1979)."""
    points = sorted({(float(x), float(y)) for x, y in places})

    def half(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        corners: list[tuple[float, float]] = []
        for x, y in points:
            while len(corners) > 1:
                (ax, ay), (bx, by) = corners[-2:]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                corners.pop()
            corners.append((x, y))
        return corners[:-1]

    return np.array(half(points) + half(points[::-1]) or points[:1])


def _holds(hull: Reals, places: Reals) -> npt.NDArray[np.bool_]:
    """Which places are inside, or at most the margin away."""
    edge = np.roll(hull, -1, 0) - hull
    off = places[:, None] - hull[None]
    inside = (edge[None, :, 0] * off[..., 1] - edge[None, :, 1] * off[..., 0] >= 0).all(1) & (len(hull) > 2)
    part = ((off * edge[None]).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-12)).clip(0, 1)
    gap = off - part[..., None] * edge[None]
    near: npt.NDArray[np.bool_] = inside | ((gap * gap).sum(-1).min(1) <= MARGIN * MARGIN)
    return near


def _cylinders(minutiae: _Minutiae) -> tuple[Reals, list[int]]:
    """480 values of each minutia that has enough of the finger around it, and which minutia it is."""
    places, directions = minutiae.places, minutiae.directions
    made, owners = [], []
    hull = _hull(places) if len(places) >= 3 else places
    for own in range(len(places) if len(places) >= 3 else 0):
        others = np.delete(places, own, 0)
        far = np.hypot(*(others - places[own]).T)
        if (far <= RADIUS + REACH).sum() < LEAST_NEIGHBOURS:
            continue
        sine, cosine = math.sin(directions[own]), math.cos(directions[own])
        u, v = _offsets().T
        x, y = places[own]
        cells = np.stack([x + cosine * u - sine * v, y + sine * u + cosine * v], 1)
        valid = _holds(hull, cells)
        if valid.sum() < LEAST_VALID_CELLS:
            continue
        squared = ((cells[:, None] - others[None]) ** 2).sum(-1)
        weight = np.exp(-squared / (2 * SIGMA * SIGMA)) / (SIGMA * math.sqrt(2 * math.pi))
        weight[squared > REACH * REACH] = 0
        turned = _wrap(directions[own] - np.delete(directions, own))
        middles = -math.pi + (np.arange(DIRECTIONS) + 0.5) * STEP
        off = _wrap(middles[None] - turned[:, None])
        root = SIGMA_DIRECTION * math.sqrt(2)
        share = 0.5 * (_erf((off + STEP / 2) / root) - _erf((off - STEP / 2) / root))
        values = valid[:, None] / (1 + np.exp(-STEEPNESS * (weight @ share - MIDDLE)))
        made.append(values.ravel())
        owners.append(own)
    return np.array(made).reshape(-1, VALUES), owners


# ------------------------------------------------------------------ rows
@cache
def _weights(name: str, *shape: int) -> Reals:
    raw = resources.files("tumar").joinpath("weights", f"{name}.f32").read_bytes()
    return np.frombuffer(raw, "<f4").astype(np.float64).reshape(shape)


def direction(angle: int) -> Integers:
    """Twelve components for the way that a minutia points, in 256ths of a turn: 7 times cosine and sine of it and of 15j degrees more."""
    raw = resources.files("tumar").joinpath("weights", "leader-rows-3", "direction.i8").read_bytes()
    row: Integers = np.frombuffer(raw, np.int8).reshape(256, 12)[angle]
    return row


def _unit(rows: Reals, owners: list[int]) -> tuple[Reals, list[int]]:
    lengths = np.linalg.norm(rows, axis=1)
    some = lengths > 0
    return rows[some] / lengths[some, None], [own for own, keep in zip(owners, some, strict=True) if keep]


def _apart(rows: Reals, owners: list[int]) -> tuple[Reals, list[int]]:
    """Without the rows that are like more than one other: noisy prints repeat themselves, and a pattern is no finger."""
    if len(rows) < LEAST_ROWS:
        raise FingerError("FINGER_TOO_FEW_MINUTIAE", f"only {len(rows)} minutiae have enough of the finger around them")
    kept = (rows @ rows.T > REPEATED).sum(1) <= MOST_REPEATS + 1
    if kept.sum() < LEAST_ROWS:
        raise FingerError("FINGER_REPEATS", "the surroundings of the minutiae repeat each other, which no finger's do")
    return rows[kept], [own for own, keep in zip(owners, kept, strict=True) if keep]


def view_of(record: bytes, position: int | None = None, number: int | None = None) -> View:
    """The one view of this position and number; what is None does not matter, but then only one may be left."""
    views = [
        view
        for view in read_record(record)
        if position in (None, view.position) and number in (None, view.number)
    ]
    if not views:
        raise FingerError("RECORD_VIEW_ABSENT", "the record has no such view")
    if len(views) > 1:
        raise FingerError("RECORD_VIEW_AMBIGUOUS", f"the record has {len(views)} such views: name position and number")
    return views[0]


def finger_rows(record: bytes, position: int | None = None, number: int | None = None, model: RowsModel | None = None) -> Template:
    """A set of 4 to 40 rows of 140 for one comparison, by `leader-rows-3` or by the model of a folder. FingerError if none can be made."""
    minutiae = _Minutiae(view_of(record, position, number))
    cylinders, owners = _cylinders(minutiae)
    rows = (model or RowsModel.built_in()).rows(cylinders)
    made: list[Integers] = []
    for row, own in zip(*_apart(*_unit(rows, owners)), strict=True):
        surroundings = round_to_band(row)
        if surroundings is not None and len(made) < MOST_ROWS:
            made.append(np.concatenate([surroundings, direction(minutiae.angles[own])]))
    if len(made) < LEAST_ROWS:
        raise FingerError("FINGER_TOO_FEW_MINUTIAE", f"only {len(made)} minutiae have enough of the finger around them")
    return Template(np.array(made))


# ------------------------------------------------------------------ one vector
@cache
def _signs() -> Reals:
    """8256 lines of 1024 signs, by the output function of SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014)."""
    count = SURROUNDINGS * (SURROUNDINGS + 1) // 2 * COMPONENTS // 64
    z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    bits = np.unpackbits(z.astype("<u8").view(np.uint8), bitorder="little")
    return (bits.astype(np.float64) * 2 - 1).reshape(-1, COMPONENTS)


def finger_vector(record: bytes, position: int | None = None, number: int | None = None) -> Template:
    """One vector of 1024 components for the model `leader-fixed-1`, for searches. FingerError if none can be made."""
    cylinders, owners = _cylinders(_Minutiae(view_of(record, position, number)))
    mean, projection = _weights("leader-fixed-1/mean", VALUES), _weights("leader-fixed-1/projection", SURROUNDINGS, VALUES)
    rows, _ = _apart(*_unit((cylinders - mean) @ projection.T, owners))
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    flat = (vectors * np.maximum(values, 0) ** 0.35) @ vectors.T
    first, second = np.triu_indices(SURROUNDINGS)
    triangle = flat[first, second] * np.where(first == second, 1, math.sqrt(2))
    pooled = np.sign(triangle) * np.abs(triangle) ** 0.7
    folded = (pooled - _weights("leader-fixed-1/second-order-mean", len(pooled))) @ _signs()
    q = round_to_band(folded / np.linalg.norm(folded))
    if q is None:
        raise FingerError("FINGER_SPARSE", "the finger's vector is too sparse to be quantised")
    return Template(q)
