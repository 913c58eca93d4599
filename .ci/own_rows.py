#!/usr/bin/env python3
"""Encodes every record of a folder by a model of one's own, and wants the same whole numbers of three encoders.

    own_rows.py RECORDS MODEL

The trainer (`tumar_train`), the Python client (`tumar`) and the slow script of `vectors/` share no code. What they agree on is written to
MODEL/rows.txt, a line `FILE HEX` each, `FILE -` where there is no template; the terminal's library is held to it by
`TUMAR_OWN_MODEL=MODEL cargo test --test nodes own_model::`. RECORDS has ISO/IEC 19794-2:2005 records of one view.
"""

import struct
import sys
from multiprocessing import Pool
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "vectors"))
import fingers as oracle  # noqa: E402
import numpy as np  # noqa: E402
from tumar import FingerError, RowsModel, finger_rows  # noqa: E402
from tumar_train import encode, folder, records  # noqa: E402

RECORDS, MODEL = (Path(argument).resolve() for argument in sys.argv[1:])
WEIGHTS, CLIENT = folder.read_weights(MODEL), RowsModel.read(MODEL)


def by_oracle(data):
    (minutiae,) = struct.unpack(">B", data[27:28])
    marks = [(x & 0x3FFF, y & 0x3FFF, angle, quality) for x, y, angle, quality in struct.iter_unpack(">HHBB", data[28 : 28 + 6 * minutiae])]
    try:
        return oracle.rows(oracle.normalised(marks, struct.unpack(">HH", data[18:22]), 256), MODEL)
    except oracle.Refused:
        return None


def by_client(data):
    try:
        return finger_rows(data, model=CLIENT)
    except FingerError:
        return None


def rows(file):
    """What all three make of it, packed; None if they refuse it; an exception if they differ."""
    data = file.read_bytes()
    trainer, client, slow = encode.encode(records.read(data), WEIGHTS), by_client(data), by_oracle(data)
    made = [trainer and trainer.rows, client and client.components, slow]
    if any((one is None) != (made[0] is None) for one in made):
        raise ValueError(f"{file.name}: some refuse it, and some do not")
    if client is None:
        return None
    if not all(np.array_equal(np.asarray(one, int), np.asarray(slow, int)) for one in made):
        raise ValueError(f"{file.name}: rows differ")
    return bytes(client.pack())


if __name__ == "__main__":
    files = sorted(RECORDS.glob("*.fmr"))
    with Pool() as pool:
        made = pool.map(rows, files, chunksize=8)
    lines = [f"{file.name} {'-' if packed is None else packed.hex()}\n" for file, packed in zip(files, made, strict=True)]
    (MODEL / "rows.txt").write_text("".join(lines))
    print(f"{len(files)} records, {sum(packed is None for packed in made)} without a template: three encoders make the same rows")
