"""``madis reproduce``: from nothing to the report, telling as it goes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from madis_lib import presets, train
from madis_lib.distributed import ALONE, World
from madis_lib.experiments import ablations, provenance, registry, schedule, workers
from madis_lib.experiments.schedule import Planned
from madis_lib.experiments.suite import Suite
from madis_lib.files import atomic_write
from madis_lib.presets import ProtocolName
from madis_lib.reporting import (
    ablation_tables,
    comparison,
    figures,
    metric_tables,
    notebook_runs,
    page,
    speed_tables,
    summary,
    tables,
)
from madis_lib.reporting.narrator import Narrator, show_plan


def reproduce(
    preset: str,
    home: Path,
    reports: Path,
    data: Path | None = None,
    notebooks: bool = True,
    world: World = ALONE,
    protocol: ProtocolName = "paper",
    only: Collection[str] = (),
    seeds: Collection[int] | None = None,
    until: float | None = None,
    force: bool = False,
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
        only: artefacts, such as "table3"; none: all of them.
        seeds: of the rows of ablations; None: the preset's.
        until: epoch seconds after which nothing begins and training stops at a checkpoint.
        force: make the runs of ``only`` again (all runs where it names none).

    Returns:
        the path of the HTML report; with ``only``, before all else is there, of the folder that
        holds its tables and figures.

    Raises:
        ValueError: an unknown preset, an artefact that has no runs with it, or a notebook that
            failed (after the report is written).
        OutOfTimeError: ``until`` is over.
    """
    suite = open_suite(preset, home, reports, data, protocol, world, seeds)
    folder = report_folder(preset, reports, data, protocol)
    planned = schedule.plan(suite, only, measured_before(folder))
    folder.mkdir(parents=True, exist_ok=True)
    if force:
        for p in planned:
            if p.run is not None and schedule.is_asked_for(p.step, only):
                suite.store.beside(p.run.folder.parent.name).forget(p.run)
        planned = schedule.plan(suite, only, measured_before(folder))
    introduce(suite, home)
    return _report(suite, folder, planned, notebooks, only, until)


def _report(
    suite: Suite,
    folder: Path,
    planned: list[Planned],
    notebooks: bool,
    only: Collection[str] = (),
    until: float | None = None,
) -> Path:
    """Make what is planned, and the report of all that is there; its path.

    Before all is there that a report needs, the tables and figures of ``only``; their folder.
    """
    begun, clock = datetime.now(UTC), time.monotonic()
    here = provenance.environment()
    made = {p.step.title for p in planned}
    whole = not only or all(
        p.done or p.step.row or p.step.title in made for p in schedule.plan(suite)
    )
    say = Narrator(planned, more=3 if whole else 2)
    say.line(f"{show_plan(planned)[-1]}\n")
    runs = schedule.make(suite, planned, say.told, say.began, until)
    suite.store.world = ALONE  # what follows is the first process's own
    if not whole:
        record = describe(suite, runs, begun, here)
        say.step("tables", lambda: _write_tables(suite, folder, only))
        say.step("figures", lambda: _draw(suite, folder, record, only))
        return folder
    if only:
        there = [p for p in schedule.plan(suite) if p.done]
        runs = schedule.make(suite, there, lambda step, run: None)
    record = describe(suite, runs, begun, here)

    say.step("tables", lambda: _write_tables(suite, folder))
    figures_drawn = partial(_write_figures, suite, folder, record)
    executed, problem, drawn = [], None, False
    if notebooks and suite.data is None and suite.protocol.claims and not only:
        say.line("        notebooks, and the figures beside them")
        jobs = notebook_runs.jobs(suite.preset.name, suite.store.root.parent, folder / "notebooks")
        beside: list[tuple[str, Callable[[], Any]]] = [("figures", figures_drawn), *jobs.items()]
        try:
            for name, seconds in workers.side_by_side(beside if jobs else []):
                if name == "figures":
                    drawn = True
                    say.done("figures", seconds)
                else:
                    executed.append(name)
                    say.detail(f"executed {name}")
        except notebook_runs.NotebookError as error:  # the report is still worth having
            problem = error
            say.detail(str(error))
    if not drawn:
        say.step("figures", figures_drawn)
    record["seconds"] = round(time.monotonic() - clock, 1)
    record["peak_memory_mb"] = provenance.peak_memory_mb()
    record["notebooks"] = sorted(executed)
    record["notebook_failure"] = str(problem) if problem else None
    _write_json(folder / "provenance.json", record)
    report = folder / "report.html"
    say.step("report", lambda: _write_pages(suite, folder, record, report))
    if problem is not None:
        raise problem
    return report


