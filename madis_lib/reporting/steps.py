"""The runs of a report in the order they are made, those that can be side by side; and what is said
of each.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from madis_lib import paper
from madis_lib.experiments import back_translation, embedding, panel, workers
from madis_lib.experiments.store import Run, UnfinishedRunError
from madis_lib.experiments.suite import Suite
from madis_lib.reporting.tables import SYSTEM


def make_runs(suite: Suite) -> list[dict[str, Any]]:
    """Make or find every run; name, key, seconds and what came out of each."""
    todo = steps(suite)
    say = Narrator(0, len(todo) + 3)
    made = []
    for _, group in groupby(todo, lambda step: step.wave):
        wave = list(group)
        if suite.store.world.size == 1:
            _side_by_side(suite, wave, say)
        made += [say.run(*step[:3]) for step in wave]
    return made


def _side_by_side(suite: Suite, wave: list[Step], say: Narrator) -> None:
    """Make the runs of a wave that are not there yet, if they are several."""
    missing = [step for step in wave if not _is_made(suite, step)]
    if len(missing) < 2 or workers.cores() < 2:
        return
    say.line(
        f"        side by side on {workers.cores()} cores: {', '.join(s.title for s in missing)}"
    )
    for title, seconds in workers.side_by_side([(step.title, step.find) for step in missing]):
        say.detail(f"{title}: done in {duration(seconds)}")


def _is_made(suite: Suite, step: Step) -> bool:
    try:
        with suite.store.only_finding():
            step.find()
    except UnfinishedRunError:
        return False
    return True


class Step(NamedTuple):
    """A run of the report; ``find`` can be sent to another process."""

    title: str
    find: Callable[[], Run]
    told: Callable[[Run], str]  # what came out
    wave: int  # the steps of a wave need nothing of each other, and something of those before


def steps(suite: Suite) -> list[Step]:
    """Every run a report needs, those before that others build on."""

    def run(name: str) -> Callable[[], Run]:
        return partial(getattr, suite, name)

    names = {c: suite.corpus_name(c) for c in suite.corpora}
    rungs = {rung: paper.TABLE_6.row(rung).label for rung in embedding.RUNGS}
    return [
        Step("corpus", run("corpus"), lambda made: _told_corpus(suite, made), 0),
        Step("sign tokenizer", run("tokenizer_run"), _told_training, 1),
        Step("tokens", run("tokens_run"), _told_tokens, 2),
        Step("tokenizer's quality", run("tokenizer_quality"), _told_tokenizer, 3),
        Step("pretraining", run("pretrained"), _told_training, 4),
        *(
            Step(f"fine-tuning, {name}", partial(Suite.finetuned, suite, c), _told_training, 5)
            for c, name in names.items()
        ),
        *(
            Step(f"SiCLIP, {label}", partial(embedding.trained, suite, rung), _told_training, 5)
            for rung, label in rungs.items()
        ),
        Step("sign-to-text model", partial(back_translation.trained, suite), _told_training, 5),
        *(
            Step(
                f"retrieval, {name}, {label}",
                partial(embedding.retrieved, suite, c, rung),
                _told_retrieval,
                6,
            )
            for c, name in names.items()
            for rung, label in rungs.items()
        ),
        *(
            Step(
                f"signing and scoring, {name}", partial(Suite.evaluated, suite, c), _told_scores, 6
            )
            for c, name in names.items()
        ),
        *(
            Step(
                f"back-translation, {name}",
                partial(back_translation.evaluated, suite, c),
                _told_back_translation,
                7,
            )
            for c, name in names.items()
        ),
        *(
            Step(
                f"metrics against the oracle, {name}",
                partial(panel.graded, suite, c),
                _told_panel,
                8,
            )
            for c, name in names.items()
            if suite.synthetic
        ),
    ]


class Narrator:
    """Numbered lines with elapsed time on stdout."""

    def __init__(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        self.begun = datetime.now(UTC).isoformat(timespec="seconds")

    def line(self, text: str) -> None:
        print(text, flush=True)

    def detail(self, text: str) -> None:
        print(f"        {text}", flush=True)

    def _announce(self, title: str) -> float:
        self.done += 1
        self.line(f"[{self.done:2d}/{self.total}] {title}")
        return time.monotonic()

    def step(self, title: str, work: Callable[[], Any]) -> None:
        started = self._announce(title)
        work()
        self.detail(f"done in {duration(time.monotonic() - started)}")

    def run(
        self, title: str, work: Callable[[], Run], told: Callable[[Run], str]
    ) -> dict[str, Any]:
        """Make or find a run; its entry in the provenance."""
        self._announce(title)
        run = work()
        fresh = run.made.get("begun", "") >= self.begun
        how = f"done in {duration(run.made['seconds'])}" if fresh else "found from an earlier run"
        self.detail(f"{told(run)}; {how}")
        return {"title": title, "name": run.name, "key": run.key, "made_now": fresh, **run.made}


def _told_corpus(suite: Suite, run: Run) -> str:
    counts = {c: sum(of.values()) for c, of in run.result["sentences"].items()}
    told = f"{sum(counts.values()):,} sentences ({', '.join(counts)}); "
    told += f"M = {suite.preset.model.max_tokens} tokens covers "
    told += ", ".join(f"{100 * suite.coverage(c):.1f} %" for c in suite.corpora)
    told += " of the training clips"
    left_out: Counter[str] = Counter()
    for splits in run.result["skipped"].values():
        for reasons in splits.values():
            left_out.update(reasons)
    if left_out:
        told += f"; left out: {', '.join(f'{n} {reason}' for reason, n in left_out.items())}"
    return told


def _told_tokens(run: Run) -> str:
    return f"{sum(run.result['clips'].values()):,} clips"


def _told_tokenizer(run: Run) -> str:
    r = run.result
    used = ", ".join(f"{r['codes_used'][p]}/{n}" for p, n in r["codes"].items())
    error = ", ".join(f"{k} {v:.1f} mm" for k, v in r["error_mm"].items())
    return f"codes used {used}; reconstruction error {error}"


def _told_training(run: Run) -> str:
    first, last = run.result["history"][0], run.result["history"][-1]
    return f"{last['update']} updates, loss {first['loss']:.2f} to {last['loss']:.2f}"


def _told_retrieval(run: Run) -> str:
    told = [
        f"{row['estimate']:.0f} % of {row['pool'] or run.result['sentences']}"
        for row in run.result["rows"]
        if row["direction"] == embedding.DIRECTIONS[0] and row["k"] == 1
    ]
    return f"R@1 sign to text {', '.join(told)}"


def _told_panel(run: Run) -> str:
    count, sentences = len(run.result["conditions"]), len(run.result["sentences"])
    return f"{count} conditions of {sentences} sentences"


def _told_scores(run: Run) -> str:
    scores = run.result["scores"]["MaDiS"]
    told = f"{len(scores['dtw_body'])} sentences"
    if "gloss_edits" in scores:
        error = 100 * sum(scores["gloss_edits"]) / sum(scores["gloss_length"])
        told += f", gloss error {error:.0f} %"
    return told


def _told_back_translation(run: Run) -> str:
    told = (
        f"{back_translation.bleu(run, s).estimate:.1f} of {s}"
        for s in (back_translation.TRUTH, SYSTEM)
    )
    return f"BLEU-4 {', '.join(told)}"


def duration(seconds: float) -> str:
    """Such as "3 min 20 s"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
