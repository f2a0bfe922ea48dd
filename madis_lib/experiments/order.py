"""In which order?  The surest places first (MaDiS §3.3), or in an order drawn once, by tokens a step.

The paper writes what the model is surest of, and finds that fewer tokens a step are better (Fig. 6).
Both rest on how good the model's confidence is.  So the same models sign in both orders: two rows of
Table 3 as the ablations are trained, seed by seed, and the headline, trained about eight times as long.
This is not in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from madis_lib.experiments import ablations, utc_map
from madis_lib.experiments.contrasts import ScoredRows
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite

PACES = (1, 4, 9)  # tokens a step
ORDERS = SUREST, AT_RANDOM = "surest", "at random"  # of sampler.RULES, which may have others too


@dataclass(frozen=True)
class Panel:
    """A kind of trained model; ``scored`` has a row for each (tokens a step, rule)."""

    label: str
    updates: int  # of pretraining and fine-tuning together
    seeds: int
    scored: ScoredRows


def key(pace: int, rule: str) -> str:
    """Of a row of a panel."""
    return f"{pace} {rule}"


def headline(suite: Suite, pace: int, rule: str) -> Run:
    """The headline's model, first seed, signing and scored as a row of an ablation."""
    changed = suite.variant(replace(suite.preset, tokens_per_step=pace), rule=rule)
    return ablations.measured(changed, ablations.FULL, suite.preset.seeds[0])


def panels(suite: Suite) -> list[Panel]:
    """Those of which every pace and both orders are finished; nothing is made."""
    kinds: dict[str, dict[str, dict[int, Run]]] = {}
    for label, row in (
        ("rows without checkpoints", utc_map.WITHOUT), ("rows with checkpoints", utc_map.WITH),
    ):  # fmt: skip
        kinds[label] = {key(k, r): _of_rows(suite, row, k, r) for k in PACES for r in ORDERS}
    if ablations.world(suite) is not suite:
        kinds["headline"] = {key(k, r): _of_headline(suite, k, r) for k in PACES for r in ORDERS}
    found = []
    for label, runs in kinds.items():
        if all(runs.values()):
            first = next(iter(runs[key(PACES[0], SUREST)].values())).result
            seeds = min(len(of) for of in runs.values())
            scored = ScoredRows.of(runs)
            found.append(Panel(label, sum(first["updates"].values()), seeds, scored))
    return found


def _of_rows(suite: Suite, row: str, pace: int, rule: str) -> dict[int, Run]:
    condition = utc_map.Condition("", "", partial(utc_map.paced, tokens=pace), rule=rule)
    return ablations.by_seed(suite, lambda w, s: utc_map.measured(w, condition, row, s))


def _of_headline(suite: Suite, pace: int, rule: str) -> dict[int, Run]:
    if not suite.protocol.claims:
        return {}
    return suite.store.finished(suite.preset.seeds[:1], lambda _: headline(suite, pace, rule))
