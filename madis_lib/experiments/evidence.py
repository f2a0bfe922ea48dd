"""What a suite has measured, as the verdict engine asks for it: sums of rows of an artefact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, cached_property, partial
from typing import Any

import numpy as np

from madis_lib import metrics, presets
from madis_lib.experiments import (
    ablations,
    back_translation,
    bidirectional,
    computed,
    efficiency,
    embedding,
    gates,
    reconstruction,
    rivals,
)
from madis_lib.experiments.ablations import ABLATIONS
from madis_lib.experiments.contrasts import AVERAGES, ScoredRows, sentence_estimate
from madis_lib.experiments.evaluate import SYSTEM
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite


class Measured:
    """The finished runs of a suite as :class:`verdicts.Evidence`; nothing is trained.

    Args:
        suite: of the report; its ablations may have been run in another world.
    """

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self._rows = cache(self._scored)
        self._curves = cache(self._final)

    @property
    def synthetic(self) -> bool:
        return self.suite.synthetic

    @property
    def smoke(self) -> bool:
        return presets.is_smoke(self.suite.preset.name)

    def computed(self, claim_id: str) -> float | metrics.Interval | None:
        if claim_id == "frames.coverage":
            shares = [self.suite.coverage(c) for c in self.suite.corpora]
            return None if self.synthetic else 100 * float(np.mean(shares))
        if claim_id == "back_translation.has_its_own_errors":
            return self._best_back_translation()
        found = self._numbers.get(claim_id)
        return metrics.Interval(*found) if isinstance(found, list) else found

    @cached_property
    def _numbers(self) -> dict[str, Any]:
        """Those that need no training, computed once: among them is a timing."""
        return self.suite.store.run(
            "computed", {"noise": computed.NOISE}, ("metrics", "sampler"),
            lambda _: {claim: computed.value(claim) for claim in computed.COMPUTED},
        ).result  # fmt: skip

    def _best_back_translation(self) -> float | None:
        """BLEU-4 of the truth, in the corpus where it is highest."""
        runs = self.suite.store.look_for(
            lambda: [back_translation.evaluated(self.suite, c) for c in self.suite.corpora]
        )
        truths = [back_translation.bleu(run, back_translation.TRUTH) for run in runs or ()]
        return max((of.estimate for of in truths), default=None)

    def contrast(
        self, artefact: str, weights: Mapping[str, float], column: str
    ) -> metrics.Estimate | None:
        """Sum over rows of weight times cell, paired by seed; None unless all were measured."""
        corpus, _, metric = column.rpartition(".")
        if corpus and corpus not in self.suite.corpora:
            return None
        if artefact == "fig6" and not corpus:  # a speed, of the sentences of all corpora
            return efficiency.speed_estimate(self._sweeps, weights, metric)
        if artefact == "table1" and len(weights) > 1 and not _of_one_tokenizer(weights):
            metric = metric.replace("sibleu_", "sibleu_re_")
        if artefact in ABLATIONS or artefact in ("table1", "fig6"):
            rows = self._rows(artefact, corpus)
            return None if rows is None else rows.contrast(weights, metric)
        if artefact == "table6":
            return self._recall(weights, corpus, metric)
        if artefact == "table5":
            return gates.estimate(self._gates, weights, metric)
        if artefact == "fig7c" and corpus in self._attention:
            return bidirectional.estimate(self._attention[corpus], weights)
        if artefact == "fig8":
            part = metric.removeprefix("mpjpe_")
            return reconstruction.estimate(self._rebuilt, weights, part)
        if artefact == "fig9":
            return self._curve(weights, metric)
        return None

    @cached_property
    def _rebuilt(self) -> dict[int, Run]:
        return ablations.by_seed(self.suite, ablations.rebuilt)

    @cached_property
    def _gates(self) -> dict[int, Run]:
        return ablations.by_seed(self.suite, ablations.gated)

    @cached_property
    def _sweeps(self) -> dict[str, Run]:
        return efficiency.finished_sweeps(self.suite)

    @cached_property
    def _attention(self) -> dict[str, Run]:
        return efficiency.finished_attention(self.suite)

    def _scored(self, artefact: str, corpus: str) -> ScoredRows | None:
        if artefact == "table1":
            if runs := rivals.finished(ablations.world(self.suite), corpus):
                return _rows_of(runs)
            run = self.suite.store.look_for(partial(self.suite.evaluated, corpus))
            if run is None:
                return None
            return ScoredRows({"madis": {self.suite.seed: run.result["scores"][SYSTEM]}})
        if artefact == "fig6":
            run = self._sweeps.get(corpus)
            return (
                None
                if run is None
                else ScoredRows(efficiency.scores(run, efficiency.seed_of(self.suite)))
            )
        if corpus != ablations.corpus_of(self.suite):
            return None
        runs = ablations.finished(self.suite, ABLATIONS[artefact])
        return _rows_of(runs) if runs else None

    def _recall(
        self, weights: Mapping[str, float], corpus: str, metric: str
    ) -> metrics.Estimate | None:
        """Of true signing, sign to text among the whole test set; one training a rung."""
        hits = self.suite.store.look_for(
            lambda: [_hits(embedding.retrieved(self.suite, corpus, r), metric) for r in weights]
        )
        return None if hits is None else sentence_estimate(list(weights.values()), hits)

    def _curve(self, weights: Mapping[str, float], metric: str) -> metrics.Estimate | None:
        """At the last update of both trainings, seed by seed; sentences are not resampled."""
        curves = {row: self._curves(row) for row in weights}
        seeds = sorted(set.intersection(*(set(c) for c in curves.values())))
        if not seeds:
            return None
        parts = {
            "train_loss": ("sign",),
            "val_sibleu": tuple(f"val {m}" for m in AVERAGES["sibleu"]),
        }
        by_seed = [
            sum(
                w * np.mean([curves[r][s][name] for name in parts[metric]])
                for r, w in weights.items()
            )
            for s in seeds
        ]
        return metrics.nested_estimate(by_seed)

    def _final(self, row: str) -> dict[int, dict[str, Any]]:
        runs = ablations.by_seed(self.suite, lambda world, s: ablations.watched(world, s, row))
        return {seed: run.result["history"][-1] for seed, run in runs.items()}


def _of_one_tokenizer(rows: Iterable[str]) -> bool:
    """Whether SiBLEU compares rows of Table 1; else that of the motion, re-tokenised for all, does."""
    return all(rivals.ROWS[row].stack or row in rivals.MASKED for row in rows if row in rivals.ROWS)


def _rows_of(runs: Mapping[str, Mapping[int, Run]]) -> ScoredRows:
    return ScoredRows(
        {row: {s: r.result["scores"] for s, r in of.items()} for row, of in runs.items()}
    )


def _hits(run: Run, metric: str) -> np.ndarray:
    """Percent of every sentence, 0 or 100 unless equal texts share a place."""
    k = int(metric.removeprefix("r"))
    (row,) = (
        r for r in run.result["rows"]
        if r["direction"] == embedding.DIRECTIONS[0] and r["pool"] is None and r["k"] == k
    )  # fmt: skip
    return 100 * np.array(row["hits"])
