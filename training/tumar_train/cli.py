"""The command `tumar-train`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__, attack, card, checks, describe, figures, folder, plot, prints, rates, thresholds
from .cross import Material, TooFewPairs, Validated, validate
from .index import BadIndex
from .learn import Settings
from .mates import Mates, mated
from .scores import all_pairs
from .start import TooFewMates

Mated = dict[tuple[int, int], Mates]


class Stopped(Exception):
    """What is wrong with the prints, and what to do."""


class _Log:
    """Progress, on standard error with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:6.0f} s] {text}", file=sys.stderr, flush=True)


def _checked(options: argparse.Namespace, say: _Log) -> tuple[prints.Prints, Mated, list[checks.Finding]]:
    """Reads and checks the prints; all that is found is told before the first step, and may stop it."""
    found = prints.load(options.records, options.index)
    say(f"{len(found.all)} prints of {len(prints.by_finger(found.all))} fingers; {len(found.refused)} records give none")
    findings = checks.of_counts(found)
    if not any(finding.stops for finding in findings):
        mates = mated(found.all)
        say(f"{sum(len(mate.pairs) for mate in mates.values())} minutiae are found again in another print of their finger")
        findings += checks.of_labels(found.all, mates)
    for finding in findings:
        say(f"{'STOP' if finding.stops else 'note'}: {finding.text}")
    stopping = [finding for finding in findings if finding.stops]
    if stopping and options.suspects == "drop" and all(finding.files or finding.kind == "person" for finding in stopping):
        found = checks.without(found, stopping)
        mates = mated(found.all)
        say(f"left out what was found: {len(found.all)} prints stay")
        remaining = [finding for finding in checks.of_counts(found) if finding.stops]
        if remaining:
            raise Stopped(remaining[0].text)
    elif stopping and not (options.suspects == "keep" and all(finding.kind in ("label", "twice", "person") for finding in stopping)):
        of_labels = all(one.files or one.kind == "person" for one in stopping)
        hint = "; with --suspects drop they are left out, with keep trained on" if of_labels else ""
        raise Stopped(f"{len(stopping)} findings stop the training: mend the records or the index{hint}")
    return found, mates, findings


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(steps=options.steps, fingers=options.fingers, crafted=options.crafted, rate=options.rate, seed=options.seed)


def _write_card(out: Path, made: dict[str, Any], numbers: figures.Json, findings: list[checks.Finding], digests: dict[str, str] | None) -> None:
    told = [{"kind": one.kind, "text": one.text} for one in findings]
    whole = {"name": made["name"], "made": made, "findings": told, "figures": numbers, "digests": digests}
    (out / "card.json").write_text(json.dumps(whole, indent=2, allow_nan=False) + "\n")
    (out / "card.md").write_text(card.markdown(whole))


def _validated(options: argparse.Namespace, say: _Log) -> tuple[Material, Validated, list[checks.Finding]]:
    found, mates, findings = _checked(options, say)
    material = Material(found, mates, options.seed)
    return material, validate(material, _settings(options), options.work, say), findings


def _report(
    options: argparse.Namespace, material: Material, tried: Validated, findings: list[checks.Finding], digests: dict[str, str] | None
) -> dict[str, folder.Threshold]:
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    numbers, limits = figures.of_model(material.prints, tried, material.mates, options.replicates, options.seed)
    made = {"name": options.name, "version": __version__, "settings": asdict(_settings(options))}
    (out / "det.svg").write_text(plot.det(f"{options.name}, cross-validated", figures.curves(material.prints.all, tried)))
    _write_card(out, made, numbers, findings, digests)
    overall = numbers["rates"]["all"]
    fnmr = ", ".join(f"{card.per_cent(overall['fnmr'][rate]['value'])} % at {rate}" for rate in figures.OF_CARD)
    mean = card.per_cent(overall["mean fnmr from 1e-4 to 1e-2"])
    print(f"EER {card.per_cent(overall['eer']['value'])} %; FNMR {fnmr}; mean over FMR 1e-4 to 1e-2 {mean} %")
    at = rates.threshold(tried.strangers.scores, 1e-4)
    held = [[tried.sets[place].rows for place in tried.sets if tried.fold[place] == fold] for fold in range(len(tried.weights))]
    shares = [attack.matched([rows], held[fold], at)[0] for rows, fold in tried.rows]
    mean, worst = card.per_cent(float(np.mean(shares))), card.per_cent(max(shares))
    print(f"crafted rows at the held-out threshold for 1e-4 ({at:.4f}): {mean} % in the mean, {worst} % at worst of {len(shares)}")
    return limits


