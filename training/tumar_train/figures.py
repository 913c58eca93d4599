"""What a model card says in numbers. Everything is of prints that the model in question did not see."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import attack, rates
from .cross import Validated
from .encode import DIRECTIONS, SURROUNDINGS
from .folder import Threshold
from .mates import LEAST_MATES, Mates
from .prints import Print, Prints, by_finger
from .records import Reals
from .scores import Gallery, Scores
from .thresholds import by_size, from_validation, key, pairs_of_fingers, supported

TURNS = (0, 30, 45, 60)
OF_CARD = ("1e-2", "1e-3", "1e-4", "1e-5")

Json = dict[str, Any]


def of_data(prints: Prints) -> Json:
    """Who is in it, by collection, sensor, group and licence as the index states them."""

    def count(chosen: list[Print]) -> Json:
        fingers = by_finger(chosen)
        return {
            "people": len({one.line.who for one in chosen}),
            "fingers": len(fingers),
            "fingers with two prints": sum(len(places) > 1 for places in fingers.values()),
            "prints": len(chosen),
        }

    data: Json = {"all": count(prints.all), "refused": len(prints.refused), "digest": prints.digest}
    for name in ("collection", "sensor", "group", "licence"):
        values = sorted({getattr(one.line, name) or "not stated" for one in prints.all})
        data[name] = {value: count([one for one in prints.all if (getattr(one.line, name) or "not stated") == value]) for value in values}
    return data


def _chosen(scores: Scores, places: npt.NDArray[np.bool_]) -> Scores:
    """Pairs of which both prints are chosen."""
    both = places[scores.of].all(1) if len(scores) else np.zeros(0, bool)
    return Scores(scores.of[both], scores.scores[both])


def of_rates(prints: list[Print], genuine: Scores, strangers: Scores, replicates: int, seed: int) -> Json:
    """EER and FNMR with intervals by finger, of pairs that there are."""
    if not len(genuine) or not len(strangers):
        return {"genuine": len(genuine), "strangers": len(strangers)}
    names = {finger: number for number, finger in enumerate(by_finger(prints))}
    used = np.unique(np.concatenate([genuine.of.ravel(), strangers.of.ravel()]))
    numbers = np.zeros(len(prints), np.int64)
    _, numbers[used] = np.unique([names[prints[place].finger] for place in used], return_inverse=True)
    bootstrap = rates.Bootstrap(genuine, strangers, numbers, replicates, seed)
    pairs = pairs_of_fingers(prints, strangers)
    low, high = bootstrap.eer()
    found: Json = {
        "genuine": len(genuine),
        "strangers": len(strangers),
        "pairs of fingers": pairs,
        "eer": {"value": rates.eer(genuine.scores, strangers.scores), "low": low, "high": high},
        "mean fnmr from 1e-4 to 1e-2": rates.mean_fnmr(genuine.scores, strangers.scores),
        "fnmr": {},
    }
    for rate in rates.TARGETS:
        low, high = bootstrap.fnmr_at(rate)
        value = rates.fnmr(genuine.scores, rates.threshold(strangers.scores, rate))
        found["fnmr"][key(rate)] = {"value": value, "low": low, "high": high, "supported": supported(rate, pairs)}
    return found


def of_parts(prints: list[Print], strangers: Scores, thresholds: Mapping[str, Threshold], what: str) -> Json:
    """FMR at each threshold among strangers of one sensor, or of one group."""
    values = np.array([getattr(one.line, what) or "not stated" for one in prints])
    found: Json = {}
    for value in sorted(set(values.tolist())):
        chosen = _chosen(strangers, values == value)
        if len(chosen):
            found[value] = {"strangers": len(chosen)} | {name: rates.fmr(chosen.scores, at.value) for name, at in thresholds.items()}
    return found


def of_left_out(prints: list[Print], strangers: Scores) -> Json:
    """FMR of each collection at thresholds that all others set, as multiples of the nominal rate."""
    collections = np.array([one.line.collection for one in prints])
    names = sorted(set(collections.tolist()))
    if len(names) < 2:
        return {}
    found: Json = {}
    for name in names:
        own, others = _chosen(strangers, collections == name), _chosen(strangers, collections != name)
        if not len(own) or not len(others):
            continue
        at = {key(rate): rates.threshold(others.scores, rate) for rate in rates.TARGETS[:3]}
        found[name] = {"strangers": len(own)} | {rate: rates.fmr(own.scores, value) / float(rate) for rate, value in at.items()}
    return found


def _spread(shares: list[float] | Reals) -> Json:
    values = np.asarray(shares, float)
    if not len(values):
        return {"probes": 0}
    return {"probes": len(values), "worst": float(values.max()), "mean": float(values.mean()), "median": float(np.median(values))}


def of_crafted(validated: Validated, thresholds: Mapping[str, Threshold]) -> Json:
    """Shares of strangers that crafted probes match, beside those that honest prints do."""
    found: Json = {}
    held = {fold: [made.rows for place, made in validated.sets.items() if validated.fold[place] == fold] for fold in sorted(set(validated.fold.tolist()))}
    ends = validated.strangers.of.ravel()
    compared = np.bincount(ends, minlength=len(validated.fold))
    for name, at in thresholds.items():
        hits = np.bincount(validated.strangers.of[validated.strangers.scores > at.value].ravel(), minlength=len(validated.fold))
        found[name] = {"honest prints": _spread(hits[compared > 0] / compared[compared > 0])}
        for kind, probes in (("crafted rows", validated.rows), ("crafted minutiae", validated.minutiae)):
            found[name][kind] = _spread([attack.matched([rows], held[fold], at.value)[0] for rows, fold in probes])
    return found


def of_rotation(prints: list[Print], mates: Mapping[tuple[int, int], Mates]) -> Json:
    """How far mated prints are turned against each other, in degrees, by collection: percentiles of the amount."""
    turned: dict[str, list[float]] = {}
    for (i, _), mate in mates.items():
        if len(mate.pairs) >= LEAST_MATES:
            turned.setdefault(prints[i].line.collection, []).append(abs(math.degrees(mate.turned)))
    return {
        name: {"pairs": len(values)} | {f"{percent} %": float(np.percentile(values, percent)) for percent in (50, 95, 99, 100)}
        for name, values in sorted(turned.items())
    }


def of_turned(prints: list[Print], validated: Validated, thresholds: Mapping[str, Threshold]) -> Json:
    """FNMR if every probe had been turned by so many degrees more: what the direction in the rows costs."""
    found: Json = {f"{turn} degrees": {} for turn in TURNS}
    scores: dict[int, list[float]] = {turn: [] for turn in TURNS}
    for i, j in validated.genuine.of.tolist():
        probe, reference = validated.sets[j], Gallery([validated.sets[i].rows])
        angles = prints[j].minutiae.angles[probe.owners]
        for turn in TURNS:
            rows = probe.rows.copy()
            rows[:, SURROUNDINGS:] = DIRECTIONS[(angles + round(turn * 256 / 360)) % 256]
            scores[turn].append(float(reference.scores(rows)[0]))
    for turn in TURNS:
        for name, at in thresholds.items():
            found[f"{turn} degrees"][name] = rates.fnmr(np.array(scores[turn]), at.value)
    return found


def of_model(prints: Prints, validated: Validated, mates: Mapping[tuple[int, int], Mates], replicates: int, seed: int) -> tuple[Json, dict[str, Threshold]]:
    """All figures of a model from its cross-validation, and its thresholds."""
    own = prints.all
    thresholds = from_validation(own, validated.strangers)
    collections = np.array([one.line.collection for one in own])
    by_collection = {
        name: of_rates(own, _chosen(validated.genuine, collections == name), _chosen(validated.strangers, collections == name), replicates, seed)
        for name in sorted(set(collections.tolist()))
    }
    sizes = {place: len(made.rows) for place, made in validated.sets.items()}
    figures: Json = {
        "data": of_data(prints),
        "thresholds": {name: {"value": one.value, "measured": one.measured} for name, one in thresholds.items()},
        "rates": {"all": of_rates(own, validated.genuine, validated.strangers, replicates, seed)} | by_collection,
        "no template": sum(place not in validated.sets for place in range(len(own))),
        "fmr by size": {name: by_size(sizes, validated.strangers, one.value) for name, one in thresholds.items()},
        "fmr by sensor": of_parts(own, validated.strangers, thresholds, "sensor"),
        "fmr by group": of_parts(own, validated.strangers, thresholds, "group"),
        "fmr of collections left out, times the nominal": of_left_out(own, validated.strangers),
        "crafted": of_crafted(validated, thresholds),
        "rotation": of_rotation(own, mates),
        "fnmr if turned": of_turned(own, validated, thresholds),
    }
    return figures, thresholds


def curves(prints: list[Print], validated: Validated) -> dict[str, tuple[Reals, Reals]]:
    """For the plot: everybody, and each collection."""
    collections = np.array([one.line.collection for one in prints])
    found = {"all": rates.trade_off(validated.genuine.scores, validated.strangers.scores)}
    names = sorted(set(collections.tolist()))
    for name in names if len(names) > 1 else []:
        genuine, strangers = (_chosen(scores, collections == name).scores for scores in (validated.genuine, validated.strangers))
        if len(genuine) and len(strangers):
            found[name] = rates.trade_off(genuine, strangers)
    return found
