"""Minutiae records, ISO/IEC 19794-2:2005, as this package writes them; `tumar.finger` reads them."""

import math
import struct
from typing import NamedTuple

# A view counts its minutiae in one byte.
MOST_MINUTIAE = 255
ENDING, BIFURCATION = 1, 2
# 500 dpi.
PER_CENTIMETRE = 197


class Minutia(NamedTuple):
    """At 500 dpi, from the upper left corner; `angle` in radians, counter-clockwise from the right; `quality` 0 to 1."""

    x: int
    y: int
    angle: float
    kind: int
    quality: float


def written(minutiae: list[Minutia], shape: tuple[int, ...], position: int = 0) -> bytes:
    """An ISO/IEC 19794-2:2005 record with one view, live-scan plain. `shape`: height and width in pixels at 500 dpi."""
    height, width = shape
    rows = b"".join(
        struct.pack(
            ">HHBB",
            minutia.kind << 14 | minutia.x,
            minutia.y,
            round(minutia.angle * 256 / (2 * math.pi)) % 256,
            min(100, round(minutia.quality * 100)),
        )
        for minutia in minutiae
    )
    quality = round(100 * sum(minutia.quality for minutia in minutiae) / max(1, len(minutiae)))
    head = struct.pack(">IHHHHHBB", 30 + len(rows), 0, width, height, PER_CENTIMETRE, PER_CENTIMETRE, 1, 0)
    view = struct.pack(">BBBB", position, 0, min(100, quality), len(minutiae))
    return b"FMR\0 20\0" + head + view + rows + b"\0\0"
