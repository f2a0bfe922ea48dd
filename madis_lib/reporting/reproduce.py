"""``madis reproduce``: from nothing to the report, telling as it goes."""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from madis_lib import presets
from madis_lib.distributed import ALONE, World
from madis_lib.experiments import panel, provenance
from madis_lib.experiments.store import Run, UnfinishedRunError
from madis_lib.experiments.suite import Suite
from madis_lib.files import atomic_write
from madis_lib.reporting import figures, notebook_runs, page, tables


def reproduce(
    preset: str,
    home: Path,
    reports: Path,
    data: Path | None = None,
    notebooks: bool = True,
    world: World = ALONE,
) -> Path:
    """Everything a preset covers: train, sign, measure, draw, report.

    What an earlier call finished is found, not repeated; a killed one goes on where it was.

    Args:
        preset: its name.
        home: where runs are kept.
        reports: the report goes into ``reports/<preset>``, or ``reports/<preset>-<data folder>``.
        data: folder with the real corpora; None uses SignWorld.
        notebooks: also execute the notebooks with this preset; they are about SignWorld, so not
            with ``data``.
        world: the processes that train together, of which this is the first; the others call
            :func:`follow`.

    Returns:
        the path of the HTML report.

    Raises:
        ValueError: an unknown preset, or a notebook that failed (after the report is written).
    """
    suite = Suite(presets.get(preset), home, data, world=world)
    folder = reports / (preset if data is None else f"{preset}-{data.name}")
    folder.mkdir(parents=True, exist_ok=True)
    begun, clock = datetime.now(UTC), time.monotonic()
    here = provenance.environment()
    introduce(suite, home)
    runs = make_runs(suite)
    suite.store.world = ALONE  # what follows is the first process's own
    record = describe(suite, runs, begun, here)

    say = _Narrator(len(runs), len(runs) + 3)
    say.step("tables", lambda: _write_tables(suite, folder))
    say.step("figures", lambda: _write_figures(suite, folder, record))
    executed, problem = [], None
    if notebooks and data is None:  # the notebooks are about SignWorld
        try:
            say.line("notebooks, one at a time")
            executed = notebook_runs.execute(preset, home, folder / "notebooks", say=say.detail)
        except ValueError as error:  # the report is still worth having
            problem = error
            say.detail(str(error))
    record["seconds"] = round(time.monotonic() - clock, 1)
    record["peak_memory_mb"] = provenance.peak_memory_mb()
    record["notebooks"] = [path.name for path in executed]
    record["notebook_failure"] = str(problem) if problem else None
    _write_json(folder / "provenance.json", record)
    report = folder / "report.html"
    say.step("report", lambda: page.write(suite, folder, record, report))
    if problem is not None:
        raise problem
    return report


def follow(preset: str, home: Path, data: Path | None, world: World) -> None:
    """What the other processes do meanwhile: their share of the training, and wait."""
    for _, find, _ in _steps(Suite(presets.get(preset), home, data, world=world)):
        find()


def rebuild(preset: str, home: Path, reports: Path, data: Path | None = None) -> Path:
    """The report of runs that are all finished; nothing is trained and no notebook executed.

    Takes and returns what :func:`reproduce` does.  FileNotFoundError names a run that is missing.
    """
    suite = Suite(presets.get(preset), home, data)
    try:
        with suite.store.only_finding():
            for _, find, _ in _steps(suite):
                find()
    except UnfinishedRunError as error:
        more = f" --data {data}" if data else ""
        raise FileNotFoundError(
            f"{error}; make it with: madis reproduce --preset {preset}{more}"
        ) from None
    return reproduce(preset, home, reports, data, notebooks=False)


def introduce(suite: Suite, home: Path) -> None:
    """What is about to happen."""
    p = suite.preset
    corpus = (
        f"{'rendered signing' if suite.synthetic else 'real data'} in {suite.data}"
        if suite.data
        else f"SignWorld, a synthetic corpus: {p.corpus.signs} signs and "
        f"{p.corpus.train} training sentences in each of three languages"
    )
    print(f"MaDiS, preset {p.name}: {corpus}.")
    print(f"Finished work is kept in {home / p.name}; run the same command again to go on.\n")


def make_runs(suite: Suite) -> list[dict[str, Any]]:
    """Make or find every run; name, key, seconds and what came out of each."""
    steps = _steps(suite)
    say = _Narrator(0, len(steps) + 3)
    return [say.run(*step) for step in steps]


Step = tuple[str, Callable[[], Run], Callable[[Run], str]]  # title, work, what came out