def follow(
    preset: str,
    home: Path,
    reports: Path,
    data: Path | None,
    world: World,
    protocol: ProtocolName = "paper",
    only: Collection[str] = (),
    seeds: Collection[int] | None = None,
    until: float | None = None,
) -> None:
    """What the other processes do meanwhile: their share of the training, and wait."""
    suite = open_suite(preset, home, reports, data, protocol, world, seeds)
    train.stop_at(until)
    for step in registry.chosen(suite, only) if only else registry.steps(suite):
        if not step.part_of:  # made within the other
            step.find()


def dry_run(
    preset: str,
    home: Path,
    reports: Path,
    data: Path | None = None,
    protocol: ProtocolName = "paper",
    only: Collection[str] = (),
    seeds: Collection[int] | None = None,
    force: bool = False,
) -> list[str]:
    """What :func:`reproduce` would make, line by line, and how long it would take."""
    suite = open_suite(preset, home, reports, data, protocol, seeds=seeds)
    before = measured_before(report_folder(preset, reports, data, protocol))
    return show_plan(schedule.plan(suite, only, before, force))


def open_suite(
    preset: str,
    home: Path,
    reports: Path,
    data: Path | None = None,
    protocol: ProtocolName = "paper",
    world: World = ALONE,
    seeds: Collection[int] | None = None,
) -> Suite:
    """The suite of a report, whose results are kept in the report's folder."""
    if seeds is not None and (not seeds or min(seeds) < 0):
        raise ValueError(f"seeds of rows are {seeds}: give whole numbers from 0")
    size, kept = (
        presets.get(preset, protocol=protocol),
        report_folder(preset, reports, data, protocol),
    )
    return Suite(size, home, data, world=world, kept=kept / "results", row_seeds=seeds)


def report_folder(
    preset: str, reports: Path, data: Path | None = None, protocol: ProtocolName = "paper"
) -> Path:
    """``reports/<preset>``, with the data's name and the protocol behind it where they differ."""
    name = preset if data is None else f"{preset}-{data.name}"
    return reports / (name if protocol == "paper" else f"{name}-{protocol}")


def measured_before(folder: Path) -> dict[str, float]:
    """Seconds of runs by the title of their step, as a report that is there tells them."""
    try:
        runs = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))["runs"]
        return {run["title"]: run["seconds"] for run in runs if "seconds" in run}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def rebuild(
    preset: str,
    home: Path,
    reports: Path,
    data: Path | None = None,
    protocol: ProtocolName = "paper",
    seeds: Collection[int] | None = None,
) -> Path:
    """The report of runs that are all finished; nothing is trained and no notebook executed.

    Takes and returns what :func:`reproduce` does.  FileNotFoundError names a run that is missing.
    """
    suite = open_suite(preset, home, reports, data, protocol, seeds=seeds)
    missing = [p for p in schedule.plan(suite) if not p.done and not p.step.row]
    if missing:
        more = f" --data {data}" if data else ""
        more += "" if protocol == "paper" else f" --protocol {protocol}"
        more += f" --seeds {' '.join(map(str, seeds))}" if seeds else ""
        first = missing[0]
        where = suite.store.root if first.run is None else first.run.folder
        raise FileNotFoundError(
            f"{where}: this run is not finished ({first.step.title}; {len(missing)} are missing); "
            f"make it with: madis reproduce --preset {preset}{more}"
        )
    introduce(suite, home)
    planned = [p for p in schedule.plan(suite) if p.done]
    return _report(suite, report_folder(preset, reports, data, protocol), planned, False)


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


