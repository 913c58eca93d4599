"""Prints that nobody has, few of them, and Tumar's own files."""

from __future__ import annotations

from pathlib import Path

import pytest
from tumar_synthetic.__main__ import generate

import tumar_train
from tumar_train import attack, prints
from tumar_train.mates import Mates, mated

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = REPOSITORY / "crates/tumar-mpc/src/template/finger/weights/leader-rows-3"
VECTORS = REPOSITORY / "tests/vectors/fingers.txt"

assert tumar_train.__version__

# Probes are looked for less hard than for a card that anybody reads: a search of that size takes minutes.
attack.SEEDS, attack.REAL, attack.KEPT, attack.TARGETS, attack.SPACINGS = 150, 60, 120, 40, (40.0, 94.0)


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 fingers of 10 people on two sensors, four prints of each. Not to be written to."""
    path = tmp_path_factory.mktemp("records")
    assert generate(path, fingers=40, prints=4, sensors=2, seed=1) == 160
    return path


@pytest.fixture(scope="session")
def few(records: Path) -> prints.Prints:
    """The same, read."""
    return prints.load(records)


@pytest.fixture(scope="session")
def mates(few: prints.Prints) -> dict[tuple[int, int], Mates]:
    """Their mated minutiae."""
    return mated(few.all)
