"""Finger minutiae records, read as strictly as Tumar itself reads them: ISO/IEC 19794-2:2005 and ANSI/INCITS 378-2004.

The two begin with the same eight bytes. ISO has its length in four bytes at 8; ANSI has it in two bytes there, or zero and then four
bytes at 10. No record here is longer than 65 535 bytes, so the words at 8 and 10 tell the three apart.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

MOST_BYTES = 65_535
DOTS_PER_INCH = 500.0


class RecordError(ValueError):
    """Bytes that are no record, or no record of one view. `reason` is the name that Tumar has for the fault."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True)
class Minutiae:
    """One capture at 500 dpi, best minutia first; equals stay in the record's order."""

    places: Reals
    """(n, 2): pixels at 500 dpi, x to the right, y up."""
    directions: Reals
    """(n,): radians, counter-clockwise from the right."""
    angles: npt.NDArray[np.int64]
    """(n,): the same to the nearest 256th of a turn."""
    qualities: npt.NDArray[np.int64]
    """(n,): 0 to 100."""

    def __len__(self) -> int:
        return len(self.places)


@dataclass
class _Cursor:
    data: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise RecordError("RECORD_TRUNCATED", f"the record ends within a field, at byte {self.at}")
        self.at += count
        return self.data[self.at - count : self.at]

    def words(self, count: int) -> tuple[int, ...]:
        return struct.unpack(f">{count}H", self.take(2 * count))


def _length(cursor: _Cursor) -> tuple[bool, int]:
    """Whether it is ANSI's, and the length that the record gives."""
    (first,) = cursor.words(1)
    if first:
        return True, first
    (second,) = cursor.words(1)
    if second:
        return False, second
    (third,) = cursor.words(1)
    return True, third


def _view(cursor: _Cursor, ansi: bool) -> npt.NDArray[np.int64]:
    """(n, 4): x, y, angle, quality, as they stand in the record."""
    position, _, _, count = cursor.take(4)
    if position > 10:
        raise RecordError("RECORD_POSITION", f"{position} is not the position of a finger")
    marks = np.array(list(struct.iter_unpack(">HHBB", cursor.take(6 * count))), np.int64).reshape(-1, 4)
    marks[:, :2] &= 0x3FFF
    if ansi and (marks[:, 2] >= 180).any():
        wrong = int(marks[marks[:, 2] >= 180, 2][0])
        raise RecordError("RECORD_ANGLE", f"{wrong} times two degrees is not an angle below 360 degrees")
    (extended,) = cursor.words(1)
    cursor.take(extended)
    return marks


def read(data: bytes) -> Minutiae:
    """The minutiae of a record that has one view; `RecordError` names the first fault from its start."""
    if len(data) > MOST_BYTES:
        raise RecordError("RECORD_TOO_LARGE", f"the record is longer than {MOST_BYTES} bytes")
    cursor = _Cursor(data)
    if cursor.take(4) != b"FMR\0":
        raise RecordError("RECORD_MAGIC", "these bytes are no finger minutiae record")
    if cursor.take(4) != b" 20\0":
        raise RecordError("RECORD_VERSION", "the record's version is not 20")
    ansi, declared = _length(cursor)
    if declared != len(data):
        raise RecordError("RECORD_LENGTH", f"the record says that it has {declared} bytes, but has {len(data)}")
    if ansi:
        cursor.words(2)
    _, _, _, *resolution = cursor.words(5)
    if 0 in resolution:
        raise RecordError("RECORD_RESOLUTION", "the record gives a resolution of zero")
    views, _ = cursor.take(2)
    if views == 0:
        raise RecordError("RECORD_NO_VIEWS", "the record has no view")
    found = [_view(cursor, ansi) for _ in range(views)]
    if cursor.at < len(data):
        raise RecordError("RECORD_TRAILING", f"the record's views end at byte {cursor.at}, before its end")
    if views > 1:
        raise RecordError("RECORD_VIEW_AMBIGUOUS", f"the record has {views} views: write each to a file of its own")
    return _normalised(found[0], resolution, 180 if ansi else 256)


def _normalised(marks: npt.NDArray[np.int64], resolution: list[int], steps: int) -> Minutiae:
    marks = marks[np.argsort(-marks[:, 3], kind="stable")]
    scale = np.array([DOTS_PER_INCH / (per_centimetre * 2.54) for per_centimetre in resolution])
    places = marks[:, :2] * scale * np.array([1.0, -1.0])
    # Half-way between two 256ths there is no angle of 180.
    angles = marks[:, 2] if steps == 256 else (marks[:, 2] * 256 + 90) // 180
    return Minutiae(places, marks[:, 2] * math.tau / steps, angles, marks[:, 3])


def write(minutiae: Minutiae, size: tuple[int, int], position: int = 0) -> bytes:
    """An ISO record of 500 dpi (197 pixels a centimetre) with one view of at most 255 minutiae; places are within `size`."""
    kept = min(len(minutiae), 255)
    view = struct.pack(">BBBB", position, 0, 100, kept)
    for place, angle, quality in zip(minutiae.places[:kept], minutiae.angles, minutiae.qualities, strict=False):
        # y is negative above: the record has it downwards.
        x, y = (min(max(round(value), 0), 0x3FFF) for value in (place[0], -place[1]))
        view += struct.pack(">HHBB", x, y, int(angle) % 256, int(quality))
    view += struct.pack(">H", 0)
    head = struct.pack(">HHHHHBB", 0, *size, 197, 197, 1, 0)
    return b"FMR\0 20\0" + struct.pack(">I", 12 + len(head) + len(view)) + head + view
