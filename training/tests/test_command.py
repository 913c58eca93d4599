"""From a folder of records to a model's folder, its thresholds and its card, by the command."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from tumar_train import encode, folder, prints
from tumar_train.cli import main

SMALL = ["--steps", "3", "--fingers", "6", "--replicates", "10"]


@pytest.fixture(scope="module")
def model(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three steps: what it is worth does not matter here."""
    out = tmp_path_factory.mktemp("models") / "made"
    assert main(["fit", str(records), "--out", str(out), "--name", "made-rows-1", *SMALL]) == 0
    return out


def test_a_model_has_its_weights_its_entry_and_its_card(model: Path, few: prints.Prints) -> None:
    weights = folder.read_weights(model)
    template = few.all[0].template(weights)
    assert template is not None and template.rows.shape[1] == encode.ROW
    (entry,) = tomllib.loads((model / "models.toml").read_text())["model"]
    assert entry["id"] == "made-rows-1"
    card = json.loads((model / "card.json").read_text())
    figures = card["figures"]
    assert card["digests"] == json.loads((model / folder.DIGESTS).read_text())
    assert {rate: one["value"] for rate, one in figures["thresholds"].items() if rate != "1e-2"} == entry["thresholds"]
    assert figures["data"]["all"] == {"people": 10, "fingers": 40, "fingers with two prints": 40, "prints": 160}
    assert set(figures["data"]["sensor"]) == {"optical-a", "optical-b"}
    overall = figures["rates"]["all"]
    assert overall["eer"]["low"] <= overall["eer"]["value"] <= overall["eer"]["high"] < 0.2
    assert figures["crafted"]["1e-2"]["crafted rows"]["probes"] == 15
    # A quarter of a turn and more is not let in; the direction is in the rows.
    turned = figures["fnmr if turned"]
    assert turned["0 degrees"]["1e-2"] <= turned["30 degrees"]["1e-2"] <= turned["45 degrees"]["1e-2"] <= turned["60 degrees"]["1e-2"]
    assert turned["60 degrees"]["1e-2"] > turned["0 degrees"]["1e-2"]
    text = (model / "card.md").read_text()
    assert re.search(r"\| 1e-5 \| 0\.\d+ \| \*\*not supported\*\*", text)
    assert (model / "det.svg").read_text().startswith("<svg ")


def test_the_same_seed_gives_the_same_folder_twice(model: Path, records: Path, tmp_path: Path) -> None:
    again = tmp_path / "made"
    assert main(["fit", str(records), "--out", str(again), "--name", "made-rows-1", *SMALL]) == 0
    assert {file.name: file.read_bytes() for file in again.iterdir()} == {file.name: file.read_bytes() for file in model.iterdir()}


def test_a_card_is_written_anew_and_a_model_never_is(model: Path, records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {file.name: file.read_bytes() for file in model.iterdir()}
    assert main(["card", str(records), "--out", str(model), *SMALL]) == 0
    assert {file.name: file.read_bytes() for file in model.iterdir()} == before
    assert main(["card", str(records), "--out", str(model), *SMALL, "--seed", "4"]) == 2
    assert "was made with other settings" in capsys.readouterr().err
    assert main(["fit", str(records), "--out", str(model), *SMALL]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_a_site_sets_what_its_fingers_are_enough_for(model: Path, records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["thresholds", str(records), "--model", str(model)]) == 1
    assert "prints of 2 sensors" in capsys.readouterr().err
    lines = (records / "index.csv").read_text().splitlines(keepends=True)
    index = tmp_path / "one.csv"
    index.write_text("".join(line for line in lines if "optical-b" not in line))
    assert main(["thresholds", str(records), "--index", str(index), "--model", str(model), "--rates", "1e-2", "1e-5"]) == 1
    out = capsys.readouterr().out
    # 20 fingers are 190 pairs.
    assert "1e-2: REFUSED: 20 fingers are 190 pairs of fingers" in out and "1e-5: REFUSED" in out


def test_probes_are_crafted_against_a_model(model: Path, records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attack", str(records), "--model", str(model), "--starts", "1", "--sizes", "12"]) == 0
    assert len(re.findall(r"^1e-\d \(above 0\.\d+\): crafted rows ", capsys.readouterr().out, re.MULTILINE)) == 4
    card = json.loads((model / "card.json").read_text())
    spoilt = model.parent / "spoilt"
    spoilt.mkdir()
    for file in model.iterdir():
        (spoilt / file.name).write_bytes(file.read_bytes())
    del card["figures"]["thresholds"]["1e-4"]
    (spoilt / "card.json").write_text(json.dumps(card))
    assert main(["attack", str(records), "--model", str(spoilt)]) == 2
    assert "no threshold for 1e-4" in capsys.readouterr().err


def test_a_folder_of_prints_is_described_to_a_model(model: Path, records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", str(records), "--model", str(model), "--at", "1e-3=0.15"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["prints"] == 160 and found["no template"] == 0
    assert 4 <= found["rows"]["5 %"] <= found["rows"]["50 %"] <= found["rows"]["95 %"] <= 40
    hits = list(found["hits between strangers"].values())
    assert len(hits) == 3 and 0.5 > hits[0] > hits[1] > hits[2] >= 0
    assert found["rotation"]["synthetic"]["pairs"] > 200
    assert sum(pairs for pairs, _ in found["at 1e-3"]["fmr by size"].values()) == found["strangers"]


def test_wrong_labels_are_told_by_the_command_before_the_first_step(records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (records / "index.csv").read_text().splitlines()
    # Two in a hundred: three prints stand under the name of the finger five lines of fingers on.
    for place in (6, 42, 91):
        own, other = lines[place].split(","), lines[place + 20].split(",")
        lines[place] = ",".join([own[0], *other[1:]])
    index = tmp_path / "wrong.csv"
    index.write_text("\n".join(lines) + "\n")
    assert main(["fit", str(records), "--index", str(index), "--out", str(tmp_path / "out"), *SMALL]) == 1
    told = capsys.readouterr().err
    assert [told.count(lines[place].split(",")[0]) for place in (6, 42, 91)] == [1, 1, 1]
    assert "3 findings stop the training" in told and "step 1" not in told and not (tmp_path / "out").exists()


def test_prints_that_are_too_few_stop_before_the_first_step(records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (records / "index.csv").read_text().splitlines(keepends=True)
    index = tmp_path / "first.csv"
    index.write_text("".join(line for line in lines if line.startswith("file,") or "_1.fmr" in line))
    assert main(["fit", str(records), "--index", str(index), "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert "only 0 fingers have two prints or more" in told and "step" not in told
    assert not (tmp_path / "out").exists()
    assert main(["fit", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "index.csv: No such file" in capsys.readouterr().err
