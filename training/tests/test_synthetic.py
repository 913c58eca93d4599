"""Made-up prints are the same for the same seed, and about as real ones are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tumar_synthetic import field
from tumar_synthetic.__main__ import generate, main

from tumar_train import prints
from tumar_train.mates import LEAST_MATES, Mates


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_the_same_seed_gives_the_same_bytes_and_more_fingers_change_none(tmp_path: Path) -> None:
    for name, fingers, seed in (("a", 6, 1), ("b", 6, 1), ("c", 9, 1), ("d", 6, 2)):
        generate(tmp_path / name, fingers, 2, 2, seed)
    a, b, c, d = (contents(tmp_path / name) for name in "abcd")
    assert a == b and a != d
    assert all(c[name] == data for name, data in a.items() if name != "index.csv")


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert contents(tmp_path) == {"x": b""}


def test_minutiae_are_as_many_and_as_close_as_on_real_prints(few: prints.Prints) -> None:
    counts = np.array([len(one.minutiae) for one in few.all])
    assert not few.refused and 30 <= np.median(counts) <= 50 and counts.max() <= 100
    nearest = []
    for one in few.all[::4]:
        apart = np.hypot(*(one.minutiae.places[:, None] - one.minutiae.places[None]).transpose(2, 0, 1))
        np.fill_diagonal(apart, np.inf)
        nearest += apart.min(1).tolist()
    assert 15 <= np.median(nearest) <= 27


def test_prints_of_a_finger_have_most_minutiae_in_common_and_lie_nearly_the_same_way(mates: dict[tuple[int, int], Mates]) -> None:
    found = [mate for mate in mates.values() if len(mate.pairs) >= LEAST_MATES]
    assert len(found) > 0.9 * len(mates)
    turned = np.degrees(np.abs([mate.turned for mate in found]))
    assert 2 < np.median(turned) < 12 and np.percentile(turned, 99) < 40


def test_ridges_turn_once_around_a_whorl_and_by_half_around_a_loop() -> None:
    around = np.linspace(0, 2 * np.pi, 721)
    circle = 300 * np.stack([np.cos(around), np.sin(around)], 1)
    rng = np.random.default_rng(2)
    drawn = [field.draw(rng) for _ in range(60)]
    for one in drawn:
        # Twice an orientation has no jump; the sum of its changes is twice the turn.
        twice = np.unwrap(2 * one.orientation(circle))
        turns = (twice[-1] - twice[0]) / (4 * np.pi)
        assert turns == pytest.approx((len(one.loops) - len(one.deltas)) / 2, abs=1e-6)
    assert {one.kind for one in drawn} >= {"left loop", "right loop", "whorl"}
    assert sum(field.CLASSES.values()) == pytest.approx(1)
