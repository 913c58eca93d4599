"""Training on the decision rule itself, with strangers and crafted probes in the loss (JAX, on the CPU).

The counts of a decision are softened: a level is a sigmoid of the cosine, the smaller of both ways a soft minimum. The loss is logistic on
genuine pairs, and on strangers and on crafted probes a soft maximum over each probe's and each reference's scores, so that the luckiest
weigh most.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .batches import Batch, Batches
from .encode import HIDDEN, SURROUNDINGS, Weights
from .records import Reals

Parameters = dict[str, jax.Array]

LEVELS = (346 / 768, 423 / 768, 500 / 768)
DIRECTION = 298 / 768
"""What the direction adds to a dot at most, in units of the surroundings' largest."""
OFFSET = 268 / 768
"""What the levels on shares have for the direction."""
FLOOR = 20.0


@dataclass(frozen=True)
class Settings:
    """What a training is told. The same settings, prints and seed give the same bytes on one machine."""

    steps: int = 1000
    fingers: int = 24
    """Of a batch, two prints each."""
    crafted: float = 0.5
    """Weight of crafted probes in the loss."""
    strangers: float = 0.25
    rate: float = 1e-4
    decay: float = 1e-3
    """Weight of the squared distance from the start."""
    seed: int = 0
    soft: float = 0.035
    """Width of a level's sigmoid."""
    slope: float = 3.0
    probes: int = 8
    """Crafted in each step."""
    probe_rows: int = 20


@dataclass
class State:
    """Parameters and Adam's two means of their gradient, after so many steps."""

    step: int
    parameters: Parameters
    mean: Parameters
    square: Parameters


def start(mean: Reals, linear: Reals, seed: int) -> Parameters:
    """The analysis' linear map, and hidden units that add next to nothing yet."""
    rng = np.random.default_rng([seed, 1])
    made = {
        "mean": mean,
        "linear": linear,
        "hidden": rng.normal(0, 0.7 / math.sqrt(48), (HIDDEN, len(mean))),
        "hidden_bias": np.zeros(HIDDEN),
        "output": rng.normal(0, 1e-3, (SURROUNDINGS, HIDDEN)),
        "bound": math.log(0.2),
    }
    return {name: jnp.asarray(value, jnp.float32) for name, value in made.items()}


def _normal(rows: jax.Array) -> jax.Array:
    return rows / jnp.sqrt((rows * rows).sum(-1, keepdims=True) + 1e-9)


def _scores(dots: jax.Array, of_probe: jax.Array, of_reference: jax.Array, soft: float) -> jax.Array:
    """Logarithms of the softened scores. `dots`: (probes, rows, references, rows); the others say which rows are there."""
    levels = jnp.array(LEVELS)

    def count(best: jax.Array, present: jax.Array) -> jax.Array:
        return (jax.nn.sigmoid((best[..., None] - levels) / soft).sum(-1) * present).sum(-1)

    probe = count(dots.max(3).transpose(0, 2, 1), of_probe[:, None])
    reference = count(dots.max(1), of_reference[None])
    rows = jnp.maximum(of_probe.sum(1), FLOOR)[:, None] * jnp.maximum(of_reference.sum(1), FLOOR)[None]
    smaller = -jnp.logaddexp(-4 * jnp.log(probe + 0.3), -4 * jnp.log(reference + 0.3)) / 4
    return smaller - 0.5 * jnp.log(rows)


def _tail(scores: jax.Array, slope: float) -> jax.Array:
    """Large where a probe or a reference has one high score."""
    return sum((jax.nn.softplus(jax.nn.logsumexp(2 * slope * scores, axis) / 2).mean() for axis in (0, 1)), jnp.zeros(()))


