"""`tumar-synthetic OUT`: a folder of records and its index, as `tumar eval fingers` and `tumar-train` take them."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from tumar_train.records import write

from .finger import SENSORS, capture, finger

COLUMNS = ("file", "db", "finger", "person", "collection", "sensor", "licence")
FINGERS_EACH = 4
LICENCE = "synthetic, no person's"


def generate(out: Path, fingers: int, prints: int, sensors: int, seed: int, collection: str = "synthetic") -> int:
    """Writes so many fingers' records, each finger on one sensor, the sensors in turn by person; returns how many records."""
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(fingers):
        # A finger depends on its number and the seed alone: more fingers change none of the first.
        rng = np.random.default_rng([seed, 7, number])
        person, position = number // FINGERS_EACH, number % FINGERS_EACH + 1
        sensor = SENSORS[person % sensors]
        made = finger(rng)
        for impression in range(1, prints + 1):
            name = f"{sensor.name}_{person:04}-{position}_{impression}.fmr"
            (out / name).write_bytes(write(capture(made, sensor, rng), sensor.size))
            who = f"{person:04}"
            lines.append((name, f"{collection}-{sensor.name}", f"{who}-{position}", who, collection, sensor.name, LICENCE))
    with (out / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(lines)
    return len(lines)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="tumar-synthetic", description="Writes records of fingers that nobody has, and their index.")
    parser.add_argument("out", type=Path, help="a new or empty folder")
    parser.add_argument("--fingers", type=int, default=200, help="how many, four of each person (default 200)")
    parser.add_argument("--prints", type=int, default=6, help="of each finger (default 6)")
    parser.add_argument("--sensors", type=int, default=len(SENSORS), choices=range(1, len(SENSORS) + 1), help="how many kinds of sensors")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes")
    options = parser.parse_args(arguments)
    if options.fingers < 1 or options.prints < 1:
        parser.error("there must be at least one finger and one print of it")
    if options.out.exists() and any(options.out.iterdir()):
        parser.error(f"{options.out} is not empty")
    count = generate(options.out, options.fingers, options.prints, options.sensors, options.seed)
    print(f"{count} records of {options.fingers} fingers in {options.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
