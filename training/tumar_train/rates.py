"""Error rates in the terms of ISO/IEC 19795-1, with intervals by a bootstrap over fingers. A score above the threshold matches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .records import Reals
from .scores import Scores

TARGETS = (1e-2, 1e-3, 1e-4, 1e-5)


def threshold(strangers: Reals, rate: float) -> float:
    """The least score above which at most this share of strangers lies."""
    falling = np.sort(strangers)[::-1]
    return float(falling[min(int(len(falling) * rate + 1e-9), len(falling) - 1)])


def fmr(strangers: Reals, at: float) -> float:
    """Share of strangers that match."""
    return float((strangers > at).mean()) if len(strangers) else float("nan")


def fnmr(genuine: Reals, at: float) -> float:
    """Share of genuine comparisons that do not."""
    return float((genuine <= at).mean()) if len(genuine) else float("nan")


def eer(genuine: Reals, strangers: Reals) -> float:
    """The mean of FMR and FNMR at the threshold where they are nearest."""
    levels = np.unique(np.concatenate([genuine, strangers]))
    above = 1 - np.searchsorted(np.sort(strangers), levels, side="right") / len(strangers)
    missed = np.searchsorted(np.sort(genuine), levels, side="right") / len(genuine)
    place = int(np.argmin(np.abs(above - missed)))
    return float(above[place] + missed[place]) / 2


def mean_fnmr(genuine: Reals, strangers: Reals) -> float:
    """FNMR in the mean over 21 rates from 1e-4 to 1e-2, evenly by their logarithm."""
    return float(np.mean([fnmr(genuine, threshold(strangers, rate)) for rate in np.logspace(-4, -2, 21)]))


def trade_off(genuine: Reals, strangers: Reals) -> tuple[Reals, Reals]:
    """FMR and FNMR at every threshold where there is a stranger, the strictest first."""
    levels = np.unique(strangers)[::-1]
    above = 1 - np.searchsorted(np.sort(strangers), levels, side="right") / len(strangers)
    missed = np.searchsorted(np.sort(genuine), levels, side="right") / len(genuine)
    return above, missed


@dataclass(frozen=True)
class Figure:
    """A rate and its interval of 95 %."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


class Bootstrap:
    """Draws fingers anew, as many as there are.

    A genuine pair counts as often as its finger was drawn, one of strangers as often as the product of both.
    """

    def __init__(self, genuine: Scores, strangers: Scores, fingers: npt.NDArray[np.int64], replicates: int, seed: int) -> None:
        """`fingers` says of each print which finger it is of, from 0."""
        count = int(fingers.max()) + 1
        rng = np.random.default_rng([seed, 3])
        self._draws = [np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(replicates)]
        self._own = fingers[genuine.of[:, 0]] if len(genuine) else np.zeros(0, np.int64)
        self._genuine = genuine.scores
        # Only the strangers' tail decides at rates of 2 % and less; the others count by their fingers alone.
        two = fingers[strangers.of]
        self._pairs = np.zeros((count, count))
        np.add.at(self._pairs, (two[:, 0], two[:, 1]), 1.0)
        order = np.argsort(-strangers.scores, kind="stable")[: max(1000, len(strangers) // 16)]
        self._tail, self._two = strangers.scores[order], two[order]
        self._whole = len(order) == len(strangers)

    def _weighed(self, draw: npt.NDArray[np.int64]) -> tuple[Reals, Reals]:
        """Of each of the tail the share of strangers up to it, and of each genuine score its weight."""
        total = max(float(draw @ self._pairs @ draw), 1.0)
        return np.cumsum(draw[self._two[:, 0]] * draw[self._two[:, 1]]) / total, draw[self._own].astype(float)

    def fnmr_at(self, rate: float) -> tuple[float, float]:
        """The interval of FNMR where each replicate sets its own threshold for this rate."""
        found = []
        for draw in self._draws:
            shares, weights = self._weighed(draw)
            at = self._tail[min(int(np.searchsorted(shares, rate + 1e-12, side="right")), len(self._tail) - 1)]
            found.append((weights * (self._genuine <= at)).sum() / max(weights.sum(), 1.0))
        return _interval(found)

    def fmr_above(self, at: float) -> tuple[float, float]:
        """The interval of FMR at a fixed threshold."""
        count = int((self._tail > at).sum())
        return _interval([float(self._weighed(draw)[0][count - 1]) if count else 0.0 for draw in self._draws])

    def eer(self) -> tuple[float, float]:
        """The interval of the EER, as far as the tail reaches."""
        order = np.argsort(self._genuine, kind="stable")
        rising = self._genuine[order]
        upto = np.searchsorted(rising, self._tail, side="right")
        found = []
        for draw in self._draws:
            shares, weights = self._weighed(draw)
            missed = np.concatenate([[0.0], np.cumsum(weights[order])])[upto] / max(weights.sum(), 1.0)
            place = int(np.argmin(np.abs(shares - missed)))
            found.append(float(shares[place] + missed[place]) / 2)
        return _interval(found)


def _interval(found: list[float]) -> tuple[float, float]:
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def fingers_needed(rate: float) -> int:
    """How many strangers' fingers a threshold for this rate takes, by the rule of three over pairs of fingers.

    However many prints a finger has, two fingers are one trial: their prints match or do not together. If none of m trials matches, the rate
    is at most 3 / m with 95 % confidence, and n fingers are n (n - 1) / 2 trials. These share fingers and are no m independent ones: what
    that costs, the interval by bootstrap over fingers says.
    """
    return int(np.ceil(0.5 + np.sqrt(0.25 + 2 * 3 / rate)))
