"""Thresholds: from strangers' scores, and only for rates that there are fingers enough for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import rates
from .folder import Threshold
from .prints import Print
from .scores import Scores

BUCKETS = ((4, 11), (12, 19), (20, 29), (30, 39), (40, 40))
"""Rows of the smaller template."""
STEP = 1e-4


class TooFew(ValueError):
    """Strangers that are too few to set a threshold for a rate."""


def key(rate: float) -> str:
    """As tables of models write it: 1e-4."""
    mantissa, exponent = f"{rate:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def upward(value: float) -> float:
    """Rounded up: what is let in at the rounded threshold was let in at the true one."""
    return round(float(np.ceil(value / STEP - 1e-9)) * STEP, 4)


def pairs_of_fingers(prints: list[Print], strangers: Scores) -> int:
    """How many pairs of fingers the strangers' scores are of: the trials that count."""
    numbers = {finger: number for number, finger in enumerate(sorted({one.finger for one in prints}))}
    own = np.array([numbers[one.finger] for one in prints])
    two = np.sort(own[strangers.of], axis=1)
    return len(np.unique(two[:, 0] * len(numbers) + two[:, 1]))


def supported(rate: float, pairs: int) -> bool:
    """Whether none of so many pairs would be evidence for the rate: the rule of three."""
    return pairs * rate >= 3


def from_validation(prints: list[Print], strangers: Scores) -> dict[str, Threshold]:
    """For the table of a model: measured where fingers are enough, and told as not supported where they are not.

    Where fewer than three strangers are expected above it, the threshold rises by as much as it did over the decade before, and at least
    by a tenth, and is never below what the strangers themselves say.
    """
    pairs = pairs_of_fingers(prints, strangers)
    found: dict[str, Threshold] = {}
    values = [rates.threshold(strangers.scores, 1e-1)]
    for rate in rates.TARGETS:
        value = rates.threshold(strangers.scores, rate)
        measured = supported(rate, pairs)
        if not measured:
            step = max(values[-1] - values[-2], 0.1) if len(values) > 1 else 0.1
            value = max(value, values[-1] + step) if rate * len(strangers) < 3 else value
        # A bound of 1 is above every count that can be.
        values.append(min(max(upward(value), values[-1], STEP), 0.9999))
        found[key(rate)] = Threshold(values[-1], measured)
    return found


@dataclass(frozen=True)
class SiteRate:
    """A site's threshold for one rate, and what there is to say for it."""

    rate: float
    threshold: float
    interval: tuple[float, float]
    """Of the FMR at this threshold, over other draws of fingers."""
    by_size: dict[str, tuple[int, float]]
    """By the rows of the smaller template: pairs, FMR."""


def of_site(prints: list[Print], sizes: dict[int, int], strangers: Scores, rate: float, replicates: int, seed: int) -> SiteRate:
    """Sets a threshold on strangers' prints of the site's own sensor; `TooFew` where they are too few for the rate."""
    fingers = {finger: number for number, finger in enumerate(sorted({one.finger for one in prints}))}
    pairs = pairs_of_fingers(prints, strangers)
    if not supported(rate, pairs):
        raise TooFew(
            f"{len(fingers)} fingers are {pairs} pairs of fingers, too few for {key(rate)}: the rule of three asks for {round(3 / rate)},"
            f" that is {rates.fingers_needed(rate)} fingers; more prints of the same fingers do not help"
        )
    at = upward(rates.threshold(strangers.scores, rate))
    own = np.array([fingers[one.finger] for one in prints])
    none = Scores(np.zeros((0, 2), np.int64), np.zeros(0))
    interval = rates.Bootstrap(none, strangers, own, replicates, seed).fmr_above(at)
    return SiteRate(rate, at, interval, by_size(sizes, strangers, at))


def by_size(sizes: dict[int, int], strangers: Scores, at: float) -> dict[str, tuple[int, float]]:
    """FMR by the rows of the smaller template, with the number of pairs."""
    smaller = np.minimum(*(np.array([sizes[place] for place in column]) for column in strangers.of.T.tolist())) if len(strangers) else np.zeros(0)
    found = {}
    for low, high in BUCKETS:
        chosen = strangers.scores[(low <= smaller) & (smaller <= high)]
        if len(chosen):
            found[f"{low}-{high}" if low < high else str(low)] = (len(chosen), rates.fmr(chosen, at))
    return found