def describe(
    suite: Suite, runs: list[dict[str, Any]], begun: datetime, here: dict[str, Any]
) -> dict[str, Any]:
    """The provenance that every table and figure of a report shares."""
    return {
        "preset": suite.preset.name,
        "protocol": suite.protocol.name,
        "data": str(suite.data) if suite.data else "SignWorld (synthetic)",
        "seed": suite.seed,
        "row_seeds": ablations.world(suite).row_seeds,
        "begun": begun.isoformat(timespec="seconds"),
        **here,
        "runs": runs,
        "configuration": asdict(suite.preset),
    }


# Tables of one kind of run each: for which artefact, and how they are made.
FRAMES: dict[str, tuple[str, Callable[[Suite], pd.DataFrame]]] = {
    "siclip": ("table6", metric_tables.siclip),
    "siclip-gains": ("table6", metric_tables.siclip_gains),
    "tokenizer": ("headline", tables.tokenizer),
    "lengths": ("headline", tables.lengths),
    "targets": ("headline", tables.targets),
    "back-translation": ("fig7b", metric_tables.back_translated),
    "metrics-panel": ("fig7b", metric_tables.metrics_panel),
}


def _write_tables(suite: Suite, folder: Path, only: Collection[str] = ()) -> None:
    """All tables, or those of some artefacts and of every row that is finished.

    The per-sentence results they can be made from again are kept by the store.
    """
    begun = time.time()
    for corpus in suite.corpora if not only or "headline" in only else ():
        tables.write(tables.results(suite, corpus), folder / "tables", f"results-{corpus}")
    for name, (artefact, frame) in FRAMES.items():
        if (only and artefact not in only) or (name == "metrics-panel" and not suite.synthetic):
            continue
        with atomic_write(folder / "tables" / f"{name}.csv") as temporary:
            temporary.write_text(frame(suite).to_csv(index=False), encoding="utf-8")
    if suite.protocol.claims:
        comparison.write(suite, folder / "tables")
        ablation_tables.write(suite, folder / "tables")
        speed_tables.write(suite, folder / "tables")
    if only:
        return
    for path in (folder / "results").iterdir():
        if not re.fullmatch(r".+-[0-9a-f]{16}\.json\.gz", path.name):  # not a result that is kept
            path.unlink()
    _drop_older(folder / "tables", begun)


def _drop_older(folder: Path, begun: float) -> None:
    """Remove what an earlier report left and this one, complete by now, does not have."""
    for path in folder.iterdir():
        if path.is_file() and path.stat().st_mtime < begun - 1:
            path.unlink()


def _write_figures(suite: Suite, folder: Path, record: dict[str, Any]) -> None:
    begun = time.time()
    _draw(suite, folder, record, [figure.name for figure in figures.ALL])
    _drop_older(folder / "figures", begun)


def _draw(suite: Suite, folder: Path, record: dict[str, Any], names: Collection[str]) -> None:
    """Those of the figures whose runs are there."""
    short = {k: record[k] for k in ("preset", "data", "seed", "commit", "device")}
    short["runs"] = {run["name"]: run["key"] for run in record["runs"]}
    for figure in figures.ALL:
        if figure.name not in names or (figure.needs_truth and not suite.synthetic):
            continue
        if figure.runs is None or figure.runs(suite):
            figures.save(figure.draw(suite), folder / "figures", figure.name, short)


def _write_pages(suite: Suite, folder: Path, record: dict[str, Any], report: Path) -> None:
    page.write(suite, folder, record, report)
    summary.write(suite, folder, record)


def _write_json(path: Path, value: Any) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
