"""The whole cross-validation on real prints. It takes half an hour of one core: only if it is asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tumar_train.cli import main


@pytest.mark.skipif("TUMAR_DATA" not in os.environ or "TUMAR_TRAIN_FULL" not in os.environ, reason="TUMAR_DATA and TUMAR_TRAIN_FULL ask for it")
def test_cross_validation_on_the_development_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cv", str(Path(os.environ["TUMAR_DATA"]) / "fingers"), "--out", str(tmp_path / "cv")]) == 0
    figures = json.loads((tmp_path / "cv" / "card.json").read_text())["figures"]
    assert figures["rates"]["all"]["mean fnmr from 1e-4 to 1e-2"] <= 0.010
    mean, worst = capsys.readouterr().out.split("1e-4 (")[1].split("): ")[1].split(" % in the mean, ")
    assert float(mean) <= 0.2 and float(worst.split(" %")[0]) <= 1.5
