"""What is wrong with a set of prints, told before the first step of a training.

Labels are held against the prints by an encoder that learns next to nothing from them: the analysis that a training starts from, over
minutiae that were found again in a finger's other prints. A print under a wrong name is like another finger's prints and unlike its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from . import rates
from .encode import HIDDEN, SURROUNDINGS, Weights, Whole
from .mates import Mates
from .prints import Print, Prints, by_finger
from .records import Reals
from .scores import Scores, all_pairs
from .start import TooFewMates, analysis

LEAST_FINGERS, LEAST_PEOPLE = 20, 10
MOST_REFUSED = 0.05
ONE_DECADE = 0.1
"""By how much a threshold rises where its rate falls to a tenth: between the steps of every model so far."""
LEAST_LIKE, HALF, FEW = 2, 0.5, 0.2


@dataclass(frozen=True)
class Finding:
    """Something to be told. `stops`: nothing is trained on such prints unless they are left out or the finding is overruled."""

    kind: str
    text: str
    stops: bool = False
    files: tuple[str, ...] = ()
    """Whose leaving out would mend it."""


def of_counts(prints: Prints) -> list[Finding]:
    """What needs no comparison."""
    found = [Finding("record", f"{one.line.file}: {one.why}") for one in prints.refused]
    total = len(prints.all) + len(prints.refused)
    if total and len(prints.refused) > MOST_REFUSED * total:
        text = f"{len(prints.refused)} of {total} records give no print; with more than {MOST_REFUSED:.0%} the export is to be looked at first"
        found.append(Finding("records", text, stops=True))
    fingers = by_finger(prints.all)
    single = [finger for finger, places in fingers.items() if len(places) == 1]
    usable = len(fingers) - len(single)
    if single:
        found.append(Finding("single", f"{len(single)} of {len(fingers)} fingers have one print only, from which nothing is learned: {_some(single)}"))
    if usable < LEAST_FINGERS:
        text = f"only {usable} fingers have two prints or more, {LEAST_FINGERS} are needed for a model at all and hundreds for a good one"
        found.append(Finding("fingers", text, stops=True))
    people = {prints.all[places[0]].line.who for places in fingers.values() if len(places) > 1}
    if usable and len(people) < LEAST_PEOPLE:
        text = f"only {len(people)} people have fingers with two prints or more, {LEAST_PEOPLE} are needed to try a model on people it did not see"
        found.append(Finding("people", text, stops=True))
    sensors = {one.line.sensor for one in prints.all}
    if len(sensors) == 1:
        found.append(Finding("sensor", f"all prints are of one sensor, {sensors.pop()}: what the model is worth on another can not be said"))
    return found


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def plain_weights(prints: list[Print], mates: Mapping[tuple[int, int], Mates]) -> Weights:
    """The analysis alone, as weights whose hidden units do nothing."""
    mean, linear = analysis(prints, range(len(prints)), mates)
    zero = np.zeros((HIDDEN, len(mean)), np.float32), np.zeros(HIDDEN, np.float32), np.zeros((SURROUNDINGS, HIDDEN), np.float32)
    return Weights(mean.astype(np.float32), linear.astype(np.float32), *zero)


def of_labels(prints: list[Print], mates: Mapping[tuple[int, int], Mates]) -> list[Finding]:
    """Prints under a wrong name, fingers and people under two names. All pairs of prints are compared."""
    try:
        weights = plain_weights(prints, mates)
    except TooFewMates as error:
        return [Finding("mates", f"{error}: these prints do not repeat, or their labels say nothing", stops=True)]
    sets: dict[int, Whole] = {}
    for place, one in enumerate(prints):
        made = one.template(weights)
        if made:
            sets[place] = made.rows
    genuine, strangers = all_pairs(prints, sets, across=True)
    if not len(strangers):
        return []
    # A few wrong names are among the strangers' best scores: the rate for one in a thousand does not feel them.
    at = rates.threshold(strangers.scores, 1e-3) + ONE_DECADE
    wrong = _wrong_names(prints, genuine, strangers, at)
    misnamed = {name for finding in wrong for name in finding.files}
    return wrong + _two_names(prints, strangers, at, misnamed)


def _table(scores: Scores, count: int) -> Reals:
    table = np.full((count, count), np.nan)
    table[scores.of[:, 0], scores.of[:, 1]] = table[scores.of[:, 1], scores.of[:, 0]] = scores.scores
    return table


def _wrong_names(prints: list[Print], genuine: Scores, strangers: Scores, at: float) -> list[Finding]:
    own, others = _table(genuine, len(prints)), _table(strangers, len(prints))
    fingers = by_finger(prints)
    found, unlike = [], []
    for place, one in enumerate(prints):
        compared = np.isfinite(own[place])
        if not compared.any() or (own[place][compared] > at).mean() > FEW:
            continue
        alike = Counter(prints[int(other)].finger for other in np.nonzero(np.nan_to_num(others[place]) > at)[0])
        finger, count = max(alike.items(), key=lambda item: (item[1], item[0]), default=("", 0))
        if count >= LEAST_LIKE and count >= HALF * len(fingers[finger]):
            text = f"{one.line.file} stands under {one.finger} and is like {count} of {len(fingers[finger])} prints of {finger}: a wrong label"
            found.append(Finding("label", text, stops=True, files=(one.line.file,)))
        elif not (own[place][compared] > at - ONE_DECADE).any() and compared.sum() > 1:
            unlike.append(one.line.file)
    if unlike:
        found.append(Finding("unlike", f"{len(unlike)} prints are like no other of their finger, by quality or by a wrong label: {_some(unlike)}"))
    return found


def _two_names(prints: list[Print], strangers: Scores, at: float, misnamed: set[str]) -> list[Finding]:
    fingers = by_finger(prints)
    sizes = {finger: sum(prints[place].line.file not in misnamed for place in places) for finger, places in fingers.items()}
    alike: Counter[tuple[str, str]] = Counter()
    for i, j in strangers.of[strangers.scores > at].tolist():
        if not {prints[i].line.file, prints[j].line.file} & misnamed:
            one, other = sorted((prints[i].finger, prints[j].finger))
            alike[one, other] += 1
    found, shared = [], Counter[tuple[str, str]]()
    for (one, other), count in sorted(alike.items()):
        pairs = sizes[one] * sizes[other]
        if count >= HALF * pairs and count >= min(LEAST_LIKE, pairs):
            files = tuple(prints[place].line.file for place in fingers[other])
            found.append(Finding("twice", f"{one} and {other} are one finger: {count} of {pairs} pairs of prints are alike", stops=True, files=files))
            who, whose = sorted((prints[fingers[one][0]].line.who, prints[fingers[other][0]].line.who))
            if who != whose:
                shared[who, whose] += 1
    for (who, whose), count in shared.items():
        if count > 1:
            found.append(Finding("person", f"{who} and {whose} share {count} fingers: one person under two names", stops=True))
    return found


def without(prints: Prints, findings: list[Finding]) -> Prints:
    """The prints that no finding would leave out."""
    gone = {name for finding in findings for name in finding.files}
    kept = [one for one in prints.all if one.line.file not in gone]
    # Another set of prints: nothing of the whole set's training is gone on with.
    return Prints(kept, prints.refused, f"{prints.digest} less {','.join(sorted(gone))}" if gone else prints.digest)
