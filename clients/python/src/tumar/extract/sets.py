"""Labelled sets for `tumar eval`: a folder with a folder for each person, or for each finger, with images in it."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .faults import CaptureError

Made = TypeVar("Made")


def faces(folder: Path, out: Path) -> dict[str, Any]:
    """Writes `embeddings.npy`, `labels.csv` and `refused.csv` into `out`; says how many of each."""
    from .face import FaceExtractor

    extractor = FaceExtractor()
    refused: list[tuple[str, str]] = []
    made = list(_each(folder, extractor.embed, refused))
    _begin(out)
    width = len(made[0][2].embedding) if made else 0
    np.save(out / "embeddings.npy", np.array([face.embedding for _, _, face in made], np.float32).reshape(len(made), width))
    _table(out / "labels.csv", ("row", "identity", "file"), [(row, who, name) for row, (who, name, _) in enumerate(made)])
    _table(out / "refused.csv", ("file", "fault"), refused)
    return {"people": len({who for who, _, _ in made}), "photos": len(made), "refused": len(refused)}


def fingers(folder: Path, out: Path, dpi: float | None = None) -> dict[str, Any]:
    """Writes a record of each print, `index.csv` and `refused.csv` into `out`; says how many of each."""
    from .finger import FingerExtractor

    extractor = FingerExtractor()
    refused: list[tuple[str, str]] = []
    made = list(_each(folder, lambda data: extractor.read(data, dpi), refused))
    _begin(out)
    rows = []
    for place, (which, _, finger) in enumerate(made):
        (out / f"{place}.fmr").write_bytes(finger.record)
        rows.append((f"{place}.fmr", folder.name or "set", which))
    _table(out / "index.csv", ("file", "db", "finger"), rows)
    _table(out / "refused.csv", ("file", "fault"), refused)
    return {"fingers": len({which for which, _, _ in made}), "prints": len(made), "refused": len(refused)}


def _each(
    folder: Path, make: Callable[[bytes], Made], refused: list[tuple[str, str]]
) -> Iterator[tuple[str, str, Made]]:
    """Whose it is, the file's name, and what was made of it; what is refused goes into the list."""
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        for file in sorted(path for path in person.iterdir() if path.is_file()):
            name = f"{person.name}/{file.name}"
            try:
                yield person.name, name, make(file.read_bytes())
            except CaptureError as error:
                refused.append((name, error.fault))


def _begin(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(out.iterdir()):
        raise FileExistsError(17, "the folder is not empty", str(out))


def _table(path: Path, header: tuple[str, ...], rows: "list[tuple[Any, ...]]") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
