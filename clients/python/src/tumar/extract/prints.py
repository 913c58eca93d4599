"""From the file of a print to pixels at 500 dpi."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from .faults import CaptureError, Fault
from .fir import MAGIC, image_of
from .images import MOST_PIXELS, Pixels, grey, opened

PRINTS = ("PNG", "BMP", "JPEG", "TIFF", "JPEG2000")
WSQ_START = b"\xff\xa0"

DPI = 500
# Below, ridges can not be told from each other; 96 and less is what software writes that does not know. Above, no scanner of fingers is.
LEAST_DPI, MOST_DPI = 150.0, 1300.0
# At 500 dpi: 60 x 50 mm. More is a card of prints, or no print; and the network would take gigabytes.
MOST_AT_500 = 1_200_000


@dataclass(frozen=True)
class Print:
    """Height x width at 500 dpi; what the file or the caller said the resolution was; which finger, 0 if that is not known."""

    pixels: Pixels
    dpi: tuple[float, float]
    position: int


def read_print(data: bytes, dpi: float | None = None, position: int | None = None, number: int | None = None) -> Print:
    """A print from PNG, BMP, JPEG, TIFF, JPEG 2000, WSQ, or a record of images by ISO/IEC 19794-4.

    * `dpi`: pixels an inch, instead of what the file says.
    * `position` (0 to 10) and `number`: which image of a record of several.
    """
    stated: tuple[float, float] | None
    if data.startswith(MAGIC):
        inner = image_of(data, position, number)
        stated, position = inner.dpi, inner.position
        if inner.is_raw:
            image = Image.frombytes("L", (inner.width, inner.height), inner.data)
        else:
            image, own = _decoded(inner.data)
            stated = stated or own
    else:
        image, stated = _decoded(data)
    if dpi is not None:
        stated = (dpi, dpi)
    if stated is None:
        raise CaptureError(Fault.PRINT_DPI_UNKNOWN, "the file does not say how many pixels an inch has: give --dpi")
    if not all(LEAST_DPI <= value <= MOST_DPI for value in stated):
        says = f"{_text(stated)} dpi is no fingerprint scanner's ({LEAST_DPI:.0f} to {MOST_DPI:.0f}): give --dpi"
        raise CaptureError(Fault.PRINT_DPI_IMPLAUSIBLE, says)
    return Print(_at_500(grey(image), stated), stated, position or 0)


def _text(dpi: tuple[float, float]) -> str:
    return f"{dpi[0]:.0f}" if round(dpi[0]) == round(dpi[1]) else f"{dpi[0]:.0f}x{dpi[1]:.0f}"


def _decoded(data: bytes) -> tuple[Any, tuple[float, float] | None]:
    if data.startswith(WSQ_START):
        return _wsq(data)
    image = opened(data, PRINTS)
    stated = image.info.get("dpi")
    # A format that has room for it says 0 or 1 where nobody knows.
    known = stated is not None and all(float(value) > 1 for value in stated)
    return image, (float(stated[0]), float(stated[1])) if known else None


def _wsq(data: bytes) -> tuple[Any, tuple[float, float] | None]:
    """By the decoder of NBIS. WSQ itself has no resolution; a comment of NIST's has."""
    try:
        import wsq  # noqa: F401  It tells Pillow of the format.
    except ImportError as error:
        raise ImportError("WSQ needs one more package: pip install 'tumar[finger]'") from error
    frame = _frame(data)
    if frame is None:
        raise CaptureError(Fault.IMAGE_UNREADABLE, "not a WSQ image, or a damaged one")
    width, height, per_inch = frame
    if width * height > MOST_PIXELS:
        raise CaptureError(Fault.IMAGE_TOO_LARGE, f"the image has more than {MOST_PIXELS} pixels")
    return opened(data, ("WSQ",)), (per_inch, per_inch) if per_inch else None


def _frame(data: bytes) -> tuple[int, int, float | None] | None:
    """Width, height and pixels an inch, from the segments before the first block of data; None if there is no frame."""
    at, size, per_inch = 2, None, None
    while at + 4 <= len(data):
        marker, length = data[at : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if marker == b"\xff\xa2" and len(body) >= 6:
            size = int.from_bytes(body[4:6], "big"), int.from_bytes(body[2:4], "big")
        elif marker == b"\xff\xa8" and body.startswith(b"NIST_COM"):
            for line in body.split(b"\n"):
                if line.startswith(b"PPI ") and line[4:].strip().isdigit():
                    per_inch = float(line[4:]) or None
        elif marker == b"\xff\xa3" or not b"\xff\xa2" <= marker <= b"\xff\xa8":
            break
        at += 2 + length
    return None if size is None or 0 in size else (*size, per_inch)


def _at_500(pixels: Pixels, dpi: tuple[float, float]) -> Pixels:
    """Rescaled by cubic interpolation, with a filter against aliases where it becomes smaller."""
    height, width = pixels.shape
    wanted = (max(1, round(width * DPI / dpi[0])), max(1, round(height * DPI / dpi[1])))
    if wanted[0] * wanted[1] > MOST_AT_500:
        size = " x ".join(f"{side / DPI * 25.4:.0f}" for side in wanted)
        raise CaptureError(Fault.IMAGE_TOO_LARGE, f"the image would be {size} mm: crop it to one finger, or give the right --dpi")
    if wanted == (width, height):
        return pixels
    return np.ascontiguousarray(np.asarray(Image.fromarray(pixels).resize(wanted, Image.Resampling.BICUBIC)))
