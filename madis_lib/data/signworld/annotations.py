"""Any list of sentences with glosses becomes a corpus: real text, rendered signing.

Two forms are read: a table (``.tsv``, ``.csv`` or ``.jsonl``) with the fields name, text, glosses,
language and, if there is one, split; and parallel files, sentences in ``FILE.de`` and glosses in
``FILE.gloss``, line by line, where FILE (train, dev or test) names the split.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from madis_lib.data.errors import DataError
from madis_lib.data.layouts import SPLITS
from madis_lib.data.sentences import check_name
from madis_lib.data.signworld.grammar import LANGUAGE, Sentence
from madis_lib.data.signworld.lexicon import Lexicon
from madis_lib.data.signworld.motion import MAX_SIGNS, stable_seed
from madis_lib.data.signworld.world import SignWorld, annotated, write_world
from madis_lib.files import check_writable

CORPUS_OF = {language: corpus for corpus, language in LANGUAGE.items()}
SPLIT_OF = {"train": "train", "dev": "val", "val": "val", "test": "test"}
HELD_OUT = 10  # without a given split, one sentence in ten is val and one in ten test
_FIELDS = ("name", "text", "glosses", "language")


@dataclass(frozen=True)
class Annotation:
    """One sentence to be signed."""

    name: str
    text: str
    glosses: tuple[str, ...]
    language: str
    split: str


def read_annotations(path: str | Path) -> list[Annotation]:
    """Annotations of a table, of one parallel pair, or of a folder of pairs.

    ``path`` is a ``.tsv``, ``.csv`` or ``.jsonl`` file, a sentence file with a ``.gloss`` file
    beside it, or a folder that holds such pairs.  ValueError names file, line and fix.
    """
    path = Path(path)
    if path.is_dir():
        pairs = sorted(p for p in path.iterdir() if p.suffix[1:] in CORPUS_OF)
        found = [a for pair in pairs for a in _parallel(pair)]
        if not found:
            raise ValueError(f"{path}: no FILE.de, FILE.en or FILE.zh here; name a file instead")
    elif not path.exists():
        raise FileNotFoundError(f"{path}: no such annotation file")
    elif path.suffix[1:] in CORPUS_OF:
        found = _parallel(path)
    else:
        found = _table(path)
    repeated = [name for name, count in Counter(a.name for a in found).items() if count > 1]
    if repeated:
        raise ValueError(f"{path}: name {repeated[0]!r} appears twice; names must be unique")
    return found


def _table(path: Path) -> list[Annotation]:
    if path.suffix not in (".tsv", ".csv", ".jsonl"):
        raise ValueError(f"{path}: unknown kind {path.suffix!r}; use .tsv, .csv or .jsonl")
    lines = io.StringIO(_text(path), newline="")
    if path.suffix == ".jsonl":
        rows = [(n, _json(path, n, line)) for n, line in enumerate(lines, 1) if line.strip()]
    else:
        if path.suffix == ".tsv":  # quotes are text there, as in most tools
            reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        else:
            reader = csv.DictReader(lines)
        absent = [name for name in _FIELDS if name not in (reader.fieldnames or ())]
        if absent:
            raise ValueError(f"{path}, line 1: no column {absent[0]!r}; name it in the first line")
        try:
            rows = [(reader.line_num, row) for row in reader]
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num}: not a table ({error})") from None
    if not rows:
        raise ValueError(f"{path}: holds no sentences")
    return [_row(path, number, row) for number, row in rows]


def _text(path: Path) -> str:
    """The file as UTF-8; ValueError names the line that is not."""
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from None


def _json(path: Path, number: int, line: str) -> dict:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:  # no JSON, or hostile
        reason = getattr(error, "msg", error)
        raise ValueError(f"{path}, line {number}: not JSON ({reason})") from error
    if not isinstance(row, dict):
        fields = ", ".join(_FIELDS)
        raise ValueError(f"{path}, line {number}: not an object with {fields}")  # noqa: TRY004
    return row


def _row(path: Path, number: int, row: dict) -> Annotation:
    where = f"{path}, line {number}"
    for name in _FIELDS:
        if not row.get(name):
            raise ValueError(f"{where}: field {name!r} is missing or empty")
        if name != "glosses" and not isinstance(row[name], str):
            raise ValueError(f"{where}: field {name!r} is no text")
    name, text = row["name"], row["text"].strip()
    try:
        check_name(path, name)
    except DataError as error:
        raise ValueError(f"{where}: name: {error.problem}; {error.fix}") from None
    if row["language"] not in CORPUS_OF:
        choices = ", ".join(CORPUS_OF)
        raise ValueError(f"{where}: language {row['language']!r} is unknown; use {choices}")
    split = row.get("split") or _draw_split(name)
    if not isinstance(split, str) or split not in SPLIT_OF:
        raise ValueError(f"{where}: split {split!r} is unknown; use train, val or test")
    words = _glosses(where, row["glosses"])
    if not 1 <= len(words) <= MAX_SIGNS:
        raise ValueError(f"{where}: {len(words)} glosses; give 1 to {MAX_SIGNS}, or split the text")
    if not text:
        raise ValueError(f"{where}: field 'text' is missing or empty")
    if not all(word.isprintable() for word in (text, *words)):
        raise ValueError(f"{where}: text or glosses hold characters that cannot be printed")
    return Annotation(name, text, words, row["language"], SPLIT_OF[split])


def _glosses(where: str, glosses: object) -> tuple[str, ...]:
    """Of a text, divided by blanks, or of a list of texts."""
    if isinstance(glosses, str):
        return tuple(glosses.split())
    if not isinstance(glosses, list):
        raise ValueError(f"{where}: field 'glosses' is no text and no list")  # noqa: TRY004
    for i, word in enumerate(glosses):
        if not isinstance(word, str) or word.split() != [word]:
            problem = f"is {json.dumps(word)}, not a text without blanks"
            raise ValueError(f"{where}: field 'glosses[{i}]' {problem}")
    return tuple(glosses)


def _draw_split(name: str) -> str:
    return {0: "val", 1: "test"}.get(stable_seed("split", name) % HELD_OUT, "train")


def _parallel(path: Path) -> list[Annotation]:
    beside = path.with_suffix(".gloss")
    if not beside.exists():
        raise FileNotFoundError(f"{beside}: no glosses beside {path.name}")
    texts, glosses = (_text(p).splitlines() for p in (path, beside))
    if len(texts) != len(glosses):
        raise ValueError(
            f"{beside}: {len(glosses)} lines, but {path.name} has {len(texts)}; one line each"
        )
    rows = []
    for i, (text, signs) in enumerate(zip(texts, glosses, strict=True)):
        row = {"text": text.strip(), "glosses": signs.strip(), "language": path.suffix[1:]}
        row["name"] = f"{path.stem}/{path.stem}_{i:05d}"
        if path.stem in SPLIT_OF:
            row["split"] = path.stem
        rows.append(_row(path if not row["text"] else beside, i + 1, row))
    return rows


def worlds(annotations: Iterable[Annotation], seed: int = 0) -> list[SignWorld]:
    """One corpus per language, ready to be rendered; every gloss gets a sign from its name.

    A text that ends in a question mark is signed as a question.
    """
    groups: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        groups[CORPUS_OF[annotation.language]].append(annotation)
    return [_world(corpus, group, seed) for corpus, group in sorted(groups.items())]


def _world(corpus: str, group: Sequence[Annotation], seed: int) -> SignWorld:
    lexicon = Lexicon.from_names(gloss for a in group for gloss in a.glosses)
    sentences: dict[str, list[tuple[str, Sentence]]] = {split: [] for split in SPLITS}
    for a in group:
        sentences[a.split].append((a.name, annotated(a.text, a.glosses)))
    return SignWorld(corpus, lexicon, sentences, seed)


def empty_splits(annotations: Iterable[Annotation]) -> dict[str, list[str]]:
    """The splits without a sentence, of every corpus that lacks some."""
    there = {(CORPUS_OF[a.language], a.split) for a in annotations}
    lacking = {c: [s for s in SPLITS if (c, s) not in there] for c, _ in sorted(there)}
    return {corpus: splits for corpus, splits in lacking.items() if splits}


def render(
    annotations: Iterable[Annotation], root: str | Path, seed: int = 0, progress: bool = True
) -> dict[str, int]:
    """Sign the annotations and write them under ``root``; how many sentences per corpus.

    ``root`` appears when all of it is written.  ValueError when it holds something already, or when
    the hidden folder beside it is there, in which another call writes or was killed.
    """
    root = Path(root).resolve()  # where a link leads, so that the link stays
    if root.exists() and not root.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root))
    if root.is_dir() and any(root.iterdir()):
        raise ValueError(f"{root}: holds files already; choose another folder, or remove it")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        reason = os.strerror(errno.ENOTDIR)
        raise NotADirectoryError(errno.ENOTDIR, reason, str(root.parent)) from None
    counts = {}
    check_writable(root / "corpus" if root.is_dir() else root)
    made = root.parent / f".{root.name}-unfinished"
    try:
        made.mkdir()
    except FileExistsError:
        about = "another madis corpus is writing there, or was killed"
        raise ValueError(f"{made}: {about}; wait for it, or remove the folder") from None
    try:
        for world in worlds(annotations, seed):
            write_world(made, world, progress)
            counts[world.corpus] = sum(map(len, world.sentences.values()))
        _move(made, root)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return counts


def _move(made: Path, root: Path) -> None:
    try:
        os.replace(made, root)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise ValueError(f"{root}: holds files by now; choose another folder") from None
