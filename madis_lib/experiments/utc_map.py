"""When do temporal checkpoints help?  Table 3's first and fourth row under other conditions.

The paper compares them once.  Here one condition at a time is changed: how long fine-tuning takes,
how large the model is, how many tokens a step writes and in which order, whether the length is
given.  And the test set of the unchanged condition is divided: by how much of the canvas a sentence
leaves silent, and by how many tokens its signs last.  Training or sampling are Table 3's in all else; this is not in the
paper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from madis_lib import metrics
from madis_lib.experiments import ablations
from madis_lib.experiments.ablations import ABLATIONS
from madis_lib.experiments.contrasts import ScoredRows
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite
from madis_lib.presets import Preset

TABLE_3 = ABLATIONS["table3"]
WITH, WITHOUT = TABLE_3.full, "none"  # rows


def _unchanged(p: Preset) -> Preset:
    return p


def _longer(p: Preset, factor: float) -> Preset:
    """Fine-tuning of so many times the updates."""
    usual = p.row_finetune or p.finetune
    return replace(p, row_finetune=replace(usual, updates=round(factor * usual.updates)))


def _wider(p: Preset, factor: float) -> Preset:
    """Width of the model, its heads and its feed-forward layers, times ``factor``."""
    m = p.model
    model = replace(
        m, hidden_size=round(factor * m.hidden_size), head_dim=round(factor * m.head_dim),
        intermediate_size=round(factor * m.intermediate_size),
    )  # fmt: skip
    return replace(p, model=model)


def paced(p: Preset, tokens: int) -> Preset:
    """So many tokens a step."""
    return replace(p, tokens_per_step=tokens)


@dataclass(frozen=True)
class Condition:
    """What a comparison of the two rows changes for both; it is sent to other processes."""

    axis: str
    label: str
    change: Callable[[Preset], Preset] = _unchanged
    true_lengths: bool = False
    rule: str = "surest"  # of sampler.RULES


USUAL = Condition("as in Table 3", "")
CONDITIONS = (
    USUAL,
    Condition("fine-tuning", "a quarter of the updates", partial(_longer, factor=0.25)),
    Condition("fine-tuning", "half", partial(_longer, factor=0.5)),
    Condition("fine-tuning", "twice", partial(_longer, factor=2)),
    Condition("model", "half as wide", partial(_wider, factor=0.5)),
    Condition("model", "twice as wide", partial(_wider, factor=2)),
    Condition("tokens a step", "1", partial(paced, tokens=1)),
    Condition("tokens a step", "2", partial(paced, tokens=2)),
    Condition("tokens a step", "9", partial(paced, tokens=9)),
    Condition("order", "at random, 1 token a step", partial(paced, tokens=1), rule="at random"),
    Condition("order", "at random", rule="at random"),
    Condition("order", "at random, 9 tokens a step", partial(paced, tokens=9), rule="at random"),
    Condition("length", "given, not the model's", true_lengths=True),
)
SILENCE, SIGN_LENGTH = "silent canvas", "tokens a sign"  # axes that divide the test set


def measured(world: Suite, condition: Condition, row: str, seed: int) -> Run:
    """A row of Table 3 under a condition; :func:`ablations.measured` says what the result holds."""
    changed = world.variant(condition.change(world.preset), rule=condition.rule)
    return ablations.measured(changed, TABLE_3.row(row), seed, condition.true_lengths)


@dataclass(frozen=True)
class Point:
    """With minus without checkpoints under one condition."""

    axis: str
    label: str
    metric: str
    sentences: int
    estimate: metrics.Estimate


def finished(suite: Suite) -> bool:
    """Whether any condition but the usual one was measured, both rows of it."""
    changed = [c for c in CONDITIONS if c is not USUAL]
    return any(_by_seed(suite, c, WITH) and _by_seed(suite, c, WITHOUT) for c in changed)


def differences(suite: Suite, names: tuple[str, ...]) -> list[Point]:
    """Every finished condition and every third of the test set, for some metrics."""
    world, found = ablations.world(suite), []
    for condition in CONDITIONS:
        runs = {row: _by_seed(suite, condition, row) for row in (WITH, WITHOUT)}
        if not all(runs.values()):
            continue
        scored = ScoredRows.of(runs)
        found += _points(condition.axis, condition.label, scored, names)
        if condition is USUAL and scored.sentences >= 6:
            usual = next(iter(runs[WITH].values())).result["scores"]
            for axis, values in _traits(usual, world.preset.model.max_tokens).items():
                for label, chosen in _thirds(values, axis):
                    found += _points(axis, label, ScoredRows.of(runs, chosen), names)
    return found


def _points(axis: str, label: str, scored: ScoredRows, names: tuple[str, ...]) -> list[Point]:
    estimates = {m: scored.contrast({WITH: 1, WITHOUT: -1}, m) for m in names}
    return [
        Point(axis, label, m, scored.sentences, e) for m, e in estimates.items() if e is not None
    ]


def _by_seed(suite: Suite, condition: Condition, row: str) -> dict[int, Run]:
    return ablations.by_seed(suite, lambda world, s: measured(world, condition, row, s))


def _traits(scores: dict[str, Any], canvas: int) -> dict[str, np.ndarray]:
    """Of every test sentence: percent of the canvas after its end, and tokens of a sign."""
    lengths = np.array(scores["bleu"]["body"])[:, 1]  # of the true signing
    traits = {SILENCE: 100 * (1 - lengths / canvas)}
    if "gloss_length" in scores:
        traits[SIGN_LENGTH] = lengths / np.array(scores["gloss_length"])
    return traits


def _thirds(values: np.ndarray, axis: str) -> list[tuple[str, np.ndarray]]:
    """The sentences with the lowest, middle and highest values, labelled with their range."""
    unit = " %" if axis == SILENCE else ""
    parts = np.array_split(np.argsort(values, kind="stable"), 3)
    return [(f"{values[p].min():.3g} to {values[p].max():.3g}{unit}", np.sort(p)) for p in parts]
