"""Prints: records with what the index says of them and their cells."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from . import index
from .cells import cylinders
from .encode import LEAST_ROWS, Template, Weights, template
from .records import Minutiae, RecordError, read


@dataclass(frozen=True)
class Print:
    """One capture of one finger."""

    line: index.Line
    minutiae: Minutiae
    owners: npt.NDArray[np.int64]
    """Of which minutia each cylinder is."""
    values: npt.NDArray[np.float64]
    """(n, 480): the cylinders."""

    @property
    def finger(self) -> str:
        """The finger's name."""
        return self.line.name

    def template(self, weights: Weights) -> Template | None:
        """By these weights; `None` where the terminal would refuse the print."""
        return template(self.values, self.owners, self.minutiae.angles, weights)


@dataclass(frozen=True)
class Refused:
    """A record that gives no print: why, in words."""

    line: index.Line
    why: str


@dataclass(frozen=True)
class Prints:
    """A folder's prints in the order of its index, what it refused, and a digest of all that was read."""

    all: list[Print]
    refused: list[Refused]
    digest: str


def of(line: index.Line, minutiae: Minutiae) -> Print | Refused:
    """A print, if enough of its minutiae have enough of the finger around them."""
    if not len(minutiae):
        return Refused(line, "the record has no minutiae")
    owners, values = cylinders(minutiae)
    if len(owners) < LEAST_ROWS:
        return Refused(line, f"only {len(owners)} of {len(minutiae)} minutiae have enough of the finger around them")
    return Print(line, minutiae, owners, values)


def load(folder: Path, index_file: Path | None = None) -> Prints:
    """Reads a folder of records and its index. A record that can not be read is refused, not passed over in silence."""
    found: list[Print] = []
    refused: list[Refused] = []
    digest = hashlib.sha256()
    for line in index.load(folder, index_file):
        try:
            data = (folder / line.file).read_bytes()
        except OSError as error:
            refused.append(Refused(line, str(error.strerror)))
            continue
        digest.update(repr(line).encode() + hashlib.sha256(data).digest())
        try:
            made = of(line, read(data))
        except RecordError as error:
            made = Refused(line, f"{error.reason}: {error}")
        if isinstance(made, Print):
            found.append(made)
        else:
            refused.append(made)
    return Prints(found, refused, digest.hexdigest())


def by_finger(prints: Iterable[Print]) -> dict[str, list[int]]:
    """Places of each finger's prints."""
    found: dict[str, list[int]] = {}
    for place, one in enumerate(prints):
        found.setdefault(one.finger, []).append(place)
    return found
