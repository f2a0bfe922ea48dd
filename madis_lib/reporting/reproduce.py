"""``madis reproduce``: from nothing to the report, telling as it goes."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from madis_lib import presets
from madis_lib.distributed import ALONE, World
from madis_lib.experiments import provenance
from madis_lib.experiments.store import UnfinishedRunError
from madis_lib.experiments.suite import Suite
from madis_lib.files import atomic_write
from madis_lib.presets import ProtocolName
from madis_lib.reporting import figures, metric_tables, notebook_runs, page, steps, tables


def reproduce(
    preset: str,
    home: Path,
    reports: Path,
    data: Path | None = None,
    notebooks: bool = True,
    world: World = ALONE,
    protocol: ProtocolName = "paper",
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
    runs = steps.make_runs(suite)
    suite.store.world = ALONE  # what follows is the first process's own
    record = describe(suite, runs, begun, here)

    say = steps.Narrator(len(runs), len(runs) + 3)
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
    preset: str, home: Path, data: Path | None, world: World, protocol: ProtocolName = "paper"
) -> None:
    """What the other processes do meanwhile: their share of the training, and wait."""
    suite = Suite(presets.get(preset, protocol=protocol), home, data, world=world)
    for step in steps.steps(suite):
        step.find()


def rebuild(
    preset: str,
    home: Path,
    reports: Path,
    data: Path | None = None,
    protocol: ProtocolName = "paper",
) -> Path:
    """The report of runs that are all finished; nothing is trained and no notebook executed.

    Takes and returns what :func:`reproduce` does.  FileNotFoundError names a run that is missing.
    """
    suite = Suite(presets.get(preset, protocol=protocol), home, data)
    try:
        with suite.store.only_finding():
            for step in steps.steps(suite):
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
        ("siclip", metric_tables.siclip(suite)),
        ("siclip-gains", metric_tables.siclip_gains(suite)),
        ("tokenizer", tables.tokenizer(suite)),
        ("lengths", tables.lengths(suite)),
        ("back-translation", metric_tables.back_translated(suite)),
        ("targets", tables.targets(suite)),
    ):
        with atomic_write(folder / "tables" / f"{name}.csv") as temporary:
            temporary.write_text(frame.to_csv(index=False), encoding="utf-8")
    if suite.synthetic:
        with atomic_write(folder / "tables" / "metrics-panel.csv") as temporary:
            temporary.write_text(
                metric_tables.metrics_panel(suite).to_csv(index=False), encoding="utf-8"
            )
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


def _write_json(path: Path, value: Any) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
