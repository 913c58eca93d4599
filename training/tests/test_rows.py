"""Rows are those of Tumar's own encoder, to the last component."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from tumar_train import encode, folder, records
from tumar_train.scores import Gallery

from .conftest import SHIPPED, VECTORS


def shipped() -> encode.Weights:
    """The weights that Tumar has built in."""
    arrays = {name: np.fromfile(SHIPPED / folder.file_of(name), "<f4").reshape(shape) for name, shape in encode.SHAPES.items()}
    return encode.Weights(**arrays)


def cases() -> list[dict[str, str]]:
    """Of the vectors that Tumar's own tests hold its encoder to; an independent script made them."""
    blocks = VECTORS.read_text().split("\n\n")
    pairs = [[line.split(" = ", 1) for line in block.splitlines() if " = " in line and not line.startswith("#")] for block in blocks]
    return [dict(block) for block in pairs if block]


def unpack(packed: str) -> np.ndarray:
    """Two components a byte, the lower first, to rows."""
    both = np.frombuffer(bytes.fromhex(packed), np.uint8)
    nibbles = np.stack([both & 15, both >> 4], 1).ravel().astype(int)
    return np.where(nibbles > 7, nibbles - 16, nibbles).reshape(-1, encode.ROW)


def test_every_vector_gives_its_rows_or_its_refusal() -> None:
    weights, made, refused = shipped(), 0, 0
    for case in cases():
        if "record" not in case:
            continue
        template = encode.encode(records.read(bytes.fromhex(case["record"])), weights)
        if "FAILS" in case:
            assert template is None
            refused += 1
        else:
            assert template is not None
            assert np.array_equal(template.rows, unpack(case["set"]))
            made += 1
    assert (made, refused) == (8, 7)


def test_sets_have_these_counts_against_each_other() -> None:
    sets = [unpack(case["set"]).astype(np.float32) for case in cases() if "set" in case]
    counts = [tuple(map(int, pair.split(","))) for pair in cases()[-1]["counts"].split()]
    gallery = Gallery(sets)
    assert [tuple(pair) for probe in sets for pair in gallery.counts(probe).T.tolist()] == counts


def test_directions_are_the_table_of_the_terminals() -> None:
    data = (SHIPPED / folder.DIRECTION_FILE).read_bytes()
    assert encode.DIRECTIONS.tobytes() == data
    assert hashlib.sha256(data).hexdigest() == encode.DIRECTIONS_DIGEST


def test_a_score_is_the_smaller_count_over_the_root_of_sizes_that_are_at_least_twenty() -> None:
    rng = np.random.default_rng(5)
    whole, fits = encode.quantise(rng.normal(size=(30, 128)))
    rows = np.concatenate([whole, np.tile(encode.DIRECTIONS[:1], (30, 1))], 1).astype(np.float32)
    assert fits.all()
    # Thirty rows against five of them: each of the five is found in all three levels, both ways.
    gallery = Gallery([rows[:5], rows])
    assert gallery.counts(rows).tolist() == [[15, 90], [15, 90]]
    assert gallery.scores(rows).tolist() == [15 / np.sqrt(20 * 30), 90 / 30]


@pytest.mark.skipif("TUMAR_DATA" not in os.environ, reason="TUMAR_DATA names no prints")
def test_real_prints_give_a_template_each_within_the_nodes_band() -> None:
    weights = shipped()
    for path in sorted((Path(os.environ["TUMAR_DATA"]) / "fingers").glob("*_1.fmr"))[:20]:
        template = encode.encode(records.read(path.read_bytes()), weights)
        assert template is not None
        lengths = (template.rows**2).sum(1)
        assert 4 <= len(lengths) <= 40 and ((1040 <= lengths) & (lengths <= 1092)).all()
