"""A finger model of a folder: its rows, and each fault of a folder."""

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY
from test_nodes import finger, record

from tumar import FolderError, RowsModel, finger_rows

BUILT_IN = REPOSITORY / "crates/tumar-mpc/src/template/finger/weights/leader-rows-3"
FILES = ("mean.f32", "linear.f32", "hidden.f32", "hidden-bias.f32", "output.f32", "direction.i8")
LIMITS = {"1e-3": 0.16, "1e-4": 0.26, "1e-5": 0.36}
ENTRY = """
[[model]]
id = "bank-rows-1"
modality = "finger"
encoding = "rows"
dimension = 140
levels = [600, 680, 760]
thresholds = { "1e-3" = 0.16, "1e-4" = 0.26, "1e-5" = 0.36 }
"""


def publish(folder: Path) -> None:
    """Writes digests and card anew."""
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    (folder / "digests.json").write_text(json.dumps(digests))
    limits = {rate: {"value": value, "measured": True} for rate, value in LIMITS.items()}
    (folder / "card.json").write_text(json.dumps({"name": "bank-rows-1", "digests": digests, "figures": {"thresholds": limits}}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model that puts the 128 components of a row one place on: as good as the one built in, and strange to it."""
    for name in FILES:
        data = (BUILT_IN / name).read_bytes()
        line = len(data) // 128 if name in ("linear.f32", "output.f32") else 0
        (tmp_path / name).write_bytes(data[-line:] + data[:-line] if line else data)
    (tmp_path / "models.toml").write_text(ENTRY)
    publish(tmp_path)
    return tmp_path


def test_rows_are_those_of_the_folder(folder: Path) -> None:
    model, dice = RowsModel.read(folder), random.Random(51)
    assert model.id == "bank-rows-1"
    for _ in range(8):
        data = record(finger(dice))
        own, built_in = finger_rows(data, model=model).components, finger_rows(data).components
        assert np.array_equal(own[:, :128], np.roll(built_in[:, :128], 1, axis=1))
        assert np.array_equal(own[:, 128:], built_in[:, 128:])


def flip(folder: Path) -> None:
    data = bytearray((folder / "hidden.f32").read_bytes())
    data[100] ^= 1
    (folder / "hidden.f32").write_bytes(data)


def replaced(name: str, data: bytes) -> Callable[[Path], None]:
    """With a digest that fits."""

    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(data)
        publish(folder)

    return spoil


def changed(name: str, before: str, after: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        text = (folder / name).read_text()
        assert before in text
        (folder / name).write_text(text.replace(before, after, 1))

    return spoil


@pytest.mark.parametrize(
    ("reason", "spoil"),
    [
        ("FOLDER_FILE", lambda folder: (folder / "output.f32").unlink()),
        ("FOLDER_FILE", lambda folder: (folder / "card.json").unlink()),
        ("FOLDER_FORM", lambda folder: (folder / "digests.json").write_text("[]")),
        ("FOLDER_DIGEST", flip),
        ("FOLDER_ROW_LENGTH", replaced("linear.f32", bytes(4 * 127 * 480))),
        ("FOLDER_ROW_LENGTH", changed("models.toml", "dimension = 140", "dimension = 128")),
        ("FOLDER_NOT_FINITE", replaced("hidden-bias.f32", np.full(384, np.nan, "<f4").tobytes())),
        ("FOLDER_DIRECTIONS", replaced("direction.i8", bytes([1]) * 256 * 12)),
        ("FOLDER_LEVELS", changed("models.toml", "[600, 680, 760]", "[600, 680, 957]")),
        ("FOLDER_LEVELS", changed("models.toml", "[600, 680, 760]", "[600, 600, 760]")),
        ("FOLDER_TABLE", changed("models.toml", '"1e-5" = 0.36', '"1e-5" = 0.16')),
        ("FOLDER_TABLE", lambda folder: (folder / "models.toml").write_text(ENTRY + ENTRY)),
        ("FOLDER_NO_THRESHOLD", changed("card.json", '"1e-4"', '"2e-4"')),
        ("FOLDER_OTHER_CARD", changed("card.json", "0.26", "0.2")),
        ("FOLDER_OTHER_CARD", changed("card.json", "bank-rows-1", "bank-rows-2")),
    ],
)
def test_each_fault_of_a_folder_has_its_reason(folder: Path, reason: str, spoil: Callable[[Path], object]) -> None:
    spoil(folder)
    with pytest.raises(FolderError) as fault:
        RowsModel.read(folder)
    assert fault.value.reason == reason
