"""What a minutia has around it: 480 cell values, as Tumar's terminals compute them.

Minutia Cylinder-Code (R. Cappelli, M. Ferrara, D. Maltoni, IEEE TPAMI 32(12), 2010) with 10 x 10 cells over a radius of 85 px, of which
80 lie within it, and six directions. Lengths are in pixels at 500 dpi.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import erf

from .records import Minutiae, Reals

RADIUS, ACROSS, DIRECTIONS = 85.0, 10, 6
SIGMA = 28 / 3
REACH = 3 * SIGMA
SIGMA_DIRECTION = math.tau / 9
STEP = math.tau / DIRECTIONS
MIDDLE, STEEPNESS, MARGIN = 0.01, 400.0, 50.0
LEAST_CELLS, LEAST_NEIGHBOURS = 60, 2


def _offsets() -> Reals:
    along = (np.arange(ACROSS) - (ACROSS - 1) / 2) * 2 * RADIUS / ACROSS
    u, v = (grid.ravel() for grid in np.meshgrid(along, along, indexing="ij"))
    inside = u * u + v * v <= RADIUS * RADIUS
    return np.stack([u[inside], v[inside]], 1)


OFFSETS = _offsets()
"""(80, 2): centres of the cells around a minutia at 0 that points right."""
CELLS = len(OFFSETS)
VALUES = CELLS * DIRECTIONS


def _mirror() -> npt.NDArray[np.int64]:
    """For each value of a mirrored finger, where it stands in the finger itself: v and the direction change sign."""
    places = {(u, v): index for index, (u, v) in enumerate(OFFSETS.tolist())}
    return np.array([places[u, -v] * DIRECTIONS + DIRECTIONS - 1 - k for u, v in OFFSETS.tolist() for k in range(DIRECTIONS)])


MIRROR = _mirror()


def wrap(angle: Reals) -> Reals:
    """An angle's equal in -pi..pi."""
    return (angle + math.pi) % math.tau - math.pi


def hull(places: Reals) -> Reals:
    """Corners of the convex hull, counter-clockwise (monotone chain, A. M. Andrew 1979)."""
    ordered = sorted(set(map(tuple, places.tolist())))
    corners: list[tuple[float, float]] = []
    for points in (ordered, ordered[::-1]):
        half: list[tuple[float, float]] = []
        for x, y in points:
            while len(half) > 1 and _cross(half[-2], half[-1], (x, y)) <= 0:
                half.pop()
            half.append((x, y))
        corners += half[:-1]
    return np.array(corners or ordered[:1], float).reshape(-1, 2)


def _cross(a: tuple[float, float], b: tuple[float, float], place: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (place[1] - a[1]) - (b[1] - a[1]) * (place[0] - a[0])


def within(places: Reals, corners: Reals, margin: float) -> npt.NDArray[np.bool_]:
    """Which places are inside the hull, or at most so far away."""
    along = np.roll(corners, -1, 0) - corners
    x, y = (places[:, None, axis] - corners[None, :, axis] for axis in (0, 1))
    inside = (along[:, 0] * y - along[:, 1] * x >= 0).all(1) & (len(corners) > 2)
    part = np.clip((x * along[:, 0] + y * along[:, 1]) / np.maximum((along**2).sum(1), 1e-12), 0, 1)
    off = (x - part * along[:, 0]) ** 2 + (y - part * along[:, 1]) ** 2
    return np.asarray(inside | (off <= margin * margin).any(1))


def cylinders(minutiae: Minutiae) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Which minutiae have enough of the finger around them, best first, and the (n, 480) values of these, each in 0..1."""
    none = np.zeros(0, np.int64), np.zeros((0, VALUES))
    if len(minutiae) < 3:
        return none
    places, directions = minutiae.places, minutiae.directions
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    enough = (apart <= RADIUS + REACH).sum(1) - 1 >= LEAST_NEIGHBOURS
    sine, cosine = np.sin(directions)[:, None], np.cos(directions)[:, None]
    u, v = OFFSETS.T
    centres = np.stack([places[:, :1] + cosine * u - sine * v, places[:, 1:] + sine * u + cosine * v], -1)
    valid = within(centres.reshape(-1, 2), hull(places), MARGIN).reshape(len(minutiae), CELLS)
    own = np.nonzero(enough & (valid.sum(1) >= LEAST_CELLS))[0]
    if not len(own):
        return none
    squared = (centres[own, :, None, 0] - places[:, 0]) ** 2 + (centres[own, :, None, 1] - places[:, 1]) ** 2
    weights = np.exp(-squared / (2 * SIGMA**2)) / (SIGMA * math.sqrt(math.tau))
    weights[squared > REACH**2] = 0.0
    weights[np.arange(len(own)), :, own] = 0.0
    middles = -math.pi + (np.arange(DIRECTIONS) + 0.5) * STEP
    off = wrap(middles - wrap(directions[own, None] - directions[None])[..., None])
    scale = SIGMA_DIRECTION * math.sqrt(2)
    shares = 0.5 * (erf((off + STEP / 2) / scale) - erf((off - STEP / 2) / scale))
    sums = np.einsum("ncq,nqk->nck", weights, shares, optimize=True)
    values = valid[own][..., None] / (1 + np.exp(-STEEPNESS * (sums - MIDDLE)))
    return own, values.reshape(len(own), VALUES)
