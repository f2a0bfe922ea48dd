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
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

from madis_lib import paper, presets
from madis_lib.distributed import ALONE, World
from madis_lib.experiments import back_translation, embedding, panel, provenance, workers
from madis_lib.experiments.store import Run, UnfinishedRunError
from madis_lib.experiments.suite import Suite
from madis_lib.files import atomic_write
from madis_lib.reporting import figures, notebook_runs, page, tables

Protocol = Literal["paper", "release"]


def reproduce(
    preset: str,
    home: Path,
    reports: Path,
    data: Path | None = None,
    notebooks: bool = True,
    world: World = ALONE,
    protocol: Protocol = "paper",
) -> Path:
    """Everything a preset covers: train, sign, measure, draw, report.

    What an earlier call finished is found, not repeated; a killed one goes on where it was.

    Args:
        preset: its name.
        home: where runs are kept.
        reports: the report goes into ``reports/<preset>``, or ``reports/<preset>-<data folder>``;
            by the release's protocol with ``-release`` behind it.
        data: folder with the real corpora; None uses SignWorld.
        notebooks: also execute the notebooks with this preset; they are about SignWorld and the
            paper, so not with ``data`` or the release's protocol.
        world: the processes that train together, of which this is the first; the others call
            :func:`follow`.
        protocol: trains, signs and measures DTW and SiBLEU as the paper says or as the authors'
            code does; SiCLIP is ours in both.

    Returns:
        the path of the HTML report.

    Raises:
        ValueError: an unknown preset, or a notebook that failed (after the report is written).
    """
    suite = Suite(presets.get(preset, protocol=protocol), home, data, world=world)
    name = preset if data is None else f"{preset}-{data.name}"
    folder = reports / (name if protocol == "paper" else f"{name}-{protocol}")
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
    if notebooks and data is None and protocol == "paper":
        try:
            say.line("        notebooks")
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


def follow(
    preset: str, home: Path, data: Path | None, world: World, protocol: Protocol = "paper"
) -> None:
    """What the other processes do meanwhile: their share of the training, and wait."""
    suite = Suite(presets.get(preset, protocol=protocol), home, data, world=world)
    for step in _steps(suite):
        step.find()


def rebuild(
    preset: str,
    home: Path,
    reports: Path,
    data: Path | None = None,
    protocol: Protocol = "paper",
) -> Path:
    """The report of runs that are all finished; nothing is trained and no notebook executed.

    Takes and returns what :func:`reproduce` does.  FileNotFoundError names a run that is missing.
    """
    suite = Suite(presets.get(preset, protocol=protocol), home, data)
    try:
        with suite.store.only_finding():
            for step in _steps(suite):
                step.find()
    except UnfinishedRunError as error:
        more = f" --data {data}" if data else ""
        more += "" if protocol == "paper" else f" --protocol {protocol}"
        raise FileNotFoundError(
            f"{error}; make it with: madis reproduce --preset {preset}{more}"
        ) from None
    return reproduce(preset, home, reports, data, notebooks=False, protocol=protocol)


def introduce(suite: Suite, home: Path) -> None:
    """What is about to happen."""
    p = suite.preset
    corpus = (
        f"{'rendered signing' if suite.synthetic else 'real data'} in {suite.data}"
        if suite.data
        else f"SignWorld, a synthetic corpus: {p.corpus.signs} signs and "
        f"{p.corpus.train} training sentences in each of three languages"
    )
    how = "" if suite.protocol.name == "paper" else f", protocol {suite.protocol.name}"
    print(f"MaDiS, preset {p.name}{how}: {corpus}.")
    print(f"Finished work is kept in {home / p.name}; run the same command again to go on.\n")


def make_runs(suite: Suite) -> list[dict[str, Any]]:
    """Make or find every run; name, key, seconds and what came out of each."""
    steps = _steps(suite)
    say = _Narrator(0, len(steps) + 3)
    made = []
    for _, group in groupby(steps, lambda step: step.wave):
        wave = list(group)
        if suite.store.world.size == 1:
            _side_by_side(suite, wave, say)
        made += [say.run(*step[:3]) for step in wave]
    return made


def _side_by_side(suite: Suite, wave: list[Step], say: _Narrator) -> None:
    """Make the runs of a wave that are not there yet, if they are several."""
    missing = [step for step in wave if not _is_made(suite, step)]
    if len(missing) < 2 or workers.cores() < 2:
        return
    say.line(
        f"        side by side on {workers.cores()} cores: {', '.join(s.title for s in missing)}"
    )
    for title, seconds in workers.side_by_side([(step.title, step.find) for step in missing]):
        say.detail(f"{title}: done in {_duration(seconds)}")


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


def _steps(suite: Suite) -> list[Step]:
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


class _Narrator:
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
        self.detail(f"done in {_duration(time.monotonic() - started)}")

    def run(
        self, title: str, work: Callable[[], Run], told: Callable[[Run], str]
    ) -> dict[str, Any]:
        """Make or find a run; its entry in the provenance."""
        self._announce(title)
        run = work()
        fresh = run.made.get("begun", "") >= self.begun
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
        for s in (back_translation.TRUTH, tables.SYSTEM)
    )
    return f"BLEU-4 {', '.join(told)}"


def describe(
    suite: Suite, runs: list[dict[str, Any]], begun: datetime, here: dict[str, Any]
) -> dict[str, Any]:
    """The provenance that every table and figure of a report shares."""
    return {
        "preset": suite.preset.name,
        "protocol": suite.protocol.name,
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
        ("siclip", tables.siclip(suite)),
        ("siclip-gains", tables.siclip_gains(suite)),
        ("tokenizer", tables.tokenizer(suite)),
        ("lengths", tables.lengths(suite)),
        ("back-translation", tables.back_translated(suite)),
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
