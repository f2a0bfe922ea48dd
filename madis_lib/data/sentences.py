"""The sentence lists of the three corpora: which clips there are and what they say."""

from __future__ import annotations

import csv
import gzip
import math
import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from madis_lib.data import safe_pickle
from madis_lib.data.errors import DataError, MissingDataError
from madis_lib.files import atomic_write

MAX_NAME = 200  # bytes of a file name; the usual limit of 255 with room for suffixes
CSV_FIELDS = ("SENTENCE_NAME", "SENTENCE", "fps", "START_REALIGNED", "END_REALIGNED")

Row = dict[str, Any]


@dataclass(frozen=True)
class Annotation:
    """One clip: its name (may hold folders), its sentence and, for How2Sign, rate and seconds."""

    name: str
    text: str
    fps: float | None = None
    seconds: float = 0.0


def read(path: Path, problems: list[DataError] | None = None) -> list[Annotation]:
    """All clips of a list file, in its order: ``.csv`` (How2Sign), else a pickle (the other two).

    DataError on a missing field, an empty sentence, a name used twice or one that leaves its
    folder; with a list ``problems`` such entries are left out and their errors added to it.
    MissingDataError when there is no file.
    """
    if not path.is_file():
        raise MissingDataError(path, "sentence list", "is missing", "put the file there")
    parse, rows = (_parse_csv, _csv_rows) if path.suffix == ".csv" else (_parse, _pickle_rows)
    annotations: dict[str, Annotation] = {}
    for where, row in rows(path):
        try:
            entry = parse(path, where, row)
            if entry.name in annotations:
                raise DataError(path, entry.name, "is listed twice", "remove one of the two")
            annotations[entry.name] = entry
        except DataError as error:
            if problems is None:
                raise
            problems.append(error)
    return list(annotations.values())


def write(path: Path, annotations: Iterable[Annotation]) -> None:
    """Write a list that :func:`read` reads back, at once or not at all."""
    with atomic_write(path) as temporary:
        if path.suffix == ".csv":
            with temporary.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(CSV_FIELDS)
                for a in annotations:
                    writer.writerow([a.name, a.text, a.fps, 0.0, a.seconds])
        else:
            rows = [{"name": a.name, "text": a.text} for a in annotations]
            temporary.write_bytes(gzip.compress(pickle.dumps(rows, protocol=4), mtime=0))


def check_name(path: Path, name: str) -> None:
    """DataError unless ``name`` is a relative path that stays below its folder."""
    parts = PurePosixPath(name).parts
    plain = (
        bool(parts) and "/".join(parts) == name and name.isprintable()
    )  # also: one spelling for one file
    if not plain or name.startswith("/") or ".." in parts or "\\" in name:
        raise DataError(path, "name", f"{name!r} is no file name", "use a plain relative name")
    if max(len(part.encode("utf-8", "replace")) for part in parts) > MAX_NAME:
        problem = f"{name[:40]!r}... is longer than {MAX_NAME} bytes"
        raise DataError(path, "name", problem, "use a shorter name")


def _pickle_rows(path: Path) -> Iterator[tuple[str, Row]]:
    rows = safe_pickle.load(path)
    if not isinstance(rows, list):
        raise DataError(path, "sentence list", "is no list", "save a list of dicts")
    for i, row in enumerate(rows):
        yield f"entry {i}", row if isinstance(row, dict) else {}


def _csv_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Rows of a comma- or tab-separated table, whichever its first line is."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            tab = "\t" in file.readline()
            file.seek(0)
            # strict: else a stray quote makes the clips behind it part of one sentence
            rows = csv.DictReader(file, delimiter="\t" if tab else ",", strict=True)
            for field in CSV_FIELDS:
                if field not in (rows.fieldnames or ()):
                    raise DataError(path, field, "column is missing", "add the column")
            for row in rows:
                yield f"line {rows.line_num}", row
    except UnicodeDecodeError as error:
        raise DataError(path, "table", f"not readable ({error})", "save it as UTF-8") from error
    except csv.Error as error:
        fix = "put a sentence with quotes into quotes, and double those inside"
        where = f"table, line {rows.reader.line_num}"
        raise DataError(path, where, f"not readable ({error})", fix) from error


def _parse(
    path: Path, where: str, row: Row, fields: Sequence[str] = ("name", "text")
) -> Annotation:
    for field in fields:
        if not isinstance(row.get(field), str):
            raise DataError(path, f"{where}, {field}", "is missing or no text", "add it")
    name, text = (str(row[field]) for field in fields)
    check_name(path, name)
    if not text.strip():
        raise DataError(path, f"{name}, {fields[1]}", "is empty", "fill it in or remove the entry")
    return Annotation(name, text)


def _parse_csv(path: Path, where: str, row: Row) -> Annotation:
    entry = _parse(path, where, row, CSV_FIELDS[:2])
    fps, start, end = (_number(path, entry.name, row, field) for field in CSV_FIELDS[2:])
    if not (math.isfinite(fps) and fps > 0):
        raise DataError(path, f"{entry.name}, fps", f"is {row['fps']!r}", "give the frame rate")
    if end < start:
        fix = "give the clip its times, or remove the entry"
        raise DataError(path, f"{entry.name}, END_REALIGNED", f"{end} is before {start}", fix)
    return Annotation(entry.name, entry.text, fps, end - start)


def _number(path: Path, name: str, row: Row, field: str) -> float:
    """A number; empty is nan, as in the tools this file usually comes from."""
    try:
        return float(row[field] or "nan")
    except ValueError:
        raise DataError(path, f"{name}, {field}", f"is {row[field]!r}", "give a number") from None
