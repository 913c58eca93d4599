"""A training is repeated by its seed, gone on with after a stop, and learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tumar_train import cross, encode, folder, learn, prints, rates
from tumar_train.batches import Batches
from tumar_train.learn import Settings
from tumar_train.mates import Mates
from tumar_train.scores import all_pairs
from tumar_train.start import analysis

Mated = dict[tuple[int, int], Mates]
SMALL = Settings(steps=6, fingers=6, probes=2, probe_rows=5)


@pytest.fixture(scope="session")
def material(few: prints.Prints, mates: Mated) -> cross.Material:
    """The few prints, ready."""
    return cross.Material(few, mates, 0)


def digests(weights: encode.Weights, path: Path) -> dict[str, str]:
    return folder.write_weights(path, weights)


def test_the_same_seed_gives_the_same_bytes_and_so_does_going_on_after_a_stop(material: cross.Material, tmp_path: Path) -> None:
    every = list(range(len(material.prints.all)))
    batches = Batches(material.prints.all, material.copies, every)
    first = learn.start(*analysis(material.prints.all, every, material.mates), SMALL.seed)
    whole = digests(learn.train(batches, first, SMALL), tmp_path / "a")
    checkpoint = tmp_path / "half.npz"

    class Stop(Exception):
        pass

    def stop(text: str) -> None:
        if text.startswith("step 4"):
            raise Stop

    # The checkpoint of step 2 is there when step 4 is told of.
    with pytest.raises(Stop):
        learn.train(batches, first, SMALL, checkpoint, stop, every=2)
    assert learn.finished(first, SMALL, checkpoint) is None
    said: list[str] = []
    assert digests(learn.train(batches, first, SMALL, checkpoint, said.append, every=2), tmp_path / "b") == whole
    assert said[0] == "going on after step 2"
    done = learn.finished(first, SMALL, checkpoint)
    assert done is not None and digests(done, tmp_path / "c") == whole
    # Another training's checkpoint is not gone on with.
    other = replace(SMALL, seed=1)
    assert learn.finished(first, other, checkpoint) is None
    assert digests(learn.train(batches, first, other, checkpoint), tmp_path / "d") != whole


def test_training_lowers_its_loss(material: cross.Material) -> None:
    every = list(range(len(material.prints.all)))
    settings = replace(SMALL, steps=60, fingers=12)
    batches = Batches(material.prints.all, material.copies, every)
    first = learn.start(*analysis(material.prints.all, every, material.mates), settings.seed)
    trained = learn.train(batches, first, settings)
    again = {name: np.asarray(getattr(trained, name)) for name in encode.SHAPES} | {"bound": first["bound"]}
    key = learn.jax.random.PRNGKey(9)
    drawn = [batches.draw(np.random.default_rng(place), 12) for place in range(4)]
    before, after = (
        np.mean([learn.loss(one, first, batch, key, settings)[1] for batch in drawn], 0) for one in (first, {n: learn.jnp.asarray(v) for n, v in again.items()})
    )
    # Strangers and crafted probes: that is what the start was not made for.
    assert after[1:].sum() < 0.9 * before[1:].sum()


def test_batches_have_two_prints_of_each_finger_and_half_of_each_collection(material: cross.Material) -> None:
    half = [replace(one, line=replace(one.line, collection="a" if one.line.sensor == "optical-a" else "b")) for one in material.prints.all]
    batch = Batches(half, material.copies, range(len(half))).draw(np.random.default_rng(1), 10)
    assert batch.values.shape == (2, 10, 40, 480) and batch.present.shape == (2, 10, 40)
    assert batch.present.sum(2).min() >= 4
    assert not batch.values[batch.present == 0].any()


def test_nobody_is_tried_by_a_model_that_saw_them(few: prints.Prints) -> None:
    fold = cross.folds(few.all)
    people: dict[str, set[int]] = {}
    for one, k in zip(few.all, fold.tolist(), strict=True):
        people.setdefault(one.line.who, set()).add(k)
    assert all(len(found) == 1 for found in people.values())
    assert set(fold.tolist()) == set(range(cross.FOLDS))


def test_the_start_tells_strangers_apart_already(material: cross.Material) -> None:
    own = material.prints.all
    mean, linear = analysis(own, range(len(own)), material.mates)
    start = learn.start(mean, linear, 0)
    weights = encode.Weights(**{name: np.asarray(start[name]) for name in encode.SHAPES})
    sets = {place: made.rows for place, one in enumerate(own) if (made := one.template(weights))}
    genuine, strangers = all_pairs(own, sets)
    assert rates.eer(genuine.scores, strangers.scores) < 0.05