def _wolves(rows: jax.Array, pointing: jax.Array, batch: Any, key: jax.Array, settings: Settings) -> jax.Array:
    """Scores of sets of the most popular mean rows of the first prints, against the second prints."""
    count, most = batch.present.shape[1:]
    present = batch.present[0].reshape(-1)
    joined = jnp.concatenate([rows, math.sqrt(DIRECTION) * pointing], -1)

    def like(some: jax.Array, all_: jax.Array) -> jax.Array:
        return jnp.asarray(jax.nn.sigmoid((some @ all_.T - OFFSET - 0.40) / 0.04) * present[None])

    # Which rows are picked has no slope; of those that are not, nothing more is needed.
    still = jax.lax.stop_gradient(joined[0])
    finger = jnp.repeat(jnp.arange(count), most)
    popular = (like(still, still) * (finger[:, None] != finger[None])).sum(1) * present

    def pick(one: jax.Array) -> jax.Array:
        luck = 0.5 * jax.random.gumbel(one, popular.shape)
        return jnp.asarray(jax.lax.top_k(jnp.log(popular + 1e-6) + luck, settings.probe_rows)[1])

    picked = jnp.concatenate([pick(one) for one in jax.random.split(key, settings.probes)])
    near = like(joined[0][picked], joined[0])
    made = jnp.concatenate([_normal(near @ rows[0]), math.sqrt(DIRECTION) * _normal(near @ pointing[0])], -1)
    dots = (made @ joined[1].T - OFFSET).reshape(settings.probes, settings.probe_rows, count, most)
    dots = jnp.where(batch.present[1][None, None] > 0, dots, -1.0)
    return _scores(dots, jnp.ones((settings.probes, settings.probe_rows)), batch.present[1], settings.soft)


def loss(parameters: Parameters, first: Parameters, batch: Any, key: jax.Array, settings: Settings) -> tuple[jax.Array, jax.Array]:
    """The loss of a batch, and its three parts: genuine pairs, strangers, crafted probes. The mean cylinder stays that of the start."""
    count, most = batch.present.shape[1:]
    x = batch.values.reshape(-1, batch.values.shape[-1]) - first["mean"]
    hidden = jax.nn.relu(x @ parameters["hidden"].T + parameters["hidden_bias"])
    rows = _normal(x @ parameters["linear"].T + hidden @ parameters["output"].T).reshape(2, count * most, SURROUNDINGS)
    pointing = jnp.stack([jnp.cos(batch.directions), jnp.sin(batch.directions)], -1).reshape(2, count * most, 2)
    dots = rows[0] @ rows[1].T + DIRECTION * (pointing[0] @ pointing[1].T) - OFFSET
    dots = dots.reshape(count, most, count, most)
    both = batch.present[0][:, :, None, None] * batch.present[1][None, None]
    scores = _scores(jnp.where(both > 0, dots, -1.0), batch.present[0], batch.present[1], settings.soft) - parameters["bound"]
    genuine = jax.nn.softplus(-settings.slope * jnp.diag(scores)).mean()
    strangers = _tail(jnp.where(~jnp.eye(count, dtype=bool), scores, -9.0), settings.slope)
    crafted = jnp.zeros(())
    if settings.crafted:
        crafted = _tail(_wolves(rows, pointing, batch, key, settings) - parameters["bound"], settings.slope)
    moved = sum(((parameters[name] - first[name]) ** 2).sum() for name in ("linear", "hidden", "hidden_bias", "output"))
    total = genuine + settings.strangers * strangers + settings.crafted * crafted + settings.decay * moved
    return total, jnp.stack([genuine, strangers, crafted])


jax.tree_util.register_dataclass(Batch, ["values", "present", "directions"], [])


@partial(jax.jit, static_argnames="settings")
def _step(first: Parameters, state: tuple[Parameters, ...], at: jax.Array, steps: jax.Array, batch: Batch, key: jax.Array, settings: Settings) -> Any:
    """One step of Adam (D. Kingma, J. Ba 2015), its rate warming up over 20 steps and falling along a cosine."""
    parameters, mean, square = state
    learned = {name: value for name, value in parameters.items() if name != "mean"}
    (_, parts), gradient = jax.value_and_grad(loss, has_aux=True)(learned, first, batch, key, settings)
    rate = settings.rate * jnp.minimum(1.0, at / 20) * (0.5 + 0.5 * jnp.cos(jnp.pi * at / steps))
    moved, means, squares = dict(parameters), dict(mean), dict(square)
    for name, slope in gradient.items():
        means[name] = 0.9 * mean[name] + 0.1 * slope
        squares[name] = 0.99 * square[name] + 0.01 * slope * slope
        change = means[name] / (1 - 0.9**at) / (jnp.sqrt(squares[name] / (1 - 0.99**at)) + 1e-8)
        # The bound is one number, and far away at first.
        moved[name] = parameters[name] - rate * (20.0 if name == "bound" else 1.0) * change
    return moved, means, squares, parts