def _steps(suite: Suite) -> list[Step]:
    steps: list[Step] = [
        ("corpus", lambda: suite.corpus, lambda run: _told_corpus(suite, run)),
        ("sign tokenizer", lambda: suite.tokenizer_run, _told_training),
        ("tokens", lambda: suite.tokens_run, lambda r: f"{sum(r.result['clips'].values())} clips"),
        ("tokenizer's quality", lambda: suite.tokenizer_quality, _told_tokenizer),
        ("pretraining", lambda: suite.pretrained, _told_training),
    ]
    for corpus in suite.corpora:
        name = suite.corpus_name(corpus)
        tuned, scored = (
            lambda c=corpus: suite.finetuned(c),
            lambda c=corpus: suite.evaluated(c),
        )
        steps.append((f"fine-tuning, {name}", tuned, _told_training))
        steps.append((f"signing and scoring, {name}", scored, _told_scores))
    for corpus in suite.corpora if suite.synthetic else ():
        title = f"metrics against the oracle, {suite.corpus_name(corpus)}"
        steps.append((title, partial(panel.graded, suite, corpus), _told_panel))
    return steps


class _Narrator:
    """Numbered lines with elapsed time on stdout."""

    def __init__(self, done: int, total: int) -> None:
        self.done, self.total, self.begun = done, total, time.monotonic()

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
        self.detail(f"done in {_duration(time.monotonic() - started)}")

    def run(
        self, title: str, work: Callable[[], Run], told: Callable[[Run], str]
    ) -> dict[str, Any]:
        """Make or find a run; its entry in the provenance."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._announce(title)
        run = work()
        fresh = run.made.get("begun", "") >= now
        how = f"done in {_duration(run.made['seconds'])}" if fresh else "found from an earlier run"
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


def _told_tokenizer(run: Run) -> str:
    r = run.result
    used = ", ".join(f"{r['codes_used'][p]}/{n}" for p, n in r["codes"].items())
    error = ", ".join(f"{k} {v:.1f} mm" for k, v in r["error_mm"].items())
    return f"codes used {used}; reconstruction error {error}"


def _told_training(run: Run) -> str:
    first, last = run.result["history"][0], run.result["history"][-1]
    return f"{last['update']} updates, loss {first['loss']:.2f} to {last['loss']:.2f}"


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


def describe(
    suite: Suite, runs: list[dict[str, Any]], begun: datetime, here: dict[str, Any]
) -> dict[str, Any]:
    """The provenance that every table and figure of a report shares."""
    return {
        "preset": suite.preset.name,
        "data": str(suite.data) if suite.data else "SignWorld (synthetic)",
        "seed": suite.seed,
        "begun": begun.isoformat(timespec="seconds"),
        **here,
        "runs": runs,
        "configuration": asdict(suite.preset),
    }


def _write_tables(suite: Suite, folder: Path) -> None:
    """The tables, and the per-sentence results they can be made from again."""
    begun = time.time()
    for corpus in suite.corpora:
        run = suite.evaluated(corpus)
        plain = json.dumps({"run": run.key, **run.result}, ensure_ascii=False).encode()
        with atomic_write(folder / "results" / f"{corpus}.json.gz") as temporary:
            temporary.write_bytes(gzip.compress(plain, mtime=0))
        frame = tables.results(suite, corpus)
        tables.write(frame, folder / "tables", f"results-{corpus}")
    for name, frame in (
        ("tokenizer", tables.tokenizer(suite)),
        ("lengths", tables.lengths(suite)),
        ("targets", tables.targets(suite)),
    ):
        with atomic_write(folder / "tables" / f"{name}.csv") as temporary:
            temporary.write_text(frame.to_csv(index=False), encoding="utf-8")
    if suite.synthetic:
        with atomic_write(folder / "tables" / "metrics-panel.csv") as temporary:
            temporary.write_text(tables.metrics_panel(suite).to_csv(index=False), encoding="utf-8")
    _drop_older(folder / "results", begun)
    _drop_older(folder / "tables", begun)


def _drop_older(folder: Path, begun: float) -> None:
    """Remove what an earlier report left and this one, complete by now, does not have."""
    for path in folder.iterdir():
        if path.is_file() and path.stat().st_mtime < begun - 1:
            path.unlink()


def _write_figures(suite: Suite, folder: Path, record: dict[str, Any]) -> None:
    short = {k: record[k] for k in ("preset", "data", "seed", "commit", "device")}
    short["runs"] = {run["name"]: run["key"] for run in record["runs"]}
    begun = time.time()
    for figure in figures.ALL:
        if figure.needs_truth and not suite.synthetic:
            continue
        figures.save(figure.draw(suite), folder / "figures", figure.name, short)
    _drop_older(folder / "figures", begun)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def _write_json(path: Path, value: Any) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
