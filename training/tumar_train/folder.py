"""A model's folder: weights as Tumar's encoder reads them, their digests, and its entry in a table of models."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .encode import DIRECTIONS, ROW, SHAPES, Weights

WHAT = {
    "mean": "the mean cylinder",
    "linear": "`W`: from a cylinder to a row",
    "hidden": "`A`: from a cylinder to the hidden units",
    "hidden_bias": "`a`",
    "output": "`B`: from the hidden units to a row",
}
DIRECTION_FILE = "direction.i8"
DIGESTS = "digests.json"


class BadModel(ValueError):
    """A folder that is no model, or not the one that it says."""


def file_of(name: str) -> str:
    """`hidden_bias` stands in `hidden-bias.f32`."""
    return name.replace("_", "-") + ".f32"


def check_name(name: str) -> str:
    """A model's name as tables of models have it."""
    if not re.fullmatch(r"[a-z0-9_-]{1,32}", name):
        raise BadModel(f"`{name}` is not the name of a model: 1 to 32 of a-z 0-9 - _")
    return name


def write_weights(path: Path, weights: Weights) -> dict[str, str]:
    """Writes little-endian 32-bit floats row by row, the table of directions, and the SHA-256 of each; returns the latter."""
    path.mkdir(parents=True, exist_ok=True)
    files = {file_of(name): getattr(weights, name).astype("<f4").tobytes() for name in SHAPES}
    files[DIRECTION_FILE] = DIRECTIONS.tobytes()
    for name, data in files.items():
        (path / name).write_bytes(data)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    (path / DIGESTS).write_text(json.dumps(digests, indent=2) + "\n")
    return digests


def read_weights(path: Path) -> Weights:
    """Reads what `write_weights` wrote. `BadModel` names the first file that is not as its digest says, or of another length."""
    try:
        digests = json.loads((path / DIGESTS).read_text())
    except (OSError, ValueError) as error:
        raise BadModel(f"{path / DIGESTS}: {error}") from None
    if not isinstance(digests, dict):
        raise BadModel(f"{path / DIGESTS} is not a table of digests")
    arrays = {}
    for name, shape in [*SHAPES.items(), ("", DIRECTIONS.shape)]:
        file = file_of(name) if name else DIRECTION_FILE
        try:
            data = (path / file).read_bytes()
        except OSError as error:
            raise BadModel(f"{path / file}: {error.strerror}") from None
        expected = int(np.prod(shape)) * (4 if name else 1)
        if len(data) != expected:
            raise BadModel(f"{path / file} has {len(data)} bytes, not {expected}")
        if hashlib.sha256(data).hexdigest() != digests.get(file):
            raise BadModel(f"{path / file} is not what its digest in {DIGESTS} says")
        if name:
            arrays[name] = np.frombuffer(data, "<f4").reshape(shape).astype(np.float32)
            if not np.isfinite(arrays[name]).all():
                raise BadModel(f"{path / file} has a number that is not finite")
        elif data != DIRECTIONS.tobytes():
            raise BadModel(f"{path / file} is another table of directions than the nodes' levels are for")
    return Weights(**arrays)


@dataclass(frozen=True)
class Threshold:
    """What a score must be above at a rate, and whether enough strangers were seen to say so."""

    value: float
    measured: bool


def models_toml(name: str, thresholds: Mapping[str, Threshold], digests: Mapping[str, str]) -> str:
    """The entry for a table of models. What a table has no key for, 1e-2 and the digests, stands in comments."""
    lines = [f"# {name}: the count of both ways over the root of (probe rows x reference rows), where less than 20 rows count as 20.", "#"]
    for rate, threshold in thresholds.items():
        how = (
            "measured on fingers that the model did not see" if threshold.measured else "NOT SUPPORTED: fewer pairs of fingers than the rule of three asks for"
        )
        lines.append(f"# {rate}: {threshold.value}, {how}")
    lines += ["#", "# SHA-256 of the weights:"]
    lines += [f"# {digest} {file}" for file, digest in digests.items()]
    served = ", ".join(f'"{rate}" = {threshold.value}' for rate, threshold in thresholds.items() if rate != "1e-2")
    lines += ["", "[[model]]", f'id = "{name}"', 'modality = "finger"', 'encoding = "rows"', f"dimension = {ROW}", f"thresholds = {{ {served} }}"]
    return "\n".join(lines) + "\n"


def weights_markdown(name: str, digests: Mapping[str, str]) -> str:
    """The section that `crates/tumar-mpc/src/template/finger/weights/README.md` has of a set."""
    lines = [f"## {name}", "", "| file | shape | what it is | SHA-256 |", "|---|---|---|---|"]
    for key, shape in SHAPES.items():
        lines.append(f"| `{file_of(key)}` | {' x '.join(map(str, shape))} | {WHAT[key]} | `{digests[file_of(key)]}` |")
    what = "what a row has for its minutia's direction in 256ths of a turn"
    lines.append(f"| `{DIRECTION_FILE}` | 256 x 12 | {what} | `{digests[DIRECTION_FILE]}` |")
    return "\n".join(lines) + "\n"
