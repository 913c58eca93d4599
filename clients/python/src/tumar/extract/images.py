"""From a file's bytes to pixels, by Pillow."""

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from .faults import CaptureError, Fault

try:
    from PIL import Image, ImageOps
except ImportError as error:
    raise ImportError("photos and prints need more packages: pip install 'tumar[face,finger]'") from error

Pixels = npt.NDArray[np.uint8]

MOST_BYTES = 32 << 20
MOST_PIXELS = 50_000_000

PHOTOS = ("JPEG", "PNG", "BMP", "TIFF")


def opened(data: bytes, formats: tuple[str, ...]) -> Any:
    """The image, decoded, if it is of one of these formats. CaptureError for what is none, damaged, or too large."""
    if len(data) > MOST_BYTES:
        raise CaptureError(Fault.IMAGE_TOO_LARGE, f"the file has {len(data)} bytes, and may have {MOST_BYTES}")
    try:
        image = Image.open(BytesIO(data), formats=formats)
        # Before anything is decoded: a small file may claim any size.
        fits = image.width * image.height <= MOST_PIXELS
        if fits:
            image.load()
    except Image.DecompressionBombError:
        fits = False
    # Each of the decoders has errors of its own.
    except Exception as error:
        says = f"not an image in {', '.join(formats)}, or a damaged one"
        raise CaptureError(Fault.IMAGE_UNREADABLE, says) from error
    if not fits:
        raise CaptureError(Fault.IMAGE_TOO_LARGE, f"the image has more than {MOST_PIXELS} pixels")
    return image


def of_eight_bits(image: Any) -> Any:
    """With 8 bits a channel, and without transparency: what shines through is white."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise CaptureError(Fault.IMAGE_UNREADABLE, "the image's pixels have neither 8 nor 16 bits")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        return white
    return image


def photo(data: bytes) -> Pixels:
    """Height x width x 3, in the order blue, green, red, and upright, as its Exif data says."""
    image = opened(data, PHOTOS)
    try:
        image = ImageOps.exif_transpose(image)
    # A damaged Exif block: as with the decoders.
    except Exception as error:
        raise CaptureError(Fault.IMAGE_UNREADABLE, "the photo's Exif data is damaged") from error
    image = of_eight_bits(image)
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])


def grey(image: Any) -> Pixels:
    """Height x width."""
    return np.ascontiguousarray(np.asarray(of_eight_bits(image).convert("L")))
