"""Cross-validation by person: five trainings, each tried on the people that it did not see."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from . import attack, learn, rates
from .batches import Batches
from .encode import Template, Weights, Whole
from .jitter import Copy, copies
from .learn import Settings
from .mates import Mates
from .prints import Print, Prints
from .scores import Scores, all_pairs
from .start import analysis

FOLDS = 5
CRAFTED_ROWS, CRAFTED_SEEDS = 20, 3

Say = Callable[[str], None]


class TooFewPairs(ValueError):
    """People that can not be parted into folds with pairs in them."""


@dataclass
class Material:
    """What every training of a folder starts from."""

    prints: Prints
    mates: dict[tuple[int, int], Mates]
    seed: int

    @cached_property
    def copies(self) -> list[list[Copy]]:
        """Of each print itself and its copies."""
        return [copies(one, (self.seed, 5, place)) for place, one in enumerate(self.prints.all)]

    def train(self, places: list[int], settings: Settings, checkpoint: Path | None, say: Say) -> Weights:
        """Trains on these prints alone."""
        first = learn.start(*analysis(self.prints.all, places, self.mates), settings.seed)
        done = learn.finished(first, settings, checkpoint)
        return done or learn.train(Batches(self.prints.all, self.copies, places), first, settings, checkpoint, say)


def folds(prints: list[Print]) -> npt.NDArray[np.int64]:
    """Of each print the fold that its person is tried in; the people of each set are dealt out in turn."""
    people: dict[str, list[str]] = {}
    for one in prints:
        known = people.setdefault(one.line.db, [])
        if one.line.who not in known:
            known.append(one.line.who)
    # One who stands in several sets is tried once.
    fold: dict[str, int] = {}
    for known in people.values():
        for place, who in enumerate(sorted(known)):
            fold.setdefault(who, place % FOLDS)
    return np.array([fold[one.line.who] for one in prints])


@dataclass
class Validated:
    """What people scored in the fold that did not see them, and what probes match that were crafted on the others."""

    genuine: Scores
    strangers: Scores
    sets: dict[int, Template]
    """Of each print, by the fold that did not see it."""
    fold: npt.NDArray[np.int64]
    weights: list[Weights]
    rows: list[tuple[Whole, int]]
    """Crafted sets of rows, and the fold that they were not made on."""
    minutiae: list[tuple[Whole, int]]
    """Lattices by the weights of a fold, likewise."""


def _fold_weights(material: Material, settings: Settings, fold: npt.NDArray[np.int64], work: Path, say: Say) -> list[Weights]:
    found = []
    for k in range(FOLDS):
        places = np.nonzero(fold != k)[0].tolist()

        def told(text: str, k: int = k) -> None:
            say(f"fold {k + 1} of {FOLDS}: {text}")

        found.append(material.train(places, settings, work / f"fold-{k + 1}.npz", told))
    return found


def validate(material: Material, settings: Settings, work: Path, say: Say) -> Validated:
    """Trains and tries all folds. What is in `work` of the same prints and settings is gone on with."""
    prints = material.prints.all
    fold = folds(prints)
    work.mkdir(parents=True, exist_ok=True)
    weights = _fold_weights(material, settings, fold, work, say)
    sets: dict[int, Template] = {}
    genuine: list[Scores] = []
    strangers: list[Scores] = []
    for k in range(FOLDS):
        held = {}
        for place in np.nonzero(fold == k)[0].tolist():
            made = prints[place].template(weights[k])
            if made:
                held[place] = made
        sets |= held
        pairs = all_pairs(prints, {place: made.rows for place, made in held.items()})
        for kind, found in zip((genuine, strangers), pairs, strict=True):
            kind.append(found)
    result = Validated(Scores.joined(genuine), Scores.joined(strangers), sets, fold, weights, [], [])
    if not len(result.genuine) or not len(result.strangers):
        raise TooFewPairs("the people of a fold leave no pairs to compare: more people with two prints each are needed")
    _craft(material, result, settings, say)
    return result


def _craft(material: Material, result: Validated, settings: Settings, say: Say) -> None:
    at = rates.threshold(result.strangers.scores, 1e-4)
    for k in range(FOLDS):
        seen = [material.prints.all[place].template(result.weights[k]) for place in np.nonzero(result.fold != k)[0]]
        sets = [made.rows for made in seen if made]

        def rows(seed: int, sets: list[Whole] = sets) -> Whole:
            return attack.Craft(sets, at, CRAFTED_ROWS, (settings.seed, 6, seed)).rows()

        # Each search has chance of its own: what it finds does not depend on which others run beside it.
        with ThreadPoolExecutor(min(CRAFTED_SEEDS, os.cpu_count() or 1)) as searches:
            result.rows += [(found, k) for found in searches.map(rows, range(CRAFTED_SEEDS))]
        result.minutiae += [(rows, k) for rows in attack.lattices(result.weights[k], settings.seed)]
        say(f"fold {k + 1} of {FOLDS}: probes crafted")
