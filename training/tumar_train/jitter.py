"""Copies of a print as another capture might have been: warped, noisy, with minutiae lost, made up and cut off."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .cells import cylinders
from .prints import Print
from .records import Minutiae, Reals

COPIES, LEAST_MINUTIAE, LEAST_CYLINDERS = 4, 8, 6
MADE_UP = -1


def again(minutiae: Minutiae, level: float, rng: np.random.Generator) -> tuple[Minutiae, npt.NDArray[np.int64]]:
    """One copy, changed so much (about 1), and of which minutia each of its minutiae is; `MADE_UP` for none."""
    count = len(minutiae)
    middle = minutiae.places.mean(0)
    x, y = ((minutiae.places - middle) / 100).T
    bend = np.stack([x, y, x * y, x * x, y * y], 1) @ rng.normal(0, 2.5 * level, (5, 2))
    places = minutiae.places + np.clip(bend, -14, 14) + rng.normal(0, 2.2 * level, (count, 2))
    directions = minutiae.directions + rng.normal(0, 0.09 * level, count)
    # The best are lost least.
    kept = rng.random(count) > 0.12 * level * (1.4 - np.linspace(1.2, 0.2, count))
    if rng.random() < 0.35 * level:
        angle = rng.uniform(0, math.tau)
        along = (places - middle) @ np.array([math.cos(angle), math.sin(angle)])
        kept &= along < np.quantile(along, rng.uniform(0.65, 0.95))
    owners = np.nonzero(kept)[0] if kept.sum() >= LEAST_MINUTIAE else np.arange(count)
    places, directions = places[owners], directions[owners]
    added, turned = _made_up(places, directions, int(rng.poisson(0.07 * level * count)), rng)
    owners = np.concatenate([owners, np.full(len(added), MADE_UP)])
    places, directions = np.concatenate([places, added]), np.concatenate([directions, turned])
    return Minutiae(places, directions, np.zeros(len(places), np.int64), np.zeros(len(places), np.int64)), owners


def _made_up(places: Reals, directions: Reals, count: int, rng: np.random.Generator) -> tuple[Reals, Reals]:
    """Minutiae near others, most of them along the same ridges."""
    near = rng.integers(0, len(places), count)
    along = directions[near] + rng.integers(0, 2, count) * math.pi + rng.normal(0, 0.25, count)
    anyhow = rng.uniform(0, math.tau, count)
    return places[near] + rng.normal(0, 25, (count, 2)), np.where(rng.random(count) < 0.6, along, anyhow)


Copy = tuple[npt.NDArray[np.float32], Reals]
"""(n, 480) cells, and the directions of their minutiae in the print itself."""


def copies(one: Print, seed: tuple[int, ...]) -> list[Copy]:
    """The print itself and up to four copies, without those of which too little is left."""
    rng = np.random.default_rng(seed)
    found = [(one.values.astype(np.float32), one.minutiae.directions[one.owners])]
    for _ in range(COPIES):
        changed, owners = again(one.minutiae, rng.uniform(0.4, 1.2), rng)
        own, values = cylinders(changed)
        real = owners[own] != MADE_UP
        if real.sum() >= LEAST_CYLINDERS:
            found.append((values[real].astype(np.float32), one.minutiae.directions[owners[own[real]]]))
    return found
