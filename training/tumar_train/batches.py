"""What a step of the training sees: some fingers, two prints of each."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .cells import MIRROR, VALUES
from .encode import MOST_ROWS
from .jitter import LEAST_CYLINDERS, Copy
from .prints import Print

F32 = npt.NDArray[np.float32]

MIRRORED, CHANGED, LITTLE = 0.3, 0.6, 0.8
"""Shares: of fingers mirrored, which are other fingers; of prints a copy is taken of; of prints that are turned a little only."""
TURNED, TURNED_MORE, OF_COPY = 0.12, 0.30, 0.06
"""Standard deviations of the turn of a print, in radians: 7 degrees, 17 of one in five; and of each minutia of a copy, 3."""


@dataclass(frozen=True)
class Batch:
    """Two prints each of n fingers; the first axis is which of the two."""

    values: F32
    """(2, n, 40, 480)"""
    present: F32
    """(2, n, 40): 1 where there is a cylinder."""
    directions: F32
    """(2, n, 40): radians."""


class Batches:
    """Draws fingers of all collections alike, so that a large one does not drown a small one."""

    def __init__(self, prints: list[Print], copies: list[list[Copy]], places: Collection[int]) -> None:
        self._copies = copies
        self._fingers: dict[str, list[int]] = {}
        collections: dict[str, list[str]] = {}
        for place in places:
            if len(prints[place].owners) >= LEAST_CYLINDERS:
                self._fingers.setdefault(prints[place].finger, []).append(place)
        of = {prints[place].finger: prints[place].line.collection for place in places}
        for finger, own in self._fingers.items():
            if len(own) > 1:
                collections.setdefault(of[finger], []).append(finger)
        # The smallest first: what it can not fill, the larger ones do.
        self._collections = sorted(collections.values(), key=lambda fingers: (len(fingers), fingers))

    @property
    def fingers(self) -> int:
        """How many have two prints."""
        return sum(map(len, self._collections))

    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """So many fingers, or all if there are fewer."""
        chosen: list[str] = []
        for place, fingers in enumerate(self._collections):
            share = (count - len(chosen)) // (len(self._collections) - place)
            chosen += [fingers[i] for i in rng.choice(len(fingers), min(share, len(fingers)), replace=False)]
        values = np.zeros((2, len(chosen), MOST_ROWS, VALUES), np.float32)
        present, directions = (np.zeros((2, len(chosen), MOST_ROWS), np.float32) for _ in range(2))
        for place, finger in enumerate(chosen):
            two = rng.choice(len(self._fingers[finger]), 2, replace=False)
            mirrored = rng.random() < MIRRORED
            for side in range(2):
                copies = self._copies[self._fingers[finger][two[side]]]
                which = int(rng.integers(len(copies))) if rng.random() < CHANGED else 0
                cells, turned = copies[which]
                turned = turned + (rng.normal(0, OF_COPY, len(turned)) if which else 0.0)
                turned = turned + rng.normal(0, TURNED if rng.random() < LITTLE else TURNED_MORE)
                rows = min(len(cells), MOST_ROWS)
                values[side, place, :rows] = (cells[:, MIRROR] if mirrored else cells)[:rows]
                directions[side, place, :rows] = (math.pi - turned if mirrored else turned)[:rows]
                present[side, place, :rows] = 1
        return Batch(values, present, directions)
