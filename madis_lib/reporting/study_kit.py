"""From motion to a human study: what ``madis study`` and ``madis ratings`` do.

A study is a folder::

    raters/rater-01.html …   one page per rater, to hand out: nothing in it names a system
    key.json                 which clip was which; stays with the analyst
    metrics.tsv              scores of every clip, if there are any
    ratings/                 put here what the raters send back
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from madis_lib.experiments import study
from madis_lib.experiments.evaluate import available, value
from madis_lib.experiments.store import UnfinishedRunError
from madis_lib.experiments.suite import Suite
from madis_lib.files import atomic_write
from madis_lib.render.look import as_clip
from madis_lib.render.study import study_page
from madis_lib.reporting.signing import command

QUESTION = "How well does the signing say the sentence: are the signs accurate, does the meaning come across?"


@dataclass(frozen=True)
class Material:
    """What can be shown: texts by name and, by system, then name, motion as axis-angles."""

    texts: Mapping[str, str]
    clips: Mapping[str, Mapping[str, np.ndarray]]  # [T, 55, 3]
    fps: float
    language: str
    metrics: Mapping[str, Mapping[study.Clip, float]]  # by metric; empty when there are none


def read_folders(folders: Sequence[Path], texts: Path, language: str) -> Material:
    """Folders of ``NAME.npz`` as ``madis generate`` writes them, one folder per system.

    A folder's name is its system's.  ``texts`` is a tab-separated file with columns name and text;
    every system must have a motion for every name in it, and all motions one frame rate, which
    would otherwise give a system away.

    Raises:
        ValueError, FileNotFoundError: name the file and, in it, the line or the field.
    """
    names = [folder.resolve().name for folder in folders]
    for folder, name in zip(folders, names, strict=True):
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder; give one folder per system")
        if names.count(name) > 1:
            raise ValueError(f"{folder}: two folders are called {name!r}; systems need own names")
    sentences = read_texts(texts)
    clips: dict[str, dict[str, np.ndarray]] = {name: {} for name in names}
    rate: tuple[float, Path] | None = None
    for folder, system in zip(folders, names, strict=True):
        for name in sentences:
            path = folder / f"{name}.npz"
            clips[system][name], fps = read_motion(path)
            rate = rate or (fps, path)
            if fps != rate[0]:
                raise ValueError(
                    f"{path}: field 'mocap_frame_rate' is {fps:g}, but {rate[0]:g} in {rate[1]}; "
                    "bring all motions to one rate, or it gives the system away"
                )
    assert rate is not None
    return Material(sentences, clips, rate[0], language, {})


def read_texts(path: Path) -> dict[str, str]:
    """Text by name, from a tab-separated file with both columns; ValueError names the line."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; give a .tsv with columns name and text")
    try:
        lines = csv.DictReader(
            io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""),
            delimiter="\t", quoting=csv.QUOTE_NONE,
        )  # fmt: skip
        rows = [(lines.line_num, row) for row in lines]
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8; save the file as UTF-8") from None
    for column in ("name", "text"):
        if column not in (lines.fieldnames or ()):
            raise ValueError(f"{path}, line 1: no column {column!r}; name it in the first line")
    found: dict[str, str] = {}
    for number, row in rows:
        name, text = ((row[c] or "").strip() for c in ("name", "text"))
        if not name or not text:
            raise ValueError(f"{path}, line {number}: no {'text' if name else 'name'}; add it")
        if name in found or "/" in name or "\\" in name:
            raise ValueError(f"{path}, line {number}: name {name!r} is repeated or holds a slash")
        found[name] = text
    if not found:
        raise ValueError(f"{path}: holds no sentences")
    return found


