"""Checks what `tumar eval` found, and that its files stand where they were asked for."""

import json
import sys
from pathlib import Path

report = json.load(open(sys.argv[1]))
folder = Path(sys.argv[2])
faults = []
curves = {curve["name"]: curve for curve in report["curves"]}


def missed(name, target):
    return next(p["fnmr"]["value"] if isinstance(p["fnmr"], dict) else p["fnmr"] for p in curves[name]["points"] if p["target"] == target)


for name, curve in curves.items():
    eer = 100 * curve["eer"]["value"]
    print(f"{name}: {curve['genuine']} genuine, {curve['impostor']} impostor pairs, EER {eer:.3f} %, FNMR at FMR 1e-4 {100 * missed(name, 1e-4):.2f} %")
    # The vector for searches stands only beside a face.
    if curve["failures"] or eer > (2.0 if name == "leader-fixed-1" else 0.8):
        faults.append(f"{name}: {curve['failures']} failures to enrol, EER {eer:.3f} %")
if "fused" in curves and not all(missed("fused", 1e-4) < missed(name, 1e-4) for name in curves if name != "fused"):
    faults.append("a face and a finger in one score are no better than each by itself")
searches = {search["name"]: search["at_fmr"][-1] for search in report["searches"]}
for name, at in searches.items():
    print(f"searches by {name} at FMR 1e-5: FNIR {100 * at['fnir']:.2f} %, {at['false_candidates']:.4f} false candidates each")
if "fused" in searches and not (searches["fused"]["fnir"] < 0.02 and searches["fused"]["false_candidates"] < 0.01):
    faults.append("a search by a face and a finger misses too many people, or names too many strangers")
shared = report["shared"]
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
