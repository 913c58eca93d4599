"""Made-up fingerprints: of nobody, for tests and for trying things out.

    prints.py FOLDER [FINGERS IMPRESSIONS]

writes `one-1.png`, `one-2.png` (two impressions of one finger) and `other-1.png`, at 500 dpi; or as many as said, in a folder for each
finger, as `tumar-template set` takes them.

A field of directions with cores and deltas (B. G. Sherlock, D. M. Monro, 1993) steers a band-pass filter over noise, again and again,
until ridges have grown; minutiae come about where ridges do not fit (R. Cappelli, SFinGe, 2004). It is no model of how often anything
occurs in fingers.
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

HEIGHT, WIDTH = 416, 320
PATTERNS = ("left loop", "right loop", "whorl")
DIRECTIONS, ROUNDS = 16, 16


def smooth(scale: float, dice: np.random.Generator) -> Reals:
    """Noise with a standard deviation of 1 that changes over so many pixels."""
    waves = np.hypot(np.fft.rfftfreq(WIDTH)[None], np.fft.fftfreq(HEIGHT)[:, None])
    spectrum = np.fft.rfft2(dice.normal(0, 1, (HEIGHT, WIDTH))) * np.exp(-2 * (np.pi * scale * waves) ** 2)
    noise: Reals = np.fft.irfft2(spectrum, (HEIGHT, WIDTH))
    noise /= noise.std()
    return noise


def field(pattern: str, dice: np.random.Generator) -> Reals:
    """Direction of the ridges at each place, 0 to pi."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)

    def jitter() -> float:
        return float(dice.normal(0, 8))

    middle, up = WIDTH / 2 + jitter(), HEIGHT * 0.42 + jitter()
    if pattern == "whorl":
        cores = [(middle, up - 22), (middle + jitter(), up + 26)]
        deltas = [(middle - 115 + jitter(), up + 150 + jitter()), (middle + 115 + jitter(), up + 150 + jitter())]
    else:
        side = 1 if pattern == "left loop" else -1
        cores, deltas = [(middle, up)], [(middle + side * (95 + jitter()), up + 130 + jitter())]
    angle = np.zeros_like(x)
    for sign, places in ((1, cores), (-1, deltas)):
        for across, down in places:
            angle += sign * np.arctan2(y - down, x - across)
    # No two fingers of one pattern flow alike.
    turned: Reals = np.mod(angle / 2 + 0.3 * smooth(35, dice), np.pi)
    return turned


def grown(direction: Reals, period: float, dice: np.random.Generator) -> Reals:
    """Ridges along the directions, from -1 to 1."""
    u, v = np.meshgrid(np.fft.rfftfreq(WIDTH), np.fft.fftfreq(HEIGHT))
    radius, angle = np.hypot(u, v), np.arctan2(v, u)
    ring = np.exp(-((radius - 1 / period) ** 2) / (2 * 0.017**2))
    steps = direction / np.pi * DIRECTIONS
    lower, share = np.floor(steps).astype(int) % DIRECTIONS, steps % 1
    filters, weights = [], []
    for step in range(DIRECTIONS):
        across = (step / DIRECTIONS + 0.5) * np.pi
        off = np.mod(angle - across + np.pi / 2, np.pi) - np.pi / 2
        filters.append((ring * np.exp(-(off**2) / (2 * 0.32**2))).astype(np.float32))
        upper = (lower + 1) % DIRECTIONS == step
        weights.append((np.where(lower == step, 1 - share, 0) + np.where(upper, share, 0)).astype(np.float32))
    ridges = dice.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32)
    for _ in range(ROUNDS):
        spectrum, made = np.fft.rfft2(ridges), np.zeros_like(ridges)
        for filtered, weight in zip(filters, weights, strict=True):
            made += weight * np.fft.irfft2(spectrum * filtered, (HEIGHT, WIDTH))
        ridges = np.tanh(3 * made / made.std())
    return ridges.astype(np.float64)


def finger(seed: int) -> Reals:
    """A finger's ridges: HEIGHT x WIDTH, -1 to 1."""
    dice = np.random.default_rng(seed)
    pattern = PATTERNS[int(dice.integers(len(PATTERNS)))]
    return grown(field(pattern, dice), float(dice.uniform(8.2, 9.6)), dice)


def at(ridges: Reals, y: Reals, x: Reals) -> Reals:
    """Between pixels, by the four around; 0 outside."""
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    made = np.zeros_like(y)
    for down, across in ((0, 0), (0, 1), (1, 0), (1, 1)):
        row, column = y0 + down, x0 + across
        inside = (row >= 0) & (row < HEIGHT) & (column >= 0) & (column < WIDTH)
        weight = (1 - np.abs(y - row)) * (1 - np.abs(x - column))
        made += np.where(inside, weight * ridges[row.clip(0, HEIGHT - 1), column.clip(0, WIDTH - 1)], 0)
    return made


def impression(ridges: Reals, seed: int) -> "npt.NDArray[np.uint8]":
    """How a scanner sees the finger once: moved, turned, stretched a little, drier here and there."""
    dice = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    y, x = y - HEIGHT / 2, x - WIDTH / 2
    contact = ((x - dice.normal(0, 8)) / 128) ** 2 + ((y - dice.normal(0, 8)) / 180) ** 2
    turn, stretch = np.radians(dice.normal(0, 5)), 3 * np.sin(y / 70 + dice.uniform(0, 6))
    down, across = dice.normal(0, 10, 2)
    seen = at(
        ridges,
        np.cos(turn) * y + np.sin(turn) * x + down + HEIGHT / 2,
        np.cos(turn) * x - np.sin(turn) * y + across + stretch + WIDTH / 2,
    )
    noise = smooth(10, dice)
    inked = 1 / (1 + np.exp(-4 * (seen + 0.3 * noise)))
    edge = 1 / (1 + np.exp(30 * (contact + 0.05 * noise - 1)))
    grey = 235 - 175 * inked * edge + dice.normal(0, 6, seen.shape)
    return np.asarray(grey.clip(0, 255).round(), np.uint8)


def main() -> None:
    from PIL import Image

    folder, *counts = sys.argv[1:]
    made = [("one-1", 1, 11), ("one-2", 1, 12), ("other-1", 2, 21)]
    if counts:
        fingers, impressions = map(int, counts)
        made = [(f"{one}/{seen}", one, 100 * one + seen) for one in range(fingers) for seen in range(impressions)]
    ridges = {one: finger(one) for one in {one for _, one, _ in made}}
    for name, one, seed in made:
        path = Path(folder) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(impression(ridges[one], seed)).save(path, dpi=(500, 500))


if __name__ == "__main__":
    main()
