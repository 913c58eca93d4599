"""Rates, intervals and thresholds, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tumar_train import prints, rates, thresholds
from tumar_train.scores import Scores


def scores(*values: float) -> Scores:
    return Scores(np.zeros((len(values), 2), np.int64), np.array(values))


def between(few: prints.Prints, fingers: int, each: int) -> tuple[list[prints.Print], Scores]:
    """All strangers among so many fingers with so many prints each; the scores are their number over the count."""
    from dataclasses import replace

    own = [replace(few.all[0], line=replace(few.all[0].line, finger=str(finger))) for finger in range(fingers) for _ in range(each)]
    of = [(i, j) for j in range(len(own)) for i in range(j) if own[i].finger != own[j].finger]
    return own, Scores(np.array(of), np.arange(len(of)) / len(of))


def test_a_threshold_lets_in_no_more_than_its_rate() -> None:
    strangers = np.arange(1000) / 1000
    at = rates.threshold(strangers, 1e-2)
    assert at == 0.989 and rates.fmr(strangers, at) == 0.01
    assert rates.fmr(strangers, at - 0.001) > 0.01
    assert rates.threshold(strangers, 1e-5) == 0.999


def test_fnmr_counts_what_does_not_lie_above() -> None:
    assert rates.fnmr(np.array([0.1, 0.2, 0.3, 0.4]), 0.2) == 0.5
    assert rates.eer(np.array([0.3, 0.5, 0.7, 0.9]), np.array([0.1, 0.2, 0.4, 0.6])) == 0.25


def test_intervals_hold_the_rate_and_grow_with_few_fingers(few: prints.Prints) -> None:
    widths = []
    for fingers in (12, 48):
        own, strangers = between(few, fingers, 2)
        rng = np.random.default_rng(1)
        strangers = Scores(strangers.of, rng.random(len(strangers)))
        numbers = np.array([int(one.line.finger) for one in own])
        genuine = Scores(np.array([(2 * finger, 2 * finger + 1) for finger in range(fingers)]), 0.9 + rng.normal(0, 0.1, fingers))
        bootstrap = rates.Bootstrap(genuine, strangers, numbers, 100, 1)
        low, high = bootstrap.fnmr_at(1e-2)
        assert low <= rates.fnmr(genuine.scores, rates.threshold(strangers.scores, 1e-2)) <= high
        widths.append(high - low)
        low, high = bootstrap.fmr_above(0.99)
        assert low <= rates.fmr(strangers.scores, 0.99) <= high
    assert widths[0] > widths[1]


def test_a_hundred_fingers_set_no_threshold_for_1e_5_however_many_prints_they_have(few: prints.Prints) -> None:
    own, strangers = between(few, 100, 3)
    # 44 550 pairs of prints, 4950 of fingers.
    sizes = dict.fromkeys(range(len(own)), 40)
    with pytest.raises(thresholds.TooFew, match="4950 pairs of fingers, too few for 1e-5: the rule of three asks for 300000, that is 776 fingers"):
        thresholds.of_site(own, sizes, strangers, 1e-5, 20, 0)
    with pytest.raises(thresholds.TooFew, match="too few for 1e-4"):
        thresholds.of_site(own, sizes, strangers, 1e-4, 20, 0)
    found = thresholds.of_site(own, sizes, strangers, 1e-3, 20, 0)
    assert found.threshold == pytest.approx(0.999, abs=2e-4)
    assert found.interval[0] <= 1e-3 <= found.interval[1] and found.by_size["40"][0] == len(strangers)


def test_what_too_few_fingers_can_not_say_is_marked_and_never_below_a_stranger(few: prints.Prints) -> None:
    own, strangers = between(few, 40, 2)
    strangers = Scores(strangers.of, 0.3 * strangers.scores)
    found = thresholds.from_validation(own, strangers)
    assert list(found) == ["1e-2", "1e-3", "1e-4", "1e-5"]
    assert [one.measured for one in found.values()] == [True, False, False, False]
    values = [one.value for one in found.values()]
    assert values == sorted(values) and values[2] > strangers.scores.max() and values[3] < 1


def test_fmr_is_parted_by_the_smaller_template() -> None:
    strangers = Scores(np.array([(0, 1), (0, 2), (1, 2)]), np.array([0.1, 0.5, 0.6]))
    assert thresholds.by_size({0: 40, 1: 15, 2: 25}, strangers, 0.3) == {"12-19": (2, 0.5), "20-29": (1, 1.0)}


def test_fingers_that_a_rate_takes() -> None:
    for rate in rates.TARGETS:
        needed = rates.fingers_needed(rate)
        assert thresholds.supported(rate, needed * (needed - 1) // 2)
        assert not thresholds.supported(rate, (needed - 1) * (needed - 2) // 2)
