"""Where training starts: a two-covariance discriminant analysis of mated minutiae (S. Ioffe, ECCV 2006; N. Brümmer, E. de Villiers,
Odyssey 2010)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from .encode import SURROUNDINGS
from .mates import LEAST_MATES, Mates
from .prints import Print
from .records import Reals

RIDGE = 0.01


class TooFewMates(ValueError):
    """Prints of which too few minutiae are found again in the finger's other prints."""


def differences(prints: list[Print], places: Collection[int], mates: Mapping[tuple[int, int], Mates]) -> Reals:
    """(n, 480): of cells of mated minutiae, in pairs of these prints that agree in at least ten."""
    kept = set(places)
    found = []
    for (i, j), mate in mates.items():
        if len(mate.pairs) < LEAST_MATES or i not in kept or j not in kept:
            continue
        of_i = {int(owner): row for row, owner in enumerate(prints[i].owners)}
        of_j = {int(owner): row for row, owner in enumerate(prints[j].owners)}
        both = [(of_i[p], of_j[q]) for p, q in mate.pairs.tolist() if p in of_i and q in of_j]
        if both:
            rows_i, rows_j = map(list, zip(*both, strict=True))
            found.append(prints[i].values[rows_i] - prints[j].values[rows_j])
    made = np.concatenate(found) if found else np.zeros((0, 480))
    if len(made) < 2 * SURROUNDINGS:
        raise TooFewMates(f"only {len(made)} minutiae are found again in another print of their finger, {2 * SURROUNDINGS} are needed")
    return made


def analysis(prints: list[Print], places: Collection[int], mates: Mapping[tuple[int, int], Mates]) -> tuple[Reals, Reals]:
    """The mean cylinder (480,), and the linear map (128, 480) whose rows' mean squared length is 1."""
    off = differences(prints, places, mates)
    values = np.concatenate([prints[place].values for place in places])
    total, within = np.cov(values.T), off.T @ off / (2 * len(off))
    size = len(total)
    for covariance in (total, within):
        covariance += RIDGE * np.trace(covariance) / size * np.eye(size)
    whiten = np.linalg.inv(np.linalg.cholesky(within))
    ratios, axes = np.linalg.eigh(whiten @ total @ whiten.T)
    largest = np.argsort(-ratios, kind="stable")[:SURROUNDINGS]
    between = np.maximum(ratios[largest] - 1, 1e-6)
    linear = (axes[:, largest].T @ whiten) * np.sqrt(between / (1 + between))[:, None]
    return values.mean(0), linear / np.sqrt((linear**2).sum(1).mean())
