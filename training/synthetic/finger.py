"""Fingers, and what sensors see of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tumar_train.records import Minutiae

from .field import Field, Reals, draw

WIDTH, HEIGHT = 150.0, 200.0
"""Half axes of the part of a finger that can touch a sensor, in pixels at 500 dpi: 15 x 20 mm."""
DENSITY = 46 / 67_415
"""Minutiae a square pixel: S. Pankanti, S. Prabhakar, A. Jain, IEEE TPAMI 24(8), 2002, of prints of 67 415 square pixels."""
CLOSEST = 10.0
"""Minutiae keep at least about a ridge and its valley apart, 0.5 mm: Y. Chen, A. Jain, Beyond minutiae, ICB 2009."""
AROUND_SINGULAR, REACH = 1.2, 45.0
"""How many more minutiae there are beside singular points: see the table of docs/own-model.md for what that gives."""
OFF_RIDGE = 0.12
"""Standard deviation of a minutia's direction from the field's, in radians."""


@dataclass(frozen=True)
class Finger:
    """All minutiae of a finger around its middle, x to the right, y up."""

    field: Field
    places: Reals
    directions: Reals
    salience: Reals
    """0 to 1: how often a minutia is found again."""


def finger(rng: np.random.Generator) -> Finger:
    """Places by rejection with a hard core, directions along the ridges, either way."""
    field = draw(rng)
    count = int(np.clip(rng.normal(1, 0.2), 0.5, 1.5) * DENSITY * math.pi * WIDTH * HEIGHT)
    singular = np.concatenate([field.loops, field.deltas])
    found: list[Reals] = []
    for _ in range(200 * count):
        if len(found) >= count:
            break
        place = rng.uniform(-1, 1, 2) * (WIDTH, HEIGHT)
        if (place[0] / WIDTH) ** 2 + (place[1] / HEIGHT) ** 2 > 1:
            continue
        nearest = np.hypot(*(singular - place).T).min(initial=math.inf)
        if rng.random() * (1 + AROUND_SINGULAR) > 1 + AROUND_SINGULAR * math.exp(-((nearest / REACH) ** 2)):
            continue
        if found and np.hypot(*(np.array(found) - place).T).min() < CLOSEST:
            continue
        found.append(place)
    places = np.array(found)
    # Ridge endings and bifurcations of a place mostly open the same way as those around them: the way is drawn for patches.
    patches = rng.uniform(-1, 1, (12, 2)) * (WIDTH, HEIGHT)
    ways = rng.integers(0, 2, 12)
    way = ways[np.hypot(*(places[:, None] - patches[None]).transpose(2, 0, 1)).argmin(1)]
    way = np.where(rng.random(len(places)) < 0.3, 1 - way, way)
    directions = field.orientation(places) + way * math.pi + rng.normal(0, OFF_RIDGE, len(places))
    return Finger(field, places, directions, rng.beta(4, 1, len(places)))


@dataclass(frozen=True)
class Sensor:
    """What a sensor does to a finger."""

    name: str
    size: tuple[int, int]
    """Pixels of its image at 500 dpi."""
    turned: float
    """Standard deviation of how a finger lies on it, in degrees."""
    shifted: float
    """The same of where, in pixels along each axis."""
    lost: float
    """Share of minutiae that are not found in a capture of ordinary quality."""
    made_up: float
    """Minutiae that are none, for each that is one."""


SENSORS = (
    Sensor("optical-a", (388, 374), 5.0, 14.0, 0.13, 0.07),
    Sensor("optical-b", (328, 364), 6.0, 16.0, 0.15, 0.08),
    Sensor("capacitive", (300, 300), 7.0, 18.0, 0.17, 0.10),
    Sensor("small", (256, 300), 7.0, 18.0, 0.19, 0.12),
)
"""Image sizes are among those of FVC2002 (D. Maio et al., ICPR 2002) and FVC2004; turns are within what fingers at a terminal show."""

DISTORTION = 2.5
"""Pixels of each term of the warp at 5 mm from the middle: R. Cappelli, D. Maio, D. Maltoni, ICAPR 2001, show displacements so large."""
NOISE, OFF_AGAIN = 1.6, 0.07
"""Of places in pixels and of directions in radians, from one capture to the next: half a quantum of an extractor at 500 dpi and more."""


def capture(of: Finger, sensor: Sensor, rng: np.random.Generator) -> Minutiae:
    """One impression: pressed and warped, turned, put somewhere on the sensor, cropped, with minutiae lost and made up."""
    bad = float(np.clip(rng.normal(1, 0.45), 0.3, 2.5))
    middle = rng.normal(0, sensor.shifted, 2)
    touched = np.array([WIDTH, HEIGHT]) * np.clip(rng.normal(0.86, 0.08), 0.6, 1.0)
    inside = (((of.places - middle * 0.5) / touched) ** 2).sum(1) <= 1
    kept = inside & (rng.random(len(of.places)) < 1 - np.clip(bad * sensor.lost * (2.2 - 1.5 * of.salience), 0, 0.95))
    x, y = (of.places[kept] / 100).T
    bend = np.stack([x, y, x * y, x * x, y * y], 1) @ rng.normal(0, DISTORTION, (5, 2))
    places = of.places[kept] + np.clip(bend, -16, 16) + rng.normal(0, NOISE * bad, (len(x), 2))
    directions = of.directions[kept] + rng.normal(0, OFF_AGAIN * bad, len(x))
    salience = of.salience[kept]
    added = int(rng.poisson(sensor.made_up * bad * len(x)))
    off = rng.uniform(-1, 1, (added, 2)) * touched
    places = np.concatenate([places, off])
    along = of.field.orientation(off) + rng.integers(0, 2, added) * math.pi + rng.normal(0, 0.3, added)
    directions = np.concatenate([directions, along])
    salience = np.concatenate([salience, rng.beta(2, 3, added)])
    angle = math.radians(rng.normal(0, sensor.turned))
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    width, height = sensor.size
    places = places @ turn + middle + np.array([width / 2, -height / 2])
    seen = (places[:, 0] >= 4) & (places[:, 0] < width - 4) & (places[:, 1] <= -4) & (places[:, 1] > 4 - height)
    return _record(places[seen], directions[seen] + angle, salience[seen], rng)


def _record(places: Reals, directions: Reals, salience: Reals, rng: np.random.Generator) -> Minutiae:
    """As a record can hold it: whole pixels, 256ths of a turn, qualities of 40 to 100, best first."""
    noisy = np.clip(salience + rng.normal(0, 0.12, len(places)), 0, 1)
    qualities: npt.NDArray[np.int64] = np.rint(40 + 60 * noisy).astype(np.int64)
    order = np.argsort(-qualities, kind="stable")
    angles = np.rint(directions[order] * 128 / math.pi).astype(np.int64) % 256
    return Minutiae(np.rint(places[order]), angles * math.tau / 256, angles, qualities[order])
