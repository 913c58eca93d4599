"""Crafted probes: what a client may send that no finger made, to match as many strangers as it can.

* *Rows*: greedy sets of real and of mean rows (the quantised mean of the rows near a popular one), improved by exchanges.
* *Minutiae*: lattices with and without disorder, through the encoder.

Made on some prints, tried on others. The best that were found, and no bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from .cells import cylinders
from .encode import DIRECTIONS, POINTING, SURROUNDINGS, Weights, Whole, quantise, template
from .records import Minutiae, Reals
from .scores import FLOOR, LEVELS, Gallery

POOL, SEEDS, REAL, KEPT, TARGETS = 20_000, 1500, 400, 1500, 300
OF_DIRECTION = 268
SIZES = (12, 20, 40)
SPACINGS: tuple[float, ...] = (24.0, 32.0, 40.0, 50.0, 62.0, 76.0, 94.0, 112.0)
SKEWS, MOVED = (60.0, 76.0, 90.0), (0.0, 8.0, 16.0)
MOST, SIDE = 180, 1400.0


def mean_rows(seeds: Whole, pool: Whole, near: float) -> Whole:
    """For each seed the quantised mean of the pool's rows near it, and the mean of which way they point."""
    sums = (seeds @ pool.T >= near + OF_DIRECTION).astype(np.float32) @ pool
    whole, fits = quantise(sums[:, :SURROUNDINGS].astype(float) + 1e-9)
    turns = np.radians(15.0) * np.arange(POINTING // 2)
    cosines, sines = sums[:, SURROUNDINGS::2], sums[:, SURROUNDINGS + 1 :: 2]
    x = cosines @ np.cos(turns) + sines @ np.sin(turns)
    y = sines @ np.cos(turns) - cosines @ np.sin(turns)
    angles = np.rint(np.arctan2(y, x) * 128 / math.pi).astype(int) % 256
    return np.concatenate([whole, DIRECTIONS[angles].astype(np.float32)], 1)[fits]


def candidates(sets: Sequence[Whole], rng: np.random.Generator) -> Whole:
    """Real rows, and mean rows of several widths, each once."""
    pool = np.concatenate(sets)
    pool = pool[rng.permutation(len(pool))[:POOL]]
    seeds = pool[rng.permutation(len(pool))[:SEEDS]]
    narrow = mean_rows(seeds, pool, 307)
    wide = [mean_rows(seeds, pool, 230), mean_rows(seeds, pool, 270)]
    return np.unique(np.concatenate([seeds[:REAL], narrow, mean_rows(narrow, pool, 346), *wide]), axis=0)


class Craft:
    """The search for one set of rows."""

    def __init__(self, sets: Sequence[Whole], at: float, size: int, seed: tuple[int, ...]) -> None:
        rng = np.random.default_rng(seed)
        self._rows, self._size = candidates(sets, rng), size
        targets = [sets[i] for i in rng.permutation(len(sets))[:TARGETS]]
        sizes = np.array([len(rows) for rows in targets])
        self._starts = np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.int64)
        of_rows = np.stack([_levels((self._rows @ rows.T).max(1)) for rows in targets], 1).astype(np.int32)
        # Those that find most: a row that finds next to nothing is in no set that matches many.
        kept = np.argsort(-of_rows.sum(1), kind="stable")[:KEPT]
        self._rows, self._of_rows = self._rows[kept], of_rows[kept]
        self._of_columns = np.concatenate([_levels(self._rows @ rows.T) for rows in targets], 1)
        self._needed = np.floor(at * np.sqrt(max(size, FLOOR) * np.maximum(sizes, FLOOR))) + 1

    def _best(self, picked: list[int], power: int) -> int:
        """Which row added to these comes nearest to matching most; a high power counts near matches little."""
        rows = self._of_rows[picked].sum(0) + self._of_rows
        covered = self._of_columns[picked].max(0) if picked else np.zeros(self._of_columns.shape[1], np.int8)
        columns = np.add.reduceat(np.maximum(self._of_columns, covered), self._starts, axis=1, dtype=np.int32)
        reached = np.minimum(rows, self._needed) + np.minimum(columns, self._needed)
        return int(((reached / (2 * self._needed)) ** power).sum(1).argmax())

    def rows(self, exchanges: int = 2) -> Whole:
        """Greedily, then each row exchanged for a better one so many times over."""
        picked: list[int] = []
        for _ in range(self._size):
            picked.append(self._best(picked, 2))
        for turn in range(exchanges * self._size):
            place = turn % self._size
            picked[place] = self._best(picked[:place] + picked[place + 1 :], 6)
        return self._rows[picked]


def _levels(dots: Whole) -> npt.NDArray[np.int8]:
    return np.asarray(np.stack([dots >= level for level in LEVELS]).sum(0), np.int8)


@cache
def _patterns(seed: int) -> list[tuple[Reals, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Cells, owners and angles of all lattices: the same whatever the weights."""
    rng = np.random.default_rng([seed, 4])
    found = []
    for number, (spacing, skew) in enumerate((s, k) for s in SPACINGS for k in SKEWS):
        for moved in MOVED:
            made = _lattice(spacing, math.radians(skew), moved, (0, 128, 37)[number % 3], rng)
            owners, values = cylinders(made)
            found.append((values, owners, made.angles))
    return found


def lattices(weights: Weights, seed: int) -> list[Whole]:
    """Patterns of minutiae that the encoder does not refuse."""
    made = [template(values, owners, angles, weights) for values, owners, angles in _patterns(seed)]
    return [one.rows for one in made if one]


def _lattice(spacing: float, skew: float, moved: float, turning: int, rng: np.random.Generator) -> Minutiae:
    reach = int(SIDE / spacing) + 1
    steps = np.stack(np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1), indexing="ij"), -1).reshape(-1, 2)
    places = steps @ (spacing * np.array([[1.0, 0.0], [math.cos(skew), math.sin(skew)]]))
    places = places[(np.abs(places) < SIDE / 2).all(1)]
    places = places[np.argsort(np.hypot(*places.T), kind="stable")][:MOST]
    places = places + moved * rng.uniform(0, 1, (len(places), 1)) * _units(rng.uniform(0, math.tau, len(places)))
    angles = np.arange(len(places)) * turning % 256
    return Minutiae(places, angles * math.tau / 256, angles, np.full(len(places), 100))


def _units(angles: Reals) -> Reals:
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def matched(probes: Sequence[Whole], targets: Sequence[Whole], at: float) -> list[float]:
    """Of each probe the share of targets that it matches."""
    gallery = Gallery(targets)
    return [float((gallery.scores(probe) > at).mean()) for probe in probes]
