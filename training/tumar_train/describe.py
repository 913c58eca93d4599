"""What a folder of prints is like to a model: to lay synthetic prints beside real ones, or a site's beside those of the training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from . import rates
from .encode import Weights, Whole
from .figures import Json, of_rotation
from .mates import mated
from .prints import Print
from .scores import LEVELS, Gallery, all_pairs
from .thresholds import by_size

PERCENTILES = (5, 25, 50, 75, 95)
SAMPLE = 200
"""Prints whose hits are counted: every pair of them."""


def _percentiles(values: list[int] | list[float]) -> dict[str, float]:
    return {f"{percent} %": float(np.percentile(values, percent)) for percent in PERCENTILES}


def _hits(prints: list[Print], sets: Mapping[int, Whole]) -> dict[str, float]:
    """Of a stranger's row the chance that some row of another finger's print reaches the level: what thresholds are there to absorb."""
    places = sorted(sets)
    places = places[:: max(1, len(places) // SAMPLE)]
    reached, rows = np.zeros(len(LEVELS)), 0
    for place in places:
        others = [sets[other] for other in places if prints[other].finger != prints[place].finger]
        if not others:
            continue
        best = np.maximum.reduceat(sets[place] @ np.concatenate(others).T, Gallery(others).starts, axis=1)
        reached += [(best >= level).sum() for level in LEVELS]
        rows += best.size
    return {f"{level}": float(count) / max(rows, 1) for level, count in zip(LEVELS, reached.tolist(), strict=True)}


def describe(prints: list[Print], weights: Weights, at: Mapping[str, float]) -> Json:
    """Rows, hits between strangers, rotation, and FMR by size at these thresholds; EER and FNMR of the folder by itself."""
    sets = {place: made.rows for place, one in enumerate(prints) if (made := one.template(weights))}
    genuine, strangers = all_pairs(prints, sets)
    sizes = {place: len(rows) for place, rows in sets.items()}
    found: Json = {
        "prints": len(prints),
        "no template": len(prints) - len(sets),
        "minutiae": _percentiles([len(one.minutiae) for one in prints]),
        "rows": _percentiles(list(sizes.values())),
        "hits between strangers": _hits(prints, sets),
        "rotation": of_rotation(prints, mated(prints)),
        "genuine": len(genuine),
        "strangers": len(strangers),
    }
    if len(genuine) and len(strangers):
        found["eer"] = rates.eer(genuine.scores, strangers.scores)
        found["fnmr"] = {f"{rate:g}": rates.fnmr(genuine.scores, rates.threshold(strangers.scores, rate)) for rate in rates.TARGETS[:3]}
        found["mean fnmr from 1e-4 to 1e-2"] = rates.mean_fnmr(genuine.scores, strangers.scores)
    for name, value in at.items():
        found[f"at {name}"] = {
            "threshold": value,
            "fmr": rates.fmr(strangers.scores, value) if len(strangers) else None,
            "fnmr": rates.fnmr(genuine.scores, value) if len(genuine) else None,
            "fmr by size": by_size(sizes, strangers, value),
        }
    return found
