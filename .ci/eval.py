"""Checks what `tumar eval` found, and that its files stand where they were asked for."""

import argparse
import json
import sys
from pathlib import Path

wanted = argparse.ArgumentParser(description=__doc__)
wanted.add_argument("report", help="what the command printed with --json")
wanted.add_argument("folder", help="where its files are")
wanted.add_argument("--eer", type=float, default=0.8, help="the highest equal error rate, in %%")
wanted.add_argument("--groups", type=int, default=0, help="how many groups the labels have")
wanted.add_argument("--wolves", action="store_true", help="wolves must have been looked for")
wanted.add_argument("--no-shares", action="store_true", help="nothing was compared on shares")
wanted = wanted.parse_args()
report = json.load(open(wanted.report))
folder = Path(wanted.folder)
faults = []
curves = {curve["name"]: curve for curve in report["curves"]}


def missed(name, target):
    return next(p["fnmr"]["value"] if isinstance(p["fnmr"], dict) else p["fnmr"] for p in curves[name]["points"] if p["target"] == target)


for name, curve in curves.items():
    eer = 100 * curve["eer"]["value"]
    print(f"{name}: {curve['genuine']} genuine, {curve['impostor']} impostor pairs, EER {eer:.3f} %, FNMR at FMR 1e-4 {100 * missed(name, 1e-4):.2f} %")
    # The vector for searches stands only beside a face.
    if curve["failures"] or eer > (2.0 if name == "leader-fixed-1" else wanted.eer):
        faults.append(f"{name}: {curve['failures']} failures to enrol, EER {eer:.3f} %")
if "fused" in curves and not all(missed("fused", 1e-4) < missed(name, 1e-4) for name in curves if name != "fused"):
    faults.append("a face and a finger in one score are no better than each by itself")
searches = {search["name"]: search["at_fmr"][-1] for search in report["searches"]}
for name, at in searches.items():
    print(f"searches by {name} at FMR 1e-5: FNIR {100 * at['fnir']:.2f} %, {at['false_candidates']:.4f} false candidates each")
if "fused" in searches and not (searches["fused"]["fnir"] < 0.02 and searches["fused"]["false_candidates"] < 0.01):
    faults.append("a search by a face and a finger misses too many people, or names too many strangers")
groups = report["groups"]
if len(groups["groups"] if groups else []) != wanted.groups:
    faults.append(f"{wanted.groups} groups were labelled, the report has {groups and groups['groups']}")
for at in groups["at"] if groups else []:
    if at["threshold"]["source"] == "table":
        rates = [f"{group['name']} {100 * rates['fmr']['value']:.4f} / {100 * rates['fnmr']['value']:.2f}" for group, rates in zip(groups["groups"], at["rates"])]
        print(f"FMR / FNMR in % by group at the threshold for FMR {at['threshold']['target']:g}: {', '.join(rates)}")
wolves = report["wolves"]
if bool(wolves) != wanted.wolves:
    faults.append("wolves were not looked for" if wanted.wolves else "wolves were looked for, and nobody asked")
elif wolves:
    lattices = next(pack for pack in wolves["crafted"] if pack["kind"].startswith("lattices"))
    for place, threshold in enumerate(wolves["thresholds"]):
        if threshold["source"] != "table":
            continue
        target = threshold["target"]
        own, crafted, lattice = (100 * pack["shares"][place]["greatest"] for pack in (wolves["own"], wolves["all_crafted"], lattices))
        print(f"at the threshold for FMR {target:g} one own probe matches {own:.3f} % of strangers at most, a crafted one {crafted:.3f} %, a lattice {lattice:.3f} %")
        if target <= 1e-4 and crafted > (1.0 if target > 5e-5 else 0.0):
            faults.append(f"a crafted probe matches {crafted:.3f} % of strangers at the threshold for FMR {target:g}")
        if lattice:
            faults.append(f"a lattice of minutiae matches {lattice:.3f} % of strangers at the threshold for FMR {target:g}")
    if wolves["all_crafted"]["probes"] < 100 or not lattices["probes"]:
        faults.append(f"too few crafted probes: {wolves['all_crafted']['probes']}, {lattices['probes']} lattices")
shared = report["shared"]
if wanted.no_shares:
    shared is None or faults.append("pairs were compared on shares, and nobody asked")
else:
    print(f"on shares: {shared['pairs']} pairs, {shared['matches']} matches, {shared['disagreements']} disagreements")
    if shared["pairs"] < 1 or shared["disagreements"] or not 0 < shared["matches"] < shared["pairs"]:
        faults.append(f"on shares: {shared}")
page = (folder / "report.html").read_text()
if "http://" in page.replace("http://www.w3.org", "") or "https://" in page or "<script" in page:
    faults.append("the report takes something from elsewhere, or runs something")
for name in ("det.svg", "eval.json", "models.toml"):
    if not (folder / name).stat().st_size:
        faults.append(f"{name} is empty")
if faults:
    sys.exit("not as it should be: " + "; ".join(faults))
