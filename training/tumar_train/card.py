"""The model card in Markdown, from the same numbers that the JSON has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .figures import OF_CARD, Json
from .folder import weights_markdown


def per_cent(value: float) -> str:
    """With the digits that a rate needs."""
    if math.isnan(value):
        return "-"
    share = 100 * value
    return "0" if share == 0 else f"{share:.2g}" if share < 0.1 else f"{share:.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows), ""]


def _with_interval(one: Mapping[str, float]) -> str:
    mark = "" if one.get("supported", True) else " †"
    return f"{per_cent(one['value'])} [{per_cent(one['low'])}, {per_cent(one['high'])}]{mark}"


def _data(figures: Json) -> list[str]:
    lines = ["## Data", ""]
    data = figures["data"]
    columns = ("people", "fingers", "fingers with two prints", "prints")
    for what in ("collection", "sensor", "group", "licence"):
        rows = [[value, *(str(count[column]) for column in columns)] for value, count in data[what].items()]
        lines += _table([what, *columns], rows)
    lines += [f"{data['refused']} records gave no print. Digest of what was read: `{data['digest'][:64]}`.", ""]
    return lines


def _rates(figures: Json) -> list[str]:
    lines = ["## Accuracy, cross-validated by person", ""]
    lines += [
        "Five models, each tried on the fifth of the people that it did not see. Strangers are of one collection. In %, with intervals of 95 %",
        "by a bootstrap over fingers. † fewer pairs of fingers than the rule of three asks for at this rate.",
        "",
    ]
    rows = []
    for name, one in figures["rates"].items():
        if "eer" in one:
            pairs = f"{one['genuine']} / {one['strangers']}"
            fnmr = [_with_interval(one["fnmr"][rate]) for rate in OF_CARD]
            rows.append([name, pairs, _with_interval(one["eer"]), *fnmr, per_cent(one["mean fnmr from 1e-4 to 1e-2"])])
    head = ["collection", "genuine / strangers", "EER", *(f"FNMR at FMR {rate}" for rate in OF_CARD), "mean FNMR, FMR 1e-4 to 1e-2"]
    lines += _table(head, rows)
    lines += [f"{figures['no template']} prints gave no template.", "", "![FNMR against FMR](det.svg)", ""]
    return lines


def _thresholds(figures: Json) -> list[str]:
    lines = ["## Thresholds", ""]
    rows = []
    for rate, one in figures["thresholds"].items():
        rows.append([rate, f"{one['value']}", "measured" if one["measured"] else "**not supported**: fewer pairs of fingers than the rule of three asks for"])
    lines += _table(["FMR", "score above", "how"], rows)
    lines += ["A site sets its own on its own strangers: `tumar-train thresholds`.", "", "FMR in % at these thresholds:", ""]
    sizes = sorted({size for by in figures["fmr by size"].values() for size in by}, key=lambda size: int(size.split("-")[0]))
    by_size = figures["fmr by size"]
    rows = []
    for size in sizes:
        shares = [per_cent(by_size[rate][size][1]) for rate in OF_CARD]
        rows.append([f"{size} rows in the smaller template", str(by_size[OF_CARD[0]][size][0]), *shares])
    lines += _table(["strangers", "pairs", *OF_CARD], rows)
    for what in ("sensor", "group"):
        parts = figures[f"fmr by {what}"]
        rows = [[value, str(one["strangers"]), *(per_cent(one[rate]) for rate in OF_CARD)] for value, one in parts.items()]
        lines += _table([f"strangers of one {what}", "pairs", *OF_CARD], rows) if rows else [f"No two strangers of one {what} were tried.", ""]
    left = figures["fmr of collections left out, times the nominal"]
    if left:
        lines += ["With thresholds set by all other collections, a collection's FMR as a multiple of the nominal one:", ""]
        rows = [[name, str(one["strangers"]), *(f"{one[rate]:.2g}" for rate in OF_CARD[:3])] for name, one in left.items()]
        lines += _table(["collection left out", "pairs", *OF_CARD[:3]], rows)
    else:
        lines += ["There is one collection only: what another would say of the thresholds is not known.", ""]
    return lines


def _crafted(figures: Json) -> list[str]:
    lines = ["## Crafted probes", "", "Share of strangers in % that one probe matches: the worst probe, and the median in brackets.", ""]
    kinds = ("honest prints", "crafted rows", "crafted minutiae")
    rows = []
    for kind in kinds:
        cells = []
        for rate in OF_CARD:
            one = figures["crafted"][rate][kind]
            cells.append(f"{per_cent(one['worst'])} ({per_cent(one['median'])})" if one["probes"] else "-")
        rows.append([kind, str(figures["crafted"][OF_CARD[0]][kind]["probes"]), *cells])
    lines += _table(["probes", "how many", *OF_CARD], rows)
    return [*lines, "These are the best that were found, made on other people's prints, and no bound.", ""]


def _rotation(figures: Json) -> list[str]:
    lines = ["## Rotation", "", "Between mated prints, in degrees:", ""]
    columns = ("50 %", "95 %", "99 %", "100 %")
    rows = [[name, str(one["pairs"]), *(f"{one[column]:.1f}" for column in columns)] for name, one in figures["rotation"].items()]
    lines += _table(["collection", "pairs", *columns], rows)
    lines += ["FNMR in % if every probe had been turned by so much more; rows carry their minutia's direction:", ""]
    rows = [[turn, *(per_cent(one[rate]) for rate in OF_CARD)] for turn, one in figures["fnmr if turned"].items()]
    return lines + _table(["turned by", *OF_CARD], rows)


def markdown(card: Json) -> str:
    """The whole card."""
    figures, made = card["figures"], card["made"]
    lines = [
        f"# {card['name']}",
        "",
        "A finger encoder for Tumar: from minutiae to sets of rows, for 1:1.",
        "It fits minutiae of the extractor of these prints and of no other.",
        f"Made by tumar-train {made['version']} with seed {made['settings']['seed']}, {made['settings']['steps']} steps.",
        "",
        *_data(figures),
        *_findings(card),
        *_rates(figures),
        *_thresholds(figures),
        *_crafted(figures),
        *_rotation(figures),
    ]
    if card.get("digests"):
        lines += ["## Weights", "", *weights_markdown(card["name"], card["digests"]).splitlines()[2:], ""]
    return "\n".join(lines).rstrip() + "\n"


def _findings(card: Json) -> list[str]:
    if not card["findings"]:
        return []
    return ["Told before the training:", "", *(f"* {one['text']}" for one in card["findings"]), ""]
