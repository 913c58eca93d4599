"""From cells to templates: the learned map, repeats, quantising, directions. The whole numbers are those of Tumar's own encoder."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .cells import VALUES, cylinders
from .records import Minutiae, Reals

Whole = npt.NDArray[np.float32]
"""Rows of whole numbers as 32-bit floats, which multiply faster and hold every dot of these exactly."""

SURROUNDINGS, POINTING = 128, 12
ROW = SURROUNDINGS + POINTING
HIDDEN = 384
LEAST_ROWS, MOST_ROWS = 4, 40
REPEATED, MOST_REPEATS = 0.45, 1
LARGEST, BAND = 7, 0.02
DIRECTIONS_DIGEST = "ec1d25495ca8a969347eac49ec11ed57b326d1821c944ffa8d26eb565759016c"


def _directions() -> npt.NDArray[np.int8]:
    """(256, 12): of pair j, 7 times cosine and sine of the angle and 15 j degrees more, rounded."""
    turns = [angle * math.tau / 256 + math.radians(15 * pair) for angle in range(256) for pair in range(POINTING // 2)]
    table = np.array([round(LARGEST * part) for turn in turns for part in (math.cos(turn), math.sin(turn))], np.int8).reshape(256, POINTING)
    # At ties the last bit of a sine decides: another mathematical library must not make another table.
    if hashlib.sha256(table.tobytes()).hexdigest() != DIRECTIONS_DIGEST:
        raise RuntimeError("this machine's sines make another table of directions than Tumar's terminals have")
    return table


DIRECTIONS = _directions()


@dataclass(frozen=True)
class Weights:
    """`W x + B relu(A x + a)` with `x = z - mean`, row by row, in 32-bit floats as the files have them."""

    mean: npt.NDArray[np.float32]
    """(480,)"""
    linear: npt.NDArray[np.float32]
    """W: (128, 480)"""
    hidden: npt.NDArray[np.float32]
    """A: (384, 480)"""
    hidden_bias: npt.NDArray[np.float32]
    """a: (384,)"""
    output: npt.NDArray[np.float32]
    """B: (128, 384)"""

    def unit_rows(self, values: npt.ArrayLike) -> Reals:
        """(n, 480) cells to (n, 128) rows of length 1, in double precision as the terminal computes them."""
        mean, linear, hidden, bias, output = self._double
        x = np.asarray(values, float) - mean
        return unit(x @ linear.T + np.maximum(x @ hidden.T + bias, 0) @ output.T)

    @cached_property
    def _double(self) -> tuple[Reals, Reals, Reals, Reals, Reals]:
        """All of them in double precision, made once: a print has few rows, and there are many prints."""
        mean, linear, hidden, bias, output = (part.astype(float) for part in (self.mean, self.linear, self.hidden, self.hidden_bias, self.output))
        return mean, linear, hidden, bias, output


SHAPES: dict[str, tuple[int, ...]] = {
    "mean": (VALUES,),
    "linear": (SURROUNDINGS, VALUES),
    "hidden": (HIDDEN, VALUES),
    "hidden_bias": (HIDDEN,),
    "output": (SURROUNDINGS, HIDDEN),
}


def unit(rows: Reals) -> Reals:
    """Each row over its length."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def without_repeats(rows: Reals) -> npt.NDArray[np.int64]:
    """Places of the rows that are like at most one other: noisy prints repeat themselves, and would hit by chance too often."""
    like = (rows @ rows.T > REPEATED).sum(1) - 1
    return np.nonzero(like <= MOST_REPEATS)[0]


def quantise(rows: Reals) -> tuple[Whole, npt.NDArray[np.bool_]]:
    """Whole numbers in -7..7 whose squared length is 6 d within 2 %, by bisection of the scale; and which rows have such a scale."""
    rows = unit(np.asarray(rows, float))
    count, columns = rows.shape
    goal = 6 * columns
    lower, upper = math.ceil(goal * (1 - BAND)), math.floor(goal * (1 + BAND))
    low, high = np.zeros(count), np.full(count, 64 * math.sqrt(columns))
    out, done = np.zeros((count, columns), np.float32), np.zeros(count, bool)
    for _ in range(60):
        scale = (low + high) / 2
        whole = np.clip(np.rint(scale[:, None] * rows), -LARGEST, LARGEST)
        length = (whole * whole).sum(1)
        fits = (lower <= length) & (length <= upper) & ~done
        out[fits] = whole[fits]
        done |= fits
        if done.all():
            break
        low, high = np.where(length < lower, scale, low), np.where(length < lower, high, scale)
    return out, done


@dataclass(frozen=True)
class Template:
    """4 to 40 rows of 140 whole numbers, best first, and of which minutia each is."""

    rows: Whole
    owners: npt.NDArray[np.int64]


def template(values: npt.ArrayLike, owners: npt.NDArray[np.int64], angles: npt.NDArray[np.int64], weights: Weights) -> Template | None:
    """A print's template from its cells; `None` where Tumar refuses it: fewer than 4 rows, or nothing but repeats.

    `owners` says of which minutia each cylinder is, `angles` which way each minutia points in 256ths of a turn.
    """
    if len(owners) < LEAST_ROWS:
        return None
    rows = weights.unit_rows(values)
    kept = without_repeats(rows)
    if len(kept) < LEAST_ROWS:
        return None
    whole, fits = quantise(rows[kept])
    kept, whole = kept[fits][:MOST_ROWS], whole[fits][:MOST_ROWS]
    if len(kept) < LEAST_ROWS:
        return None
    own = owners[kept]
    return Template(np.concatenate([whole, DIRECTIONS[angles[own]].astype(np.float32)], 1), own)


def encode(minutiae: Minutiae, weights: Weights) -> Template | None:
    """A capture's template, or `None` as :func:`template` says."""
    owners, values = cylinders(minutiae)
    return template(values, owners, minutiae.angles, weights)