def _cv(options: argparse.Namespace, say: _Log) -> int:
    material, tried, findings = _validated(options, say)
    _report(options, material, tried, findings, None)
    say(f"{options.out}: card.md, card.json, det.svg")
    return 0


def _fit(options: argparse.Namespace, say: _Log) -> int:
    folder.check_name(options.name)
    if options.out.exists() and any(options.out.iterdir()):
        raise folder.BadModel(f"{options.out} is not empty: a model is never changed, other numbers are another one")
    material, tried, findings = _validated(options, say)
    every = list(range(len(material.prints.all)))
    weights = material.train(every, _settings(options), options.work / "whole.npz", lambda text: say(f"the model: {text}"))
    digests = folder.write_weights(options.out, weights)
    limits = _report(options, material, tried, findings, digests)
    (options.out / "models.toml").write_text(folder.models_toml(options.name, limits, digests))
    say(f"{options.out}: weights, digests.json, models.toml, card.md, card.json, det.svg")
    return 0


def _card(options: argparse.Namespace, say: _Log) -> int:
    """Writes a model's card anew from what its training left in the working folder."""
    folder.read_weights(options.out)
    kept = _read_card(options.out)
    options.name = kept["name"]
    if asdict(_settings(options)) != kept["made"]["settings"]:
        raise folder.BadModel(f"{options.out} was made with other settings than these: give those that {options.out / 'card.json'} has")
    material, tried, findings = _validated(options, say)
    if material.prints.digest != kept["figures"]["data"]["digest"]:
        raise folder.BadModel(f"{options.out} was made from other records than those of {options.records}")
    _report(options, material, tried, findings, kept["digests"])
    return 0


