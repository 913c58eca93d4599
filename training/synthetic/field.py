"""Which way ridges run: an orientation field by singular points (B. Sherlock, D. Monro, Pattern Recognition 26(7), 1993).

Half the angle that the place makes with each loop, less half of that with each delta. Five classes by the places of these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

CLASSES = {"left loop": 0.338, "right loop": 0.317, "whorl": 0.279, "arch": 0.037, "tented arch": 0.029}
"""Shares of all fingers: C. Wilson, G. Candela, C. Watson, Journal of Artificial Neural Networks 1(2), 1994."""


@dataclass(frozen=True)
class Field:
    """A finger's ridges. Pixels at 500 dpi around the middle of the finger, x to the right, y up."""

    kind: str
    loops: Reals
    """(n, 2)"""
    deltas: Reals
    arch: float
    """How steep the ridges of an arch rise, 0 for all others."""

    def orientation(self, places: Reals) -> Reals:
        """(n,): radians, of which a half turn more is the same."""
        angle = np.zeros(len(places))
        for points, sign in ((self.loops, 1.0), (self.deltas, -1.0)):
            for point in points:
                off = places - point
                angle += sign * np.arctan2(off[:, 1], off[:, 0])
        rising = self.arch * np.exp(-((places[:, 1] / 150) ** 2)) * np.cos(np.clip(places[:, 0] / 110, -1, 1) * np.pi / 2 + np.pi / 2)
        return angle / 2 + np.arctan(-rising)


def draw(rng: np.random.Generator) -> Field:
    """A finger of a class as often as it is found, its singular points where they are on fingers, some 40 px off."""
    kind = str(rng.choice(list(CLASSES), p=list(CLASSES.values())))

    def near(*places: tuple[float, float]) -> Reals:
        return np.array(places, float).reshape(-1, 2) + rng.normal(0, 14, (len(places), 2))

    core, side = (0.0, 20.0), rng.uniform(70, 130)
    none = np.zeros((0, 2))
    if kind == "arch":
        return Field(kind, none, none, float(rng.uniform(0.5, 1.2)))
    if kind == "tented arch":
        loop = near(core)
        return Field(kind, loop, loop + np.array([[0.0, -rng.uniform(60, 110)]]), 0.0)
    if kind == "whorl":
        half = rng.uniform(8, 35)
        loops = near((0.0, 20 + half), (0.0, 20 - half))
        return Field(kind, loops, near((-side, -90), (side, -90)), 0.0)
    return Field(kind, near(core), near((side if kind == "left loop" else -side, -80)), 0.0)