def read_motion(path: Path) -> tuple[np.ndarray, float]:
    """Axis-angles ``[T, 55, 3]`` and frames a second of an AMASS-style npz; ValueError, or OSError."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such motion; every system needs every sentence")
    try:
        with np.load(path, allow_pickle=False) as file:
            poses, rate = file["poses"], float(file["mocap_frame_rate"])
    except KeyError as error:
        raise ValueError(f"{path}: {error}; write it as madis generate --out x.npz does") from None
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a readable npz ({error})") from None
    if poses.ndim != 2 or poses.shape[1] != 165 or poses.dtype.kind not in "fiu":
        raise ValueError(f"{path}: field 'poses' is {poses.dtype} {poses.shape}, not [T, 165]")
    if not 0 < rate < np.inf:
        raise ValueError(f"{path}: field 'mocap_frame_rate' is {rate}, not a rate")
    try:
        return as_clip(poses.reshape(-1, 55, 3)), rate
    except ValueError as problem:
        raise ValueError(f"{path}: field 'poses': {problem}") from None


def from_suite(suite: Suite, corpus: str) -> Material:
    """The truth, MaDiS and its bounds on the test sentences of a finished preset, with scores.

    Raises:
        ValueError: a corpus the suite lacks.
        FileNotFoundError: a run is missing; nothing is trained here.
    """
    from madis_lib.data import signworld

    if corpus not in suite.corpora:
        raise ValueError(f"no corpus {corpus!r}: choose one of {', '.join(suite.corpora)}")
    try:
        with suite.store.only_finding():
            scores = suite.evaluated(corpus).result["scores"]
            motions = {"truth": suite.clips(corpus, "test"), **suite.outputs(corpus)}
    except UnfinishedRunError as error:
        raise FileNotFoundError(f"{error}; make it with: {command(suite)}") from None
    names = suite.names(corpus, "test")
    clips = {
        system: {n: as_clip(m) for n, m in zip(names, made, strict=True)}
        for system, made in motions.items()
    }
    metrics = {
        metric: {
            (name, system): value(found, metric, np.array([i]))
            for system, found in scores.items()
            for i, name in enumerate(names)
        }
        for metric in available(scores["MaDiS"])
    }
    texts = dict(zip(names, suite.texts(corpus, "test"), strict=True))
    language = suite.preset.languages[corpus]
    return Material(texts, clips, signworld.FPS[corpus], language, metrics)


def make(
    material: Material,
    out: Path,
    raters: int = 5,
    items: int = 15,
    views: int | None = None,
    question: str = QUESTION,
    seed: int = 0,
) -> study.Key:
    """Write a study of ``items`` drawn sentences, and one more for practice, into ``out``.

    Args:
        raters: how many pages.
        items: sentences to rate; every system signs each.
        views: of how many systems a rater sees each sentence; all by default.
        seed: of the draw and of the orders.

    Raises:
        ValueError: too few sentences, or an impossible number.
        FileExistsError: ``out`` holds files.
    """
    if items < 2:
        raise ValueError(f"items is {items}: give at least two")
    if len(material.texts) <= items:
        raise ValueError(
            f"{len(material.texts)} sentences: {items} to rate and one for practice need "
            f"{items + 1}; give more, or fewer --items"
        )
    if not question.strip():
        raise ValueError("the question is empty: say what raters should judge")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out}: holds files already; write the study into a new folder")
    rng = np.random.default_rng([seed, 1])
    systems = tuple(material.clips)
    *rated, practised = rng.permutation(list(material.texts))[: items + 1].tolist()
    practice = practised, systems[rng.integers(len(systems))]
    planned = study.orders(rated, systems, raters, seed, views)
    width = max(2, len(str(raters)))
    key = study.Key(
        study=_id(material, rated, practice, planned, question),
        question=question,
        seed=seed,
        systems=systems,
        sentences={name: material.texts[name] for name in rated},
        practice=practice,
        orders={f"rater-{r:0{width}}": tuple(shown) for r, shown in enumerate(planned, 1)},
    )
    for rater, shown in key.orders.items():
        clips = [(material.texts[n], material.clips[s][n]) for n, s in (practice, *shown)]
        page = study_page(key.study, rater, question, clips, material.fps, material.language)
        with atomic_write(out / "raters" / f"{rater}.html") as temporary:
            temporary.write_text(page, encoding="utf-8")
    if material.metrics:
        _write_metrics(out / "metrics.tsv", material, rated)
    (out / "ratings").mkdir()
    key.save(out / "key.json")
    return key


def _id(material: Material, *plan: object) -> str:
    """Twelve digits of a hash of all that is shown: another study never takes its answers."""
    digest = hashlib.sha256(repr(plan).encode())
    for system, clips in material.clips.items():
        for name, clip in clips.items():
            digest.update(repr((system, name, material.texts[name], clip.shape)).encode())
            digest.update(clip.tobytes())
    return digest.hexdigest()[:12]


def _write_metrics(path: Path, material: Material, names: Sequence[str]) -> None:
    """Scores of every clip that is rated; a cell is empty where a system has none (the truth)."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, delimiter="\t")
        lines.writerow(("name", "system", *material.metrics))
        for name in names:
            for system in material.clips:
                cells = [m.get((name, system), "") for m in material.metrics.values()]
                lines.writerow((name, system, *cells))


def analyse(folder: Path) -> str:
    """Read a study's ratings, write them as ``ratings.csv``, and say what they say.

    Raises:
        ValueError, FileNotFoundError: name the file and the field.
    """
    path = folder / "key.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no study here; give the folder that madis study wrote")
    key = study.Key.load(path)
    ratings = study.read_ratings(key, sorted((folder / "ratings").glob("*.json")))
    metrics = folder / "metrics.tsv"
    scores = study.read_scores(metrics, ratings) if metrics.is_file() else None
    ratings.save_csv(folder / "ratings.csv")
    return study.summary(ratings, scores)
