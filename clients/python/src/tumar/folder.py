"""A finger model of one's own: the folder that `tumar-train fit` writes, checked before use. Nodes never see one."""

import hashlib
import json
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .template import ROW, Reals

VALUES, SURROUNDINGS, HIDDEN = 480, 128, 384
RATES = ("1e-3", "1e-4", "1e-5")
LEVELS = (1, 956)
"""The lowest and the highest that a level may be."""
SHAPES = {
    "mean": (VALUES,),
    "linear": (SURROUNDINGS, VALUES),
    "hidden": (HIDDEN, VALUES),
    "hidden-bias": (HIDDEN,),
    "output": (SURROUNDINGS, HIDDEN),
}
DIRECTIONS = "direction.i8"


class FolderError(InputError):
    """A folder is no model that can be used. `reason` is stable, as Tumar's own tools have it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class RowsModel:
    """What maps a cylinder x to a row: W x + B relu(A x + a), x less the mean; and the name that requests give it."""

    id: str
    mean: Reals
    """(480,)"""
    linear: Reals
    """W: (128, 480)"""
    hidden: Reals
    """A: (384, 480)"""
    hidden_bias: Reals
    """a: (384,)"""
    output: Reals
    """B: (128, 384)"""

    def rows(self, cylinders: Reals) -> Reals:
        """(n, 480) to (n, 128), of any length."""
        x = cylinders - self.mean
        made: Reals = x @ self.linear.T + np.maximum(x @ self.hidden.T + self.hidden_bias, 0) @ self.output.T
        return made

    @staticmethod
    @cache
    def built_in() -> "RowsModel":
        """`leader-rows-3`."""
        folder = resources.files("tumar").joinpath("weights", "leader-rows-3")
        return RowsModel("leader-rows-3", **{_key(name): _floats(folder.joinpath(f"{name}.f32").read_bytes(), name) for name in SHAPES})

    @staticmethod
    def read(folder: str | Path) -> "RowsModel":
        """The model of a folder. FolderError for the first fault: of the weights, then of models.toml, then of the card."""
        folder = Path(folder)
        digests = _json(folder, "digests.json")
        arrays = {_key(name): _weights(folder, digests, name) for name in SHAPES}
        own = resources.files("tumar").joinpath("weights", "leader-rows-3", DIRECTIONS).read_bytes()
        if _whole(folder, digests, DIRECTIONS) != own:
            raise FolderError("FOLDER_DIRECTIONS", f"{DIRECTIONS} is not the table of directions that the levels of comparisons are made for")
        model = _entry(folder)
        _check_card(folder, model, digests)
        return RowsModel(model["id"], **arrays)


def _key(name: str) -> str:
    return name.replace("-", "_")


assert {_key(name) for name in SHAPES} == {field.name for field in fields(RowsModel)} - {"id"}


def _bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise FolderError("FOLDER_FILE", f"{name}: {error.strerror}") from None


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        read = json.loads(_bytes(folder, name))
    except ValueError as error:
        raise FolderError("FOLDER_FORM", f"{name}: {error}") from None
    if not isinstance(read, dict):
        raise FolderError("FOLDER_FORM", f"{name} is not an object")
    return read


def _whole(folder: Path, digests: dict[str, Any], name: str) -> bytes:
    raw = _bytes(folder, name)
    if hashlib.sha256(raw).hexdigest() != digests.get(name):
        raise FolderError("FOLDER_DIGEST", f"{name} is not what digests.json says: copy the folder again")
    return raw


def _floats(raw: bytes, name: str) -> Reals:
    made: npt.NDArray[np.float32] = np.frombuffer(raw, "<f4")
    return made.astype(np.float64).reshape(SHAPES[name])


def _weights(folder: Path, digests: dict[str, Any], name: str) -> Reals:
    raw, expected = _whole(folder, digests, f"{name}.f32"), 4 * int(np.prod(SHAPES[name]))
    if len(raw) != expected:
        text = f"{name}.f32 has {len(raw)} bytes, not {expected}: these weights are for rows of another length"
        raise FolderError("FOLDER_ROW_LENGTH", text)
    made = _floats(raw, name)
    if not np.isfinite(made).all():
        raise FolderError("FOLDER_NOT_FINITE", f"{name}.f32 has a number that is not finite")
    return made


def _entry(folder: Path) -> dict[str, Any]:
    """The model's entry for the nodes' table."""
    try:
        models = tomllib.loads(_bytes(folder, "models.toml").decode())["model"]
        (model,) = models
        kind = (model["modality"], model.get("encoding"), str(model["id"]))
        levels = model.get("levels", [LEVELS[0], LEVELS[0] + 1, LEVELS[1]])
        limits = [float(model["thresholds"][rate]) for rate in RATES]
    except (ValueError, KeyError, TypeError) as error:
        raise FolderError("FOLDER_TABLE", f"models.toml: {error}") from None
    if kind[:2] != ("finger", "rows"):
        raise FolderError("FOLDER_TABLE", "models.toml must have one model, of modality finger and encoding rows")
    if model.get("dimension") != ROW:
        raise FolderError("FOLDER_ROW_LENGTH", f"models.toml: the dimension of rows is {ROW}")
    rising = len(levels) == 3 and all(type(level) is int for level in levels) and LEVELS[0] <= levels[0] < levels[1] < levels[2] <= LEVELS[1]
    if not rising:
        raise FolderError("FOLDER_LEVELS", f"models.toml: levels must be three rising numbers from {LEVELS[0]} to {LEVELS[1]}")
    if not 0 < limits[0] <= limits[1] <= limits[2] < 1:
        raise FolderError("FOLDER_TABLE", "models.toml: thresholds must be between 0 and 1, and rise with a stricter rate")
    return dict(model)


def _check_card(folder: Path, model: dict[str, Any], digests: dict[str, Any]) -> None:
    """What a card says of other weights or thresholds says nothing of these."""
    card = _json(folder, "card.json")
    limits = (card.get("figures") or {}).get("thresholds") or {}
    for rate in RATES:
        if rate not in limits:
            raise FolderError("FOLDER_NO_THRESHOLD", f"card.json has no threshold for {rate}: the model was not measured")
        if limits[rate]["value"] != model["thresholds"][rate]:
            raise FolderError("FOLDER_OTHER_CARD", "card.json is of another model: its threshold is not that of models.toml")
    for what, own, other in (("name", card.get("name"), model["id"]), ("digest", card.get("digests"), digests)):
        if own != other:
            raise FolderError("FOLDER_OTHER_CARD", f"card.json is of another model: its {what} is not that of models.toml or digests.json")
