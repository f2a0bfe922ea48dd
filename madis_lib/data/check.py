"""What a data folder holds, what it lacks and how to mend it (``madis check-data PATH``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from madis_lib.data import layouts, stats, tokens
from madis_lib.data.errors import DataError, MissingDataError


@dataclass(frozen=True)
class Problem:
    """Something to mend in one file."""

    path: str
    field: str
    problem: str
    fix: str


@dataclass(frozen=True)
class Summary:
    """One split of one corpus."""

    corpus: str
    split: str
    lengths: tuple[int, ...]  # frames of each good clip
    skipped: dict[str, int]
    with_tokens: int

    @property
    def samples(self) -> int:
        return len(self.lengths)

    @property
    def frames(self) -> int:
        return sum(self.lengths)


@dataclass
class Report:
    """``ok`` when something was found and nothing asked for is bad or absent; prints readably."""

    root: Path
    found: list[Summary] = field(default_factory=list)
    missing: list[Problem] = field(default_factory=list)  # training goes without
    problems: dict[str, list[Problem]] = field(default_factory=dict)  # by kind, the first few
    counts: Counter[str] = field(default_factory=Counter)  # by kind, all of them
    fingerprint: str | None = None

    @property
    def ok(self) -> bool:
        return bool(self.found) and not self.counts

    def add(self, kind: str, error: DataError, limit: int) -> None:
        """Count a problem of this kind and keep it if it is among the first ``limit``."""
        self.counts[kind] += 1
        if self.counts[kind] <= limit:
            self.problems.setdefault(kind, []).append(_problem(error))

    def __str__(self) -> str:
        lines = [f"{self.root}: {'ok' if self.ok else 'needs attention'}"]
        lines += [_line(summary) for summary in self.found]
        if any(summary.with_tokens for summary in self.found):
            lines.append(f"tokens made by: {self.fingerprint or 'unknown (no fingerprint stored)'}")
        for kind, problems in self.problems.items():
            lines.append(f"{kind} ({self.counts[kind]}):")
            lines += [_item(p) for p in problems]
            if self.counts[kind] > len(problems):
                lines.append(f"  ... and {self.counts[kind] - len(problems)} more")
        if self.missing:
            lines += ["not there:", *(_item(p) for p in self.missing)]
        return "\n".join(lines)


def check(
    root: str | Path,
    corpora: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    limit: int = 5,
) -> Report:
    """Read everything below ``root`` as training would and report; bad data never raises.

    ``corpora`` names those that must be there (None: whatever is), ``splits`` those that each must
    have, with a clip at least (None: all three).  At most ``limit`` problems of a kind are listed,
    all are counted.  Having no tokens or no statistics is no problem, having some of them is.
    ValueError on an unknown corpus or split, or a limit below 1.
    """
    if limit < 1:
        raise ValueError(f"limit is {limit}: list one problem of a kind at least")
    report = Report(Path(root))
    for corpus in corpora or layouts.LAYOUTS:
        folder = layouts.path_of(root, corpus)
        lists = {s: layouts.sentences_path(root, corpus, s) for s in layouts.SPLITS}
        if not any(path.is_file() for path in lists.values()):
            absent = DataError(folder, corpus, "is not there", "put it there to use this corpus")
            if folder.is_dir():  # training would look into it
                files = ", ".join(p.relative_to(folder).as_posix() for p in lists.values())
                fix = f"put {files} there, or take the folder away"
                report.add(
                    "no sentences", DataError(folder, corpus, "has no sentence list", fix), limit
                )
            elif corpora is None:
                report.missing.append(_problem(absent))
            else:
                report.add("missing corpus", absent, limit)
            continue
        names: dict[str, str] = {}
        for split in splits or lists:
            path = layouts.sentences_path(root, corpus, split)
            if path.is_file():
                report.found.append(_check_split(report, corpus, split, names, limit))
                continue
            absent = DataError(path, f"{corpus} {split}", "no sentence list", "put the file there")
            report.add("missing sentence list", absent, limit)
    if not report.found and not report.counts:
        folders = " or ".join(f"{layout.folder}/" for layout in layouts.LAYOUTS.values())
        fix = f"give the folder that holds {folders}"
        report.add("no corpus", DataError(root, "folder", "holds no corpus", fix), limit)
    _check_shared_files(report, limit)
    return report


def _check_split(
    report: Report, corpus: str, split: str, names: dict[str, str], limit: int
) -> Summary:
    """Read one split clip by clip; ``names`` collects which split has which name."""
    before = report.counts.total()
    bad_rows: list[DataError] = []
    try:
        kept, skipped = layouts.entries(report.root, corpus, split, problems=bad_rows)
    except DataError as error:
        bad_rows.append(error)
        kept, skipped = [], Counter()
    for bad_row in bad_rows:
        report.add("sentence list", bad_row, limit)
    path = layouts.sentences_path(report.root, corpus, split)
    lengths: list[int] = []
    without_tokens: list[DataError] = []
    for entry in kept:
        if names.setdefault(entry.name, split) != split:
            problem = f"is also in {names[entry.name]}"
            twice = DataError(path, entry.name, problem, "keep it in one of the two")
            report.add("name in two splits", twice, limit)
        try:
            sample = layouts.read_sample(report.root, corpus, split, entry)
        except MissingDataError as error:
            report.add("missing poses", error, limit)
            continue
        except DataError as error:
            report.add("bad poses", error, limit)
            continue
        if sample is None:
            skipped[layouts.TOO_SHORT] += 1
            continue
        lengths.append(len(sample.features))
        try:
            layouts.read_tokens(report.root, corpus, split, entry.name, lengths[-1])
        except MissingDataError as error:
            without_tokens.append(error)
        except DataError as error:
            report.add("bad tokens", error, limit)
    if len(without_tokens) < len(lengths):  # no tokens at all is no mistake
        for absent in without_tokens:
            report.add("missing tokens", absent, limit)
    if not lengths and report.counts.total() == before:  # else what is bad is said already
        fix = "train, val and test need one at least"
        report.add("empty split", DataError(path, f"{corpus} {split}", "holds no clip", fix), limit)
    with_tokens = len(lengths) - len(without_tokens)
    return Summary(corpus, split, tuple(lengths), dict(skipped), with_tokens)


def _check_shared_files(report: Report, limit: int) -> None:
    """The note whose tokenizer made the tokens, the bad ids and the statistics."""
    try:
        report.fingerprint = tokens.read_fingerprint(report.root)
    except DataError as error:
        report.add("bad tokens", error, limit)
    bad_ids = layouts.path_of(report.root, "how2sign") / layouts.BAD_IDS
    if bad_ids.parent.is_dir() and not bad_ids.is_file():
        fix = "the release leaves out 31 clips; write names of clips to leave out there, one a line"
        report.missing.append(Problem(str(bad_ids), "bad ids", "is not there", fix))
    try:
        stats.load(layouts.path_of(report.root, "csl"))
    except MissingDataError as error:
        fix = "only the authors' checkpoints need it; training computes its own"
        report.missing.append(Problem(error.path, error.field, "is not there", fix))
    except DataError as error:
        report.add("statistics", error, limit)


def _problem(error: DataError) -> Problem:
    return Problem(error.path, error.field, error.problem, error.fix)


def _item(problem: Problem) -> str:
    return f"  {problem.path}: {problem.field}: {problem.problem}; {problem.fix}"


def _line(summary: Summary) -> str:
    line = f"{summary.corpus} {summary.split}: {summary.samples} clips, {summary.frames} frames"
    if summary.lengths:
        low, median, high = np.percentile(summary.lengths, (0, 50, 100))
        line += f" (shortest {low:.0f}, median {median:.0f}, longest {high:.0f})"
    if summary.skipped:
        reasons = ", ".join(f"{n} {reason}" for reason, n in summary.skipped.items())
        line += f"; left out: {reasons}"
    tokens_for = {summary.samples: "all", 0: "none"}.get(summary.with_tokens)
    return f"{line}; tokens: {tokens_for or f'{summary.with_tokens} clips'}"
