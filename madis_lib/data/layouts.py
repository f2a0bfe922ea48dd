"""The three corpora on disk, as the authors keep them: one description each, one way in and out.

``root`` is the folder that holds ``How2Sign/``, ``CSL-Daily/`` and ``Phoenix_2014T/`` (MaDiS §4).
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np

from madis_lib.data import poses, sentences
from madis_lib.data import tokens as token_files
from madis_lib.data.errors import DataError, MissingDataError
from madis_lib.data.lengths import fit_length, reduce_fps
from madis_lib.data.sentences import Annotation
from madis_lib.parts import FRAMES_PER_TOKEN

SPLITS = ("train", "val", "test")
MAX_SECONDS = 30.0
MIN_SOURCE_FRAMES = 4
BAD_IDS = "bad_ids.txt"  # in How2Sign's folder: clips to leave out, one name a line
TOO_LONG, BAD_ID = "30 s or longer, or without times", "bad id"
TOO_SHORT = "fewer than 4 frames"


@dataclass(frozen=True)
class Layout:
    """Where a corpus keeps its files; ``{split}`` and ``{name}`` are filled in."""

    folder: str
    sentences: str
    poses: tuple[str, ...]  # without suffix; the first is where new files go, the last is SOKE's
    disk_splits: dict[str, str] = field(default_factory=lambda: {s: s for s in SPLITS})


LAYOUTS = {
    "how2sign": Layout(
        "How2Sign",
        "{split}/re_aligned/how2sign_realigned_{split}_preprocessed_fps.csv",
        ("poses_video_level/{split}/poses/{name}", "{split}/poses/{name}"),
    ),
    "csl": Layout("CSL-Daily", "csl_clean.{split}", ("poses_video_level/{name}", "poses/{name}")),
    "phoenix": Layout(
        "Phoenix_2014T",
        "phoenix14t.{split}",
        ("poses_video_level/{name}", "{name}"),
        {"train": "train", "val": "dev", "test": "test"},
    ),
}


@dataclass(frozen=True, eq=False)
class Sample:
    """One clip: what is signed and how.  Features are raw, after the rate and length rules."""

    name: str
    text: str
    corpus: str
    features: np.ndarray  # float32 [T, 133], T a multiple of four from 40 to 400
    tokens: np.ndarray | None = None  # int64 [T / 4, 3]: body, left, right


@dataclass(frozen=True, eq=False)
class Corpus(Sequence[Sample]):
    """The clips of one split, in the order of their list, and how many were left out and why."""

    corpus: str
    split: str
    root: Path
    samples: tuple[Sample, ...]
    skipped: dict[str, int]
    fingerprint: str | None = None  # of the tokenizer that made the tokens, where known

    def __len__(self) -> int:
        return len(self.samples)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Sample, ...]: ...
    def __getitem__(self, index: int | slice) -> Sample | tuple[Sample, ...]:
        return self.samples[index]


def read(
    root: str | Path,
    corpus: str,
    split: str,
    tokens: bool = False,
    fingerprint: str | None = None,
) -> Corpus:
    """One split (``train``, ``val`` or ``test``) of ``how2sign``, ``csl`` or ``phoenix``.

    Left out and counted in ``skipped``: clips of 30 s or longer or without times, those that
    :data:`BAD_IDS` names (both How2Sign's), and clips of fewer than 4 frames.  ``tokens`` reads the
    stored tokens too; ``fingerprint`` is the tokenizer they must come from.  DataError (a ValueError) names the file, the field and the fix; MissingDataError
    (also a FileNotFoundError) a file that is not there.
    """
    stored = token_files.read_fingerprint(root) if tokens else None
    if tokens and fingerprint is not None:
        token_files.check_fingerprint(root, fingerprint)
    kept, skipped = entries(root, corpus, split)
    samples = []
    for entry in kept:
        sample = read_sample(root, corpus, split, entry, tokens)
        if sample is None:
            skipped[TOO_SHORT] += 1
        else:
            samples.append(sample)
    return Corpus(corpus, split, Path(root), tuple(samples), dict(skipped), stored)


def entries(
    root: str | Path,
    corpus: str,
    split: str,
    problems: list[DataError] | None = None,
) -> tuple[list[Annotation], Counter[str]]:
    """The listed clips that are to be read, and how many are not and why.  No pose is opened.

    Bad entries raise DataError, or go to ``problems`` where a list is given.
    """
    path = sentences_path(root, corpus, split)
    if not path.is_file() and not path_of(root, corpus).is_dir():
        fix = f"put {layout(corpus).folder}/ there, or give the folder that holds it"
        raise MissingDataError(path_of(root, corpus), "corpus folder", "is missing", fix)
    bad: set[str] = set()
    if corpus == "how2sign":
        bad_file = path_of(root, corpus) / BAD_IDS
        listed = bad_file.read_text("utf-8", "replace") if bad_file.is_file() else ""
        bad = {line.strip() for line in listed.splitlines()}
    kept: list[Annotation] = []
    skipped: Counter[str] = Counter()
    for entry in sentences.read(path, problems):
        if not entry.seconds < MAX_SECONDS:
            skipped[TOO_LONG] += 1
        elif entry.name in bad:
            skipped[BAD_ID] += 1
        else:
            kept.append(entry)
    return kept, skipped


def read_sample(
    root: str | Path, corpus: str, split: str, entry: Annotation, tokens_too: bool = False
) -> Sample | None:
    """One listed clip; None when fewer than 4 frames are left of it after the rate rule."""
    features = poses.read(pose_places(root, corpus, split, entry.name))
    if entry.fps is not None:
        features = features[reduce_fps(len(features), entry.fps)]
    if len(features) < MIN_SOURCE_FRAMES:
        return None
    features = features[fit_length(len(features))]
    stored = read_tokens(root, corpus, split, entry.name, len(features)) if tokens_too else None
    return Sample(entry.name, entry.text, corpus, features, stored)


def read_tokens(
    root: str | Path, corpus: str, split: str, name: str, num_frames: int
) -> np.ndarray:
    """The stored tokens of a clip of ``num_frames``; DataError unless there is one per 4 frames."""
    stored = token_files.read(root, corpus, split, name)
    if len(stored) * FRAMES_PER_TOKEN != num_frames:
        place = next(p for p in token_files.places(root, corpus, split, name) if p.is_file())
        wanted = num_frames // FRAMES_PER_TOKEN
        problem = f"{len(stored)} for {num_frames} frames, not {wanted}"
        raise DataError(place, "tokens", problem, "encode the corpus again")
    return stored


def write(
    root: str | Path,
    corpus: str,
    split: str,
    items: Iterable[tuple[str, str, np.ndarray, float]],
) -> int:
    """Write ``(name, text, features [T, 133], fps)`` clips as :func:`read` finds them; how many.

    Clips are written as they come, the sentence list last, so a stopped run leaves no list.  Only
    How2Sign keeps ``fps``.  ``phoenix`` names carry their split folder (``dev/...``) in the real
    data.  DataError on a bad clip or a name that this or another split already has.
    """
    path = sentences_path(root, corpus, split)
    taken = _names_elsewhere(root, corpus, split)
    listed: list[Annotation] = []
    for name, text, features, fps in items:
        sentences.check_name(path, name)
        if name in taken:
            raise DataError(path, name, "is already a clip of this corpus", "give it its own name")
        if not text.strip():
            raise DataError(path, name, "has no sentence", "give it one")
        if not (np.isfinite(fps) and fps > 0):
            raise DataError(path, f"{name}, fps", f"is {fps}", "give frames a second")
        features = np.asarray(features, np.float32)
        poses.check_features(path, features, where=f"{name}, ")
        place = pose_places(root, corpus, split, name)[0]
        poses.write(place.with_name(place.name + ".pkl"), features)
        taken.add(name)
        listed.append(Annotation(name, text, float(fps), len(features) / float(fps)))
    sentences.write(path, listed)
    return len(listed)


def fingerprint(root: str | Path) -> str:
    """16 hexadecimal digits for what lies in the corpus folders below ``root``, wherever it lies.

    Sentence lists count by their content, all other files by name and size, so that a real corpus
    is told apart in seconds; a pose file overwritten by another of the same size goes unseen.
    """
    digest = hashlib.sha256()
    for corpus in LAYOUTS:
        folder = path_of(root, corpus)
        files = (Path(at) / name for at, _, names in os.walk(folder) for name in names)
        for path in sorted(p for p in files if not p.name.startswith(".")):
            digest.update(f"{path.relative_to(root)} {path.stat().st_size}\n".encode())
        for split in SPLITS:
            path = sentences_path(root, corpus, split)
            digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()[:16]


def _names_elsewhere(root: str | Path, corpus: str, split: str) -> set[str]:
    lists = (sentences_path(root, corpus, other) for other in SPLITS if other != split)
    return {entry.name for path in lists if path.is_file() for entry in sentences.read(path)}


def layout(corpus: str) -> Layout:
    """The description of ``corpus``; ValueError names the choices."""
    if corpus not in LAYOUTS:
        raise ValueError(f"unknown corpus {corpus!r}: choose one of {', '.join(LAYOUTS)}")
    return LAYOUTS[corpus]


def path_of(root: str | Path, corpus: str) -> Path:
    """The folder of ``corpus`` below ``root``."""
    return Path(root) / layout(corpus).folder


def sentences_path(root: str | Path, corpus: str, split: str) -> Path:
    """The sentence list of a split."""
    return path_of(root, corpus) / layout(corpus).sentences.format(split=_on_disk(corpus, split))


def pose_places(root: str | Path, corpus: str, split: str, name: str) -> list[Path]:
    """Where a clip's poses may be, without suffix; new files go to the first."""
    disk_split = _on_disk(corpus, split)
    folder = path_of(root, corpus)
    return [folder / p.format(split=disk_split, name=name) for p in layout(corpus).poses]


def _on_disk(corpus: str, split: str) -> str:
    try:
        return layout(corpus).disk_splits[split]
    except KeyError:
        raise ValueError(f"unknown split {split!r}: choose one of {', '.join(SPLITS)}") from None
