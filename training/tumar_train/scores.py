"""Scores as the nodes compute them on shares, in the clear: the smaller of both counts over the root of both sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .encode import Whole
from .prints import Print
from .records import Reals

LEVELS = (614, 691, 768)
FLOOR = 20


class Gallery:
    """References side by side, to be scored at once."""

    def __init__(self, sets: Sequence[Whole]) -> None:
        self.sizes = np.array([len(rows) for rows in sets])
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)])[:-1].astype(np.int64)
        self._rows = np.concatenate(sets) if len(sets) else np.zeros((0, 140), np.float32)

    def counts(self, probe: Whole) -> npt.NDArray[np.int64]:
        """(2, n): of the probe's rows, and of each reference's."""
        dots = probe @ self._rows.T
        of_rows = np.maximum.reduceat(dots, self.starts, axis=1)
        of_columns = dots.max(0)
        probes = sum(((of_rows >= level).sum(0) for level in LEVELS), np.zeros(len(self.sizes), np.int64))
        reached = sum(((of_columns >= level).astype(np.int64) for level in LEVELS), np.zeros(len(of_columns), np.int64))
        return np.stack([probes, np.add.reduceat(reached, self.starts)])

    def scores(self, probe: Whole) -> Reals:
        """(n,): accepted is what lies above a threshold."""
        return np.asarray(self.counts(probe).min(0) / np.sqrt(max(len(probe), FLOOR) * np.maximum(self.sizes, FLOOR)))


@dataclass(frozen=True)
class Scores:
    """Of pairs: which two prints by their places, and the score. `of` is (n, 2)."""

    of: npt.NDArray[np.int64]
    scores: Reals

    def __len__(self) -> int:
        return len(self.scores)

    @staticmethod
    def joined(all_: Sequence[Scores]) -> Scores:
        """All of these as one."""
        return Scores(np.concatenate([one.of for one in all_]), np.concatenate([one.scores for one in all_]))


def all_pairs(prints: list[Print], sets: dict[int, Whole], across: bool = False) -> tuple[Scores, Scores]:
    """Genuine and strangers' scores of the prints that have a set, by their places; the earlier is the reference.

    Strangers are of one collection unless `across`: those of another sensor or of larger prints are told apart more easily.
    """
    places = sorted(sets, key=lambda place: (prints[place].line.collection, place))
    found: tuple[list[Scores], list[Scores]] = ([], [])
    collection = np.array([prints[place].line.collection for place in places])
    finger = np.array([prints[place].finger for place in places])
    own = np.array(places, np.int64)
    for at, place in enumerate(places[1:], 1):
        before = np.arange(at) if across else np.nonzero(collection[:at] == collection[at])[0]
        if not len(before):
            continue
        scores = Gallery([sets[places[i]] for i in before]).scores(sets[place])
        same = finger[before] == finger[at]
        for kind, chosen in zip(found, (same, ~same), strict=True):
            of = np.stack([own[before[chosen]], np.full(chosen.sum(), place)], 1)
            kind.append(Scores(of, scores[chosen]))
    none = Scores(np.zeros((0, 2), np.int64), np.zeros(0))
    return Scores.joined([none, *found[0]]), Scores.joined([none, *found[1]])
