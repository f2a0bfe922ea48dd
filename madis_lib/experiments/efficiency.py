"""Who enters Fig. 6 and on which corpora, and what the finished runs say of the paper's claims
(MaDiS §4.1).

Two ways of counting tokens.  The paper's 132 tokens a second are 100 places in 0.76 s, so
``throughput`` counts all places of the canvas; a reader gets only those before the end of the
sentence, which the tables give beside it.  A system that stops at the end has no other places: for
it both are the same.

Where they are large enough to learn, all are rows of Table 1: trained for equally long, first seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from madis_lib import metrics, presets
from madis_lib.experiments import ablations, bidirectional, rivals, sweep
from madis_lib.experiments.contrasts import sentence_estimate
from madis_lib.experiments.evaluate import SYSTEM
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite

# Rows of the paper's Fig. 6 as (system, tokens a step); SOKE on the backbone that MaDiS has.
SOKE, MDLM = "soke_qwen3", "mdlm"
ROWS = {
    "soke": (rivals.ROWS[SOKE].label, 1), "mdlm": (rivals.ROWS[MDLM].label, 4),
    "steps_100": (SYSTEM, 1), "steps_50": (SYSTEM, 2), "steps_25": (SYSTEM, 4),
    "steps_10": (SYSTEM, 10),
}  # fmt: skip
PLAIN = f"{SYSTEM}, plain sampler"
# What a row's number is made of, sentence by sentence.
SPEEDS = {
    "throughput": lambda p: np.array(p["places"]) / np.array(p["seconds"]),
    "seconds": lambda p: 100 * np.array(p["seconds"]) / np.array(p["places"]),
}


def corpora(suite: Suite) -> tuple[str, ...]:
    """Where speed is measured: where there are rows of Table 1."""
    return rivals.corpora(suite)


def seed_of(suite: Suite) -> int:
    """Of the models that are timed; ``suite`` may be the report's or that of the rows."""
    world = ablations.world(suite)
    return suite.seed if presets.is_smoke(world.preset.name) else world.row_seeds[0]


def contestants(suite: Suite, corpus: str) -> list[sweep.Contestant]:
    """MaDiS, its two shortcuts that are not exact, two of it that were trained to be faster, and its
    rivals with the tokens it has.

    At smoke size fewer settings of the headline alone: rows are trained too shortly there for what
    they sign to mean anything.

    Args:
        suite: in which the rows of Table 1 are trained.
    """
    if presets.is_smoke(suite.preset.name):
        paces = tuple(k for system, k in ROWS.values() if system == SYSTEM)
        return _madis(suite, corpus, paces, paces[2:], (0.5,))
    seed = seed_of(suite)
    madis, mdlm = (rivals.masked(suite, key, corpus, seed) for key in ("madis", MDLM))
    paces = sweep.TOKENS_PER_STEP
    printed = [k for system, k in ROWS.values() if system == SYSTEM]
    return [
        *_madis(madis, corpus, paces, paces, (0.5, 0.9)),
        sweep.madis_plain(madis, corpus, printed, PLAIN),
        *_trained_to_be_faster(suite, corpus, paces, seed),
        sweep.madis_plain(mdlm, corpus, (4,), rivals.ROWS[MDLM].label),
        *(
            rivals.contestant(suite, row.key, corpus, seed)
            for row in rivals.rows(suite)
            if row.stack and not row.place
        ),
    ]


def _madis(
    suite: Suite, corpus: str, paces: Sequence[int], coarse: Sequence[int], above: Sequence[float]
) -> list[sweep.Contestant]:
    return [
        sweep.madis(suite, corpus, paces),
        sweep.madis(suite, corpus, coarse, True, f"{SYSTEM}, coarse canvases"),
        *(sweep.madis_above(suite, corpus, threshold) for threshold in above),
    ]


def _trained_to_be_faster(
    suite: Suite, corpus: str, paces: Sequence[int], seed: int
) -> list[sweep.Contestant]:
    """MaDiS as a row, trained anew with what makes it cheaper, so that its shortcut is exact."""
    coarse = suite.row(True, seed, coarse=True)
    p = suite.row(True, seed).preset
    text_alone = replace(p, model=replace(p.model, text_reads_signs=False))
    return [
        sweep.madis(coarse, corpus, paces, True, f"{SYSTEM} trained on coarse canvases"),
        sweep.madis(
            suite.variant(text_alone, seed), corpus, paces, False,
            f"{SYSTEM} whose text reads no signs",
        ),
    ]  # fmt: skip


def swept(suite: Suite, corpus: str) -> Run:
    """The sweep of a corpus (:func:`sweep.steps_sweep`) with all contestants."""
    world = ablations.world(suite)
    return sweep.steps_sweep(world, corpus, contestants(world, corpus))


def finished_sweeps(suite: Suite) -> dict[str, Run]:
    """Sweeps that are done, by corpus; nothing is made."""
    return suite.store.finished(corpora(suite), partial(swept, suite))


def finished_attention(suite: Suite) -> dict[str, Run]:
    """Runs of :func:`bidirectional.future_attention` that are done, by corpus; nothing is made."""
    return suite.store.finished(suite.corpora, partial(bidirectional.future_attention, suite))


def point(run: Run, row: str) -> dict[str, Any] | None:
    """The point of a sweep that is a row of the paper's figure; None where there is none.

    Beside rivals MaDiS by its plain sampler, for neither they nor the paper's have a step made faster.
    """
    if row not in ROWS:
        return None
    system, pace = ROWS[row]
    found = {(p["system"], p["tokens_per_step"]): p for p in run.result["points"]}
    plain = found.get((PLAIN, pace)) if system == SYSTEM else None
    return plain or found.get((system, pace))


def scores(run: Run, seed: int) -> dict[str, dict[int, dict[str, Any]]]:
    """Scores of the paper's rows, for :class:`contrasts.ScoredRows`."""
    found = {row: point(run, row) for row in ROWS}
    return {row: {seed: p["scores"]} for row, p in found.items() if p is not None}


def speed_estimate(
    runs: Mapping[str, Run], weights: Mapping[str, float], column: str
) -> metrics.Estimate | None:
    """Sum over rows of weight times the median over sentences of a speed; None unless all ran.

    Args:
        runs: sweeps by corpus; their sentences count together.
        column: of :data:`SPEEDS`: "throughput" in places a second, "seconds" for 100 places.
    """
    if not runs:
        return None
    table = []
    for row in weights:
        points = [point(run, row) for run in runs.values()]
        known = [p for p in points if p is not None]
        if len(known) < len(points):
            return None
        table.append(np.concatenate([SPEEDS[column](p) for p in known]))
    return sentence_estimate(list(weights.values()), table, np.median)