def _read_card(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads((path / "card.json").read_text())
        limits = kept["figures"]["thresholds"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise folder.BadModel(f"{path / 'card.json'}: no card with thresholds ({error})") from None
    missing = [rate for rate in figures.OF_CARD if rate not in limits]
    if missing:
        raise folder.BadModel(f"{path / 'card.json'} has no threshold for {', '.join(missing)}")
    return dict(kept)


def _encoded(options: argparse.Namespace, say: _Log) -> tuple[list[prints.Print], dict[int, Any]]:
    """Prints with the model's templates, by place."""
    weights = folder.read_weights(options.model)
    found = prints.load(options.records, options.index)
    for one in found.refused:
        say(f"note: {one.line.file}: {one.why}")
    made = {place: one.template(weights) for place, one in enumerate(found.all)}
    say(f"{sum(one is not None for one in made.values())} of {len(found.all) + len(found.refused)} records give a template")
    return found.all, {place: one.rows for place, one in made.items() if one}


def _thresholds(options: argparse.Namespace, say: _Log) -> int:
    own, sets = _encoded(options, say)
    sensors = sorted({own[place].line.sensor for place in sets})
    if len(sensors) > 1:
        raise Stopped(f"prints of {len(sensors)} sensors ({', '.join(sensors[:4])}): a site sets thresholds by its own sensor; make an index of it")
    _, strangers = all_pairs(own, sets, across=True)
    if not len(strangers):
        raise Stopped("there are no two fingers to compare")
    sizes = {place: len(rows) for place, rows in sets.items()}
    used = [own[place] for place in sorted(sets)]
    refused = 0
    for text in options.rates:
        try:
            found = thresholds.of_site(own, sizes, strangers, float(text), options.replicates, options.seed)
        except thresholds.TooFew as error:
            print(f"{text}: REFUSED: {error}")
            refused += 1
            continue
        low, high = (card.per_cent(value) for value in found.interval)
        print(f"{text}: {found.threshold}; over other fingers FMR {low} % to {high} % (95 %, {len(prints.by_finger(used))} fingers)")
        for size, (pairs, share) in found.by_size.items():
            print(f"    smaller template of {size} rows: {card.per_cent(share)} % of {pairs} pairs")
    return 1 if refused else 0


def _attack(options: argparse.Namespace, say: _Log) -> int:
    own, sets = _encoded(options, say)
    limits = _read_card(options.model)["figures"]["thresholds"]
    weights = folder.read_weights(options.model)
    people = sorted({own[place].line.who for place in sets})
    halves = [[sets[place] for place in sorted(sets) if people.index(own[place].line.who) % 2 == half] for half in range(2)]
    if not all(halves):
        raise Stopped("there is one person only: probes are made on one half of the people and tried on the other")
    patterns = attack.lattices(weights, options.seed)
    for rate in figures.OF_CARD:
        at, shares = limits[rate]["value"], []
        for made, tried in (halves, halves[::-1]):
            probes = [attack.Craft(made, at, size, (options.seed, 8, seed)).rows() for size in options.sizes for seed in range(options.starts)]
            shares += attack.matched(probes, tried, at)
        lattices = attack.matched(patterns, [rows for half in halves for rows in half], at) if patterns else []
        worst = f"{card.per_cent(max(lattices))} % at worst of {len(lattices)}" if lattices else "all refused by the encoder"
        rows = f"{card.per_cent(max(shares))} % at worst, {card.per_cent(float(np.median(shares)))} % the median of {len(shares)}"
        print(f"{rate} (above {at}): crafted rows {rows}; lattices {worst}")
    return 0


def _describe(options: argparse.Namespace, say: _Log) -> int:
    weights = folder.read_weights(options.model)
    found = prints.load(options.records, options.index)
    say(f"{len(found.all)} prints; {len(found.refused)} records give none")
    print(json.dumps(describe.describe(found.all, weights, dict(options.at)), indent=2, allow_nan=False))
    return 0


def _limit(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tumar-train", description="Trains a finger encoder for Tumar on prints of one's own, and says how good it is.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    what = {
        "cv": (_cv, "cross-validate by person: five trainings, and what they are worth"),
        "fit": (_fit, "train a model on all prints, with thresholds and a card from the cross-validation"),
        "thresholds": (_thresholds, "set a site's thresholds on strangers' prints of its own sensor"),
        "attack": (_attack, "craft probes on one half of the people and try them on the other"),
        "card": (_card, "write a model's card anew from its working folder"),
        "describe": (_describe, "what a folder of prints is like to a model: rows, hits between strangers, rotation, rates"),
    }
    for name, (run, text) in what.items():
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("records", type=Path, help="folder of ISO/IEC 19794-2:2005 or ANSI/INCITS 378 records, one view each")
        command.add_argument("--index", type=Path, help="CSV table with file, db, finger; index.csv in the folder if not given")
        command.add_argument("--seed", type=int, default=0, help="where all chance begins: the same seed gives the same bytes on one machine")
        command.add_argument("--replicates", type=int, default=200, help="how often fingers are drawn anew for the intervals (default 200)")
        if name in ("thresholds", "attack", "describe"):
            command.add_argument("--model", type=Path, required=True, help="a folder that fit wrote")
        else:
            _training(command, name)
    commands.choices["thresholds"].add_argument(
        "--rates", nargs="+", default=["1e-2", "1e-3"], choices=figures.OF_CARD, metavar="FMR", help="1e-2 to 1e-5 (default 1e-2 1e-3)"
    )
    commands.choices["attack"].add_argument("--starts", type=int, default=3, help="sets of rows of each size (default 3)")
    commands.choices["attack"].add_argument(
        "--sizes", nargs="+", type=int, choices=range(4, 41), default=attack.SIZES, metavar="ROWS", help="of sets, 4 to 40 rows (default 12 20 40)"
    )
    commands.choices["describe"].add_argument(
        "--at", nargs="+", type=_limit, default=[], metavar="NAME=T", help="thresholds that FMR by size and FNMR are told at: 1e-3=0.15"
    )
    return parser


def _training(command: argparse.ArgumentParser, name: str) -> None:
    default = Settings()
    out = "a new or empty folder for the report" if name == "cv" else "the model's folder"
    command.add_argument("--out", type=Path, required=True, help=out)
    command.add_argument("--work", type=Path, help="checkpoints, to go on with after a stop (default: the out folder's name with .work)")
    command.add_argument("--name", default="own-rows-1", help="the model's name: extractor, encoding, version (default own-rows-1)")
    command.add_argument("--suspects", choices=("stop", "drop", "keep"), default="stop", help="what to do with prints under a wrong name (default stop)")
    command.add_argument("--steps", type=int, default=default.steps, help=f"of each training (default {default.steps})")
    command.add_argument("--fingers", type=int, default=default.fingers, help=f"in a batch (default {default.fingers})")
    command.add_argument("--crafted", type=float, default=default.crafted, help=f"weight of crafted probes in the loss (default {default.crafted})")
    command.add_argument("--rate", type=float, default=default.rate, help=f"of learning (default {default.rate})")


def main(arguments: Sequence[str] | None = None) -> int:
    """0: done. 1: something was found or refused. 2: the input can not be read."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command in ("cv", "fit", "card"):
        if options.steps < 1 or options.fingers < 2:
            parser.error("there must be at least one step and two fingers in a batch")
        options.work = options.work or options.out.with_name(options.out.name + ".work")
    try:
        return int(options.run(options, _Log()))
    except (Stopped, TooFewPairs, TooFewMates) as error:
        print(f"tumar-train: {error}", file=sys.stderr)
        return 1
    except (BadIndex, folder.BadModel, OSError) as error:
        print(f"tumar-train: {error}", file=sys.stderr)
        return 2
