"""What is wrong with a set of prints is told before the first step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tumar_train import checks, prints, records
from tumar_train.mates import Mates, mated
from tumar_train.records import Minutiae

Mated = dict[tuple[int, int], Mates]


def renamed(one: prints.Print, finger: str, person: str | None = None) -> prints.Print:
    """The same print under another finger's name."""
    return replace(one, line=replace(one.line, finger=finger, person=person or one.line.person))


def kinds(findings: list[checks.Finding]) -> dict[str, bool]:
    return {finding.kind: finding.stops for finding in findings}


def test_good_prints_have_nothing_against_them(few: prints.Prints, mates: Mated) -> None:
    assert not any(finding.stops for finding in checks.of_counts(few) + checks.of_labels(few.all, mates))


def test_records_without_minutiae_are_told_and_many_of_them_stop(few: prints.Prints, tmp_path: Path) -> None:
    nothing = few.all[0].minutiae
    empty = records.write(Minutiae(nothing.places[:0], nothing.directions[:0], nothing.angles[:0], nothing.qualities[:0]), (300, 300))
    (tmp_path / "a.fmr").write_bytes(empty)
    (tmp_path / "b.fmr").write_bytes(b"")
    (tmp_path / "index.csv").write_text("file,db,finger\na.fmr,x,1\nb.fmr,x,1\nc.fmr,x,1\n")
    read = prints.load(tmp_path)
    texts = [finding.text for finding in checks.of_counts(read)]
    assert not read.all
    assert "a.fmr: the record has no minutiae" in texts and any(text.startswith("b.fmr: RECORD_TRUNCATED") for text in texts)
    assert any(text.startswith("c.fmr: ") for text in texts)
    assert kinds(checks.of_counts(read))["records"] and kinds(checks.of_counts(read))["fingers"]
    # Two of 160 are told, and no more.
    some = prints.Prints(few.all, read.refused[:2], "")
    assert kinds(checks.of_counts(some)) == {"record": False}


def test_one_print_a_finger_is_too_few(few: prints.Prints) -> None:
    first = [few.all[places[0]] for places in prints.by_finger(few.all).values()]
    found = kinds(checks.of_counts(prints.Prints(first, [], "")))
    assert found["fingers"] and found["single"] is False


def test_few_people_with_many_fingers_are_too_few(few: prints.Prints) -> None:
    same = [replace(one, line=replace(one.line, person=f"p{int(one.line.person) % 5}")) for one in few.all]
    assert kinds(checks.of_counts(prints.Prints(same, [], ""))) == {"people": True}


def test_prints_of_one_sensor_only_are_told(few: prints.Prints) -> None:
    one = [print_ for print_ in few.all if print_.line.sensor == "optical-a"]
    assert len(one) < len(few.all) and kinds(checks.of_counts(prints.Prints(one, [], "")))["sensor"] is False


def test_two_in_a_hundred_wrong_labels_are_each_named(few: prints.Prints) -> None:
    own = list(few.all)
    wrong = (5, 41, 90)
    for place in wrong:
        own[place] = renamed(own[place], own[(place + 20) % len(own)].line.finger)
        own[place] = replace(own[place], line=replace(own[place].line, db=own[(place + 20) % len(own)].line.db))
    found = checks.of_labels(own, mated(own))
    named = {finding.files[0] for finding in found if finding.kind == "label"}
    assert named == {own[place].line.file for place in wrong}
    assert all(finding.stops for finding in found if finding.kind == "label")
    left = checks.without(prints.Prints(own, [], "d"), found)
    assert len(left.all) == len(own) - len(wrong) and left.digest != "d"


def test_a_finger_and_a_person_under_two_names_are_found_by_scores(few: prints.Prints) -> None:
    fingers = list(prints.by_finger(few.all).items())
    own = list(few.all)
    # Two fingers of the first person stand half under other names, of a person that is not there.
    for _, places in fingers[:2]:
        for place in places[2:]:
            own[place] = renamed(own[place], f"x{own[place].line.finger}", "nobody")
    found = checks.of_labels(own, mated(own))
    twice = [finding for finding in found if finding.kind == "twice"]
    assert len(twice) == 2 and all(finding.stops and len(finding.files) == 2 for finding in twice)
    assert [finding.stops for finding in found if finding.kind == "person"] == [True]
    assert not [finding for finding in found if finding.kind == "label"]
