"""Which minutiae of two prints are the same: by likeness of surroundings, the best rigid hypothesis, and refinement.

What the start of the training is learned from, how far a finger lay turned, and what says that two prints are of one finger.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .cells import DIRECTIONS, wrap
from .encode import unit
from .prints import Print, by_finger
from .records import Reals

HYPOTHESES = 40
MOST_TURNED = 1.6
NEAR, TURNED = 15.0, math.radians(26)
LEAST_OF_HYPOTHESIS, LEAST_OF_REFINEMENT, LEAST_MATES = 6, 5, 10

Pairs = npt.NDArray[np.int64]
"""(n, 2): places of a minutia in the one print and in the other."""
NONE: Pairs = np.zeros((0, 2), np.int64)


@dataclass(frozen=True)
class Mates:
    """Mated minutiae of two prints, and how the first is turned onto the second, in radians counter-clockwise."""

    pairs: Pairs
    turned: float


def plain_rows(values: Reals) -> Reals:
    """Rows without anything learned: cells less their mean over the finger's area, of length 1."""
    valid = np.repeat(values.reshape(len(values), -1, DIRECTIONS).max(2) > 0, DIRECTIONS, 1)
    mean = values.sum(1, keepdims=True) / np.maximum(valid.sum(1, keepdims=True), 1)
    return unit((values - mean) * valid)


def _mutual(a: Reals, of_a: Reals, b: Reals, of_b: Reals, near: float, turned: float) -> Pairs:
    """Pairs of places that are each other's nearest, if near enough and pointing the same way."""
    apart = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))
    apart[(apart > near) | (np.abs(wrap(of_a[:, None] - of_b[None])) > turned)] = np.inf
    forth, back = apart.argmin(1), apart.argmin(0)
    own = np.arange(len(a))
    kept = own[(back[forth] == own) & np.isfinite(apart[own, forth])]
    return np.stack([kept, forth[kept]], 1)


def _turn(angle: float) -> Reals:
    """For row vectors: counter-clockwise by this angle."""
    return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def align(one: Print, other: Print, likeness: Reals) -> Mates:
    """`likeness` is of the one's cylinders with the other's, row by row."""
    a, of_a = one.minutiae.places, one.minutiae.directions
    b, of_b = other.minutiae.places, other.minutiae.directions
    best, turned, placed = 0, 0.0, a
    flat = likeness.ravel()
    few = min(HYPOTHESES, len(flat))
    likely = np.argpartition(-flat, few - 1)[:few]
    for q in likely[np.argsort(-flat[likely], kind="stable")]:
        i, j = one.owners[q // likeness.shape[1]], other.owners[q % likeness.shape[1]]
        angle = float(wrap(of_b[j] - of_a[i]))
        if abs(angle) > MOST_TURNED:
            continue
        moved = (a - a[i]) @ _turn(angle) + b[j]
        near = np.hypot(*(moved[:, None] - b[None]).transpose(2, 0, 1)) < NEAR
        near &= np.abs(wrap(of_a[:, None] + angle - of_b[None])) < TURNED
        agreeing = int(min(near.any(1).sum(), near.any(0).sum()))
        if agreeing > best:
            best, turned, placed = agreeing, angle, moved
    if best < LEAST_OF_HYPOTHESIS:
        return Mates(NONE, 0.0)
    for _ in range(3):
        pairs = _mutual(placed, of_a + turned, b, of_b, NEAR, 0.45)
        if len(pairs) < LEAST_OF_REFINEMENT:
            return Mates(NONE, 0.0)
        # The rotation of least squares between both centres (Procrustes).
        x, y = a[pairs[:, 0]], b[pairs[:, 1]]
        u, v = x - x.mean(0), y - y.mean(0)
        turned = math.atan2(float((u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]).sum()), float((u * v).sum()))
        placed = (a - x.mean(0)) @ _turn(turned) + y.mean(0)
    return Mates(_mutual(placed, of_a + turned, b, of_b, NEAR - 1, 0.4), turned)


def mated(prints: list[Print]) -> dict[tuple[int, int], Mates]:
    """Of every two prints of a finger, by their places."""
    rows = [plain_rows(one.values) for one in prints]
    found = {}
    for places in by_finger(prints).values():
        for index, i in enumerate(places):
            for j in places[index + 1 :]:
                found[i, j] = align(prints[i], prints[j], rows[i] @ rows[j].T)
    return found
