"""A model's folder is read whole or refused by its file."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tumar_train import encode, folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Random weights, written."""
    rng = np.random.default_rng(3)
    weights = encode.Weights(**{name: rng.normal(size=shape).astype(np.float32) for name, shape in encode.SHAPES.items()})
    folder.write_weights(tmp_path, weights)
    assert all(np.array_equal(getattr(folder.read_weights(tmp_path), name), getattr(weights, name)) for name in encode.SHAPES)
    return tmp_path


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def other_directions(path: Path) -> None:
    """With a digest that fits."""
    flip(path / "direction.i8")
    digests = json.loads((path / folder.DIGESTS).read_text())
    digests["direction.i8"] = folder.hashlib.sha256((path / "direction.i8").read_bytes()).hexdigest()
    (path / folder.DIGESTS).write_text(json.dumps(digests))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: flip(path / "hidden.f32"), "hidden.f32 is not what its digest"),
        (lambda path: (path / "linear.f32").write_bytes(bytes(4 * 127 * 480)), "linear.f32 has 243840 bytes, not 245760"),
        (lambda path: (path / "output.f32").unlink(), "output.f32: No such file"),
        (lambda path: (path / folder.DIGESTS).write_text("[]"), "not a table of digests"),
        (other_directions, "another table of directions"),
    ],
)
def test_each_fault_of_a_folder_has_its_file(model: Path, spoil: Callable[[Path], object], words: str) -> None:
    spoil(model)
    with pytest.raises(folder.BadModel, match=words):
        folder.read_weights(model)


def test_the_entry_is_a_table_of_models_with_digests_beside_it(model: Path) -> None:
    digests = json.loads((model / folder.DIGESTS).read_text())
    values = {"1e-2": 0.05, "1e-3": 0.15, "1e-4": 0.25, "1e-5": 0.35}
    text = folder.models_toml("bank-rows-1", {rate: folder.Threshold(value, rate != "1e-5") for rate, value in values.items()}, digests)
    (entry,) = tomllib.loads(text)["model"]
    served = {"1e-3": 0.15, "1e-4": 0.25, "1e-5": 0.35}
    assert entry == {"id": "bank-rows-1", "modality": "finger", "encoding": "rows", "dimension": 140, "thresholds": served}
    assert "# 1e-2: 0.05, measured" in text and "# 1e-5: 0.35, NOT SUPPORTED" in text
    assert all(digest in text for digest in digests.values())


def test_a_name_that_no_table_has_is_refused() -> None:
    for name in ("", "Own", "a b", "x" * 33, "a/b"):
        with pytest.raises(folder.BadModel):
            folder.check_name(name)
