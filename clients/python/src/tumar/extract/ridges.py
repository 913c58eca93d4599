"""Whether an image shows ridges of a finger, and at what distance from each other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .faults import CaptureError, Fault
from .images import Pixels
from .prints import DPI

Reals = npt.NDArray[np.float64]

WINDOW, STEP = 48, 24
# Waves across a window that are looked at: 2 to 16 are periods of 24 to 3 pixels.
FEWEST_WAVES, MOST_WAVES = 2, 16
# A window shows ridges if so much of its power is near one wave, and its grey values differ by so much (standard deviation).
LEAST_SHARE, LEAST_CONTRAST = 0.4, 8.0
# Millimetres from ridge to ridge: 0.46 in the mean of adults, 0.3 in children.
LEAST_PERIOD, MOST_PERIOD = 0.25, 0.75
# Square millimetres. The tip of a finger laid down flat has 100 and more; none of 18 images of other things had more than 30.
LEAST_AREA = 50.0
# Where the resolution is wrong, nearly all windows have waves that are too long, and clear ones; or some have such that are too short.
CLEAR, LEAST_LONG, LEAST_SHORT = 0.85, 200.0, 15.0


@dataclass(frozen=True)
class Ridges:
    """Area in square millimetres, and the distance of ridges in millimetres."""

    area: float
    period: float


def check_ridges(pixels: Pixels) -> Ridges:
    """Of an image of height x width at 500 dpi. CaptureError if there are too few ridges, or at a distance that no finger's have."""
    millimetre = DPI / 25.4
    shares, periods = _windows(pixels)
    periods = periods / millimetre
    window = (STEP / millimetre) ** 2
    ridges = (shares >= LEAST_SHARE) & (periods >= LEAST_PERIOD) & (periods <= MOST_PERIOD)
    area = float(ridges.sum()) * window
    if area >= LEAST_AREA:
        return Ridges(area, float(np.median(periods[ridges])))
    long = (shares >= CLEAR) & (periods > MOST_PERIOD)
    short = (shares >= LEAST_SHARE) & (periods < LEAST_PERIOD)
    for others, least in ((long, max(LEAST_LONG, len(shares) * window / 2)), (short, LEAST_SHORT)):
        if others.sum() * window >= least:
            says = f"ridges would be {np.median(periods[others]):.2f} mm from each other, which no finger's are: give the right --dpi"
            raise CaptureError(Fault.PRINT_DPI_IMPLAUSIBLE, says)
    says = f"{area:.0f} square millimetres show ridges, and {LEAST_AREA:.0f} must: lay the finger down flat"
    raise CaptureError(Fault.PRINT_ABSENT, says)


def _windows(pixels: Pixels) -> tuple[Reals, Reals]:
    """Of each window: the share of power near its strongest wave, and that wave's period in pixels."""
    height, width = pixels.shape
    if min(height, width) < WINDOW:
        return np.empty(0), np.empty(0)
    views = np.lib.stride_tricks.sliding_window_view(pixels, (WINDOW, WINDOW))[::STEP, ::STEP]
    flat = views.reshape(-1, WINDOW, WINDOW).astype(np.float64)
    contrast = flat.std((1, 2))
    flat = flat[contrast >= LEAST_CONTRAST]
    flat -= flat.mean((1, 2), keepdims=True)
    taper = np.hanning(WINDOW)
    power = np.abs(np.fft.fft2(flat * np.outer(taper, taper))) ** 2
    down, across = np.meshgrid(*[np.fft.fftfreq(WINDOW) * WINDOW] * 2, indexing="ij")
    waves = np.hypot(down, across)
    looked = np.where((waves >= FEWEST_WAVES) & (waves <= MOST_WAVES), power, 0)
    strongest = looked.reshape(len(flat), WINDOW * WINDOW).argmax(1)
    y, x = down.ravel()[strongest], across.ravel()[strongest]
    # A wave shows at two places opposite to each other.
    near = sum(
        np.hypot(down - sign * y[:, None, None], across - sign * x[:, None, None]) <= 2 for sign in (1, -1)
    )
    shares = (power * (near > 0)).sum((1, 2)) / np.maximum(power.sum((1, 2)), 1e-9)
    return shares, WINDOW / np.maximum(np.hypot(y, x), 1e-9)
