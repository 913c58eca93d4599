"""Prints one table of what all benches measured: medians, and for the scan the ratios to its two floors.

    cargo bench && python3 benches/table.py [target/criterion]

Reads criterion's estimates.json files. A ratio compares medians of the same run and the same rows; figures of different days
have none.
"""

import json
import re
import sys
from pathlib import Path

READ, CLEAR, ONE = "plain_read", "clear_f32", "probes=1"


def time(nanoseconds):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def medians(folder):
    """(group, bench) -> (median in ns, elements)."""
    found = {}
    for path in folder.rglob("new/estimates.json"):
        about = json.loads((path.parent / "benchmark.json").read_text())
        elements = (about.get("throughput") or {}).get("Elements")
        median = json.loads(path.read_text())["median"]["point_estimate"]
        found[about["group_id"], about["function_id"] or ""] = (median, elements)
    return found


def natural(key):
    return [[int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)] for text in key]


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "target/criterion")
    found = medians(folder)
    if not found:
        print(f"no estimates under {folder}: run cargo bench first", file=sys.stderr)
        return 1
    lines = [("bench", "median", "an element", "of plain read", "times clear f32", "per probe, times one")]
    for (group, bench), (median, elements) in sorted(found.items(), key=lambda item: natural(item[0])):
        probes = re.fullmatch(r"(.*?)probes=(\d+)", bench)
        count = int(probes[2]) if probes else 1

        def ratio(other, mine=median):
            """How many times as fast as another bench of the group."""
            base = found.get((group, other))
            return f"{base[0] / mine:.2f}" if base and other != bench else ""

        scan = group.startswith("scan/")
        one = f"{probes[1]}{ONE}" if probes and group.startswith(("scan/", "kernel/")) else ""
        lines.append((
            f"{group}/{bench}",
            time(median),
            time(median / elements) if elements else "",
            ratio(READ) if scan else "",
            ratio(CLEAR, median / count) if scan else "",
            ratio(one, median / count) if one else "",
        ))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for number, line in enumerate(lines):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return 0


if __name__ == "__main__":
    sys.exit(main())
