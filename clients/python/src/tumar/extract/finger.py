"""Fingers: from an image of a print to a minutiae record, by LEADER (R. Cappelli, M. Ferrara, arXiv:2602.15493) in ONNX Runtime.

    image --500 dpi--> pixels --LEADER--> minutiae --> ISO/IEC 19794-2:2005 record --tumar.finger_rows, finger_vector--> templates

Whatever the sensor's maker has for minutiae, these are the ones that the models `leader-rows-3` and `leader-fixed-1` were learned with.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..finger import FingerError, finger_rows
from .faults import CaptureError, Fault, of_finger
from .fmr import BIFURCATION, ENDING, MOST_MINUTIAE, Minutia, written
from .images import Pixels
from .prints import read_print
from .ridges import check_ridges
from .weights import LEADER

try:
    import onnxruntime
except ImportError as error:
    raise ImportError("fingers need more packages: pip install 'tumar[finger]'") from error

# What the models were learned with.
LEAST_QUALITY = 0.40
# Of 912 prints of the sets that the models were measured on, one has fewer. The encoder's own limit is lower.
LEAST_MINUTIAE = 12
# The network halves its input five times.
MULTIPLE = 32


@dataclass(frozen=True)
class Finger:
    """A minutiae record, and what the quality gate measured."""

    record: bytes
    """ISO/IEC 19794-2:2005, for `tumar.finger_rows` and `tumar.finger_vector`."""
    minutiae: int
    """How many were found."""
    rows: int
    """How many of them make a row of the template: 4 to 40."""
    quality: float
    """The mean of the minutiae's, 0 to 1."""
    ridges: float
    """Area with ridges, in square millimetres."""
    period: float
    """Distance of ridges, in millimetres."""
    dpi: tuple[float, float]
    """What the file or the caller said, across and down."""


class FingerExtractor:
    """Loads the network once. Several threads may use it."""

    def __init__(self, leader: str | Path | None = None) -> None:
        """`leader`: path of the file, if not that of the package `afis`. WeightsError if it is another."""
        weights = LEADER.read(leader)
        self._session: Any = onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])

    def read(
        self,
        data: bytes,
        dpi: float | None = None,
        position: int | None = None,
        number: int | None = None,
    ) -> Finger:
        """The print in a file (PNG, BMP, JPEG, TIFF, JPEG 2000, WSQ, ISO/IEC 19794-4). CaptureError if it is not good enough.

        * `dpi`: pixels an inch, instead of what the file says.
        * `position` (0 to 10; it goes into the record) and `number`: which image of a record of several.
        """
        image = read_print(data, dpi, position, number)
        ridges = check_ridges(image.pixels)
        found = self.minutiae(image.pixels)
        if len(found) < LEAST_MINUTIAE:
            says = f"only {len(found)} minutiae were found, and {LEAST_MINUTIAE} are needed: lay more of the finger down"
            raise CaptureError(Fault.FINGER_TOO_FEW_MINUTIAE, says)
        record = written(found, image.pixels.shape, image.position)
        try:
            with finger_rows(record) as template:
                rows = template.rows
        except FingerError as error:
            raise of_finger(error) from error
        quality = sum(minutia.quality for minutia in found) / len(found)
        return Finger(record, len(found), rows, quality, ridges.area, ridges.period, image.dpi)

    def minutiae(self, pixels: Pixels) -> list[Minutia]:
        """All of at least the quality with which the models were learned, best first. `pixels`: height x width at 500 dpi."""
        height, width = pixels.shape
        # As the network's authors do: the image in the middle, its first pixel all around.
        tall, wide = (-(-size // MULTIPLE) * MULTIPLE for size in (height, width))
        top, left = (tall - height) // 2, (wide - width) // 2
        padded = np.full((tall, wide), pixels[0, 0], np.float32)
        padded[top : top + height, left : left + width] = pixels
        made = self._session.run(None, {"input": padded[None, :, :, None]})[0][0]
        return _peaks(made[top : top + height, left : left + width])


def _peaks(made: npt.NDArray[np.float32]) -> list[Minutia]:
    """From the network's four channels: place, direction, kind, and quality, which is zero but at minutiae."""
    found = []
    for y, x in np.argwhere(made[..., 3] >= LEAST_QUALITY).tolist():
        _, angle, kind, quality = (float(value) for value in made[y, x])
        found.append(Minutia(x, y, angle, ENDING if kind >= 0.5 else BIFURCATION, quality))
    return sorted(found, key=lambda minutia: (-minutia.quality, minutia.y, minutia.x))[:MOST_MINUTIAE]
