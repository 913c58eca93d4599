"""Records of finger images, ISO/IEC 19794-4:2005 and :2011: where each image is in them, and at how many pixels an inch."""

import struct
from dataclasses import dataclass

from .faults import CaptureError, Fault

MAGIC = b"FIR\0"
# Codes of both editions; those above are compressed, and say by themselves how.
RAW, PACKED = 0, 1
PER_INCH, PER_CENTIMETRE = 1, 2
MOST_POSITION = 10


@dataclass(frozen=True)
class FingerImage:
    """One image of one finger, as it is in the record."""

    position: int
    number: int
    dpi: tuple[float, float] | None
    width: int
    height: int
    depth: int
    is_raw: bool
    data: bytes


def unreadable(says: str) -> CaptureError:
    """For a record that is none."""
    return CaptureError(Fault.IMAGE_UNREADABLE, f"the record of finger images is not one of ISO/IEC 19794-4: {says}")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> tuple[int, ...]:
        return struct.unpack(form, self.bytes(struct.calcsize(form)))

    def bytes(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise unreadable(f"it ends within a field, at byte {self.at}")
        self.at += count
        return self.data[self.at - count : self.at]


def read_fir(data: bytes) -> list[FingerImage]:
    """All images of the record. CaptureError for the first fault from its start."""
    reader = _Reader(data)
    if reader.bytes(4) != MAGIC:
        raise unreadable("it does not begin with FIR")
    version = reader.bytes(4)
    if version == b"010\0":
        return _of_2005(reader)
    if version == b"020\0":
        return _of_2011(reader)
    raise unreadable("its version is neither 010 nor 020")


def _of_2005(reader: _Reader) -> list[FingerImage]:
    upper, lower = reader.take(">HI")
    _declared(reader, upper << 32 | lower)
    _device, _level, images, units = reader.take(">HHBB")
    scan, image = reader.take(">HH"), reader.take(">HH")
    depth, compression, _ = reader.take(">BBH")
    found = []
    for _ in range(images):
        (length,) = reader.take(">I")
        position, _views, number, _quality, _kind, width, height, _ = reader.take(">BBBBBHHB")
        pixels = reader.bytes(length - 14)
        found.append(_image(position, number, _dpi(units, scan, image), (width, height, depth), compression, pixels))
    return _all(reader, found)


def _of_2011(reader: _Reader) -> list[FingerImage]:
    (length,) = reader.take(">I")
    _declared(reader, length)
    images, certified, _positions = reader.take(">HBB")
    found = []
    for _ in range(images):
        start = reader.at
        (length,) = reader.take(">I")
        reader.bytes(9 + 1 + 2 + 2)
        (qualities,) = reader.take(">B")
        reader.bytes(5 * qualities)
        if certified:
            (certificates,) = reader.take(">B")
            reader.bytes(3 * certificates)
        position, number, units = reader.take(">BBB")
        scan, image = reader.take(">HH"), reader.take(">HH")
        depth, compression, _kind, width, height, size = reader.take(">BBBHHI")
        pixels = reader.bytes(size)
        # What extends a representation follows its pixels.
        reader.bytes(start + length - reader.at)
        found.append(_image(position, number, _dpi(units, scan, image), (width, height, depth), compression, pixels))
    return _all(reader, found)


def _declared(reader: _Reader, length: int) -> None:
    if length != len(reader.data):
        raise unreadable(f"its length field is {length}, but it has {len(reader.data)} bytes")


def _dpi(units: int, scan: tuple[int, ...], image: tuple[int, ...]) -> tuple[float, float] | None:
    """Of the image; where that is not said, of the scan."""
    if units not in (PER_INCH, PER_CENTIMETRE):
        raise unreadable(f"{units} is no unit of resolution")
    across, down = image if all(image) else scan
    factor = 2.54 if units == PER_CENTIMETRE else 1.0
    return (across * factor, down * factor) if across and down else None


def _image(
    position: int, number: int, dpi: tuple[float, float] | None, form: tuple[int, int, int], compression: int, data: bytes
) -> FingerImage:
    if position > MOST_POSITION:
        raise unreadable(f"{position} is not the position of one finger")
    width, height, depth = form
    is_raw = compression in (RAW, PACKED)
    if 0 in (width, height):
        raise unreadable("it has an image without pixels")
    if is_raw and depth != 8:
        raise unreadable(f"its pixels have {depth} bits, and 8 are read")
    if is_raw and len(data) != width * height:
        raise unreadable(f"an image of {width}x{height} has {len(data)} bytes")
    return FingerImage(position, number, dpi, width, height, depth, is_raw, data)


def _all(reader: _Reader, found: list[FingerImage]) -> list[FingerImage]:
    if not found:
        raise unreadable("it has no image")
    if reader.at < len(reader.data):
        raise unreadable(f"its images end at byte {reader.at}, before its end")
    return found


def image_of(data: bytes, position: int | None = None, number: int | None = None) -> FingerImage:
    """The one image of this position and number; what is None does not matter, but then only one may be left."""
    found = [
        image for image in read_fir(data) if position in (None, image.position) and number in (None, image.number)
    ]
    if not found:
        raise CaptureError(Fault.IMAGE_VIEW_ABSENT, "the record has no such image")
    if len(found) > 1:
        says = f"the record has {len(found)} such images: name position and number"
        raise CaptureError(Fault.IMAGE_VIEW_AMBIGUOUS, says)
    return found[0]