def _purpose(settings: Settings, first: Parameters) -> str:
    """What a checkpoint must be of to be gone on with."""
    digest = hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode())
    for name in sorted(first):
        digest.update(np.asarray(first[name]).tobytes())
    return digest.hexdigest()


def _save(path: Path, state: State, purpose: str) -> None:
    parts = {"p": state.parameters, "m": state.mean, "s": state.square}
    arrays = {f"{kind}.{name}": np.asarray(value) for kind, part in parts.items() for name, value in part.items()}
    scratch = path.with_suffix(".new.npz")
    np.savez(scratch, step=state.step, purpose=np.array(purpose), **arrays)  # type: ignore[arg-type]
    os.replace(scratch, path)


def _resume(path: Path, purpose: str) -> State | None:
    """The state of a checkpoint of this very training, if there is one."""
    if not path.exists():
        return None
    with np.load(path) as kept:
        if str(kept["purpose"]) != purpose:
            return None
        parts: dict[str, Parameters] = {"p": {}, "m": {}, "s": {}}
        for name in kept.files:
            if "." in name:
                kind, of = name.split(".")
                parts[kind][of] = jnp.asarray(kept[name])
        return State(int(kept["step"]), parts["p"], parts["m"], parts["s"])


def _weights(state: State) -> Weights:
    names = ("mean", "linear", "hidden", "hidden_bias", "output")
    return Weights(**{name: np.asarray(state.parameters[name], np.float32) for name in names})


def finished(first: Parameters, settings: Settings, checkpoint: Path | None) -> Weights | None:
    """What a training of these settings has ended with, if its checkpoint says that it has."""
    state = _resume(checkpoint, _purpose(settings, first)) if checkpoint else None
    return _weights(state) if state and state.step == settings.steps else None


def train(
    batches: Batches,
    first: Parameters,
    settings: Settings,
    checkpoint: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
    every: int = 100,
) -> Weights:
    """Trains to the end, from the checkpoint if it is of this training; one is written every so many steps."""
    purpose = _purpose(settings, first)
    state = _resume(checkpoint, purpose) if checkpoint else None
    if state is None:
        nothing = {name: jnp.zeros_like(value) for name, value in first.items()}
        state = State(0, first, nothing, dict(nothing))
    elif state.step < settings.steps:
        say(f"going on after step {state.step}")
    # What is compiled is the same for any seed and number of steps.
    compiled, steps, began = replace(settings, seed=0, steps=1), jnp.float32(settings.steps), time.monotonic()
    parts: list[jax.Array] = []
    for at in range(state.step + 1, settings.steps + 1):
        # What a step sees depends on its number only: a training that was stopped goes on as if it had not been.
        batch = batches.draw(np.random.default_rng([settings.seed, 2, at]), settings.fingers)
        key = jax.random.fold_in(jax.random.PRNGKey(settings.seed), at)
        done = _step(first, (state.parameters, state.mean, state.square), jnp.float32(at), steps, batch, key, compiled)
        state = State(at, *done[:3])
        parts.append(done[3])
        if at % every == 0 or at == settings.steps:
            genuine, strangers, crafted = np.mean(parts, 0)
            parts = []
            say(f"step {at} of {settings.steps}: genuine {genuine:.3f}, strangers {strangers:.4f}, crafted {crafted:.3f} ({time.monotonic() - began:.0f} s)")
            if checkpoint:
                _save(checkpoint, state, purpose)
    return _weights(state)
