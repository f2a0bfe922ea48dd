"""A human study (MaDiS §4.1, Fig. 7a): who sees what in which order, and what the ratings say.

A *clip* is one sentence signed by one system.  Raters judge clips one at a time, from 1 to 10,
without knowing the systems; the :class:`Key` says afterwards what was what.  The pages themselves
are made by :mod:`madis_lib.reporting.study_kit`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from madis_lib.files import atomic_write
from madis_lib.metrics import Interval, krippendorff_alpha, spearman

LOWEST, HIGHEST = 1, 10  # the paper's scale
KEY, RATINGS, VERSION = "madis-study-key", "madis-study-ratings", 1

Clip = tuple[str, str]  # sentence, system


# --- the design --------------------------------------------------------------------------------


def williams(n: int) -> np.ndarray:
    """Orders ``[rows, n]`` of 0 ... n-1: Williams' square, n rows for even n, else 2n.

    Every value stands in every column equally often, and follows every other value equally often.
    """
    if n < 1:
        raise ValueError(f"{n} systems: give at least one")
    zigzag = [(k + 1) // 2 if k % 2 else -(k // 2) for k in range(n)]
    rows = [[(row + step) % n for step in zigzag] for row in range(n)]
    return np.array(
        rows if n % 2 == 0 else rows + [[(r - s) % n for s in zigzag] for r in range(n)]
    )


def orders(
    sentences: Sequence[str],
    systems: Sequence[str],
    raters: int,
    seed: int = 0,
    views: int | None = None,
) -> list[list[Clip]]:
    """The clips of every rater, in the order in which they are shown.

    A session has ``views`` blocks (by default one per system), each with every sentence once, so
    that two clips of a sentence lie apart.  Over the blocks a sentence meets its systems in a row
    of Williams' square; rater r takes row i + r for sentence i.  So over any `rows` successive
    raters each system is seen equally often in each block of each sentence, and within a block
    the systems differ in number by at most two.  Inside a block the order is random.

    Raises:
        ValueError: fewer than two sentences, no system or rater, or ``views`` out of range.
    """
    views = len(systems) if views is None else views
    if len(sentences) < 2:
        raise ValueError(f"{len(sentences)} sentences to rate: give at least two")
    if raters < 1:
        raise ValueError(f"{raters} raters: give at least one")
    square = williams(len(systems))
    if not 1 <= views <= len(systems):
        raise ValueError(f"views is {views}: a sentence has 1 to {len(systems)} clips to see")
    rng = np.random.default_rng(seed)
    rows, names = rng.permutation(len(sentences)), rng.permutation(len(systems))
    made = []
    for rater in range(raters):
        shown: list[Clip] = []
        for block in range(views):
            shuffled = rng.permutation(len(sentences))
            if shown and sentences[shuffled[0]] == shown[-1][0]:  # never twice in a row
                shuffled = np.roll(shuffled, 1)
            for i in shuffled:
                system = names[square[(rows[i] + rater) % len(square), block]]
                shown.append((sentences[i], systems[system]))
        made.append(shown)
    return made


@dataclass(frozen=True)
class Key:
    """What the analyst knows and a rater does not; ``key.json``."""

    study: str  # id, in every page and every file of ratings
    question: str
    seed: int
    systems: tuple[str, ...]
    sentences: Mapping[str, str]  # text by name, the practice sentence left out
    practice: Clip
    orders: Mapping[str, tuple[Clip, ...]]  # by rater

    def save(self, path: Path) -> None:
        about = {
            "schema": KEY, "version": VERSION, "study": self.study, "question": self.question,
            "seed": self.seed, "systems": self.systems, "sentences": dict(self.sentences),
            "practice": self.practice, "orders": dict(self.orders),
        }  # fmt: skip
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Key:
        """ValueError names file and field, FileNotFoundError the file."""
        found = _read(path, KEY)
        try:
            orders = {r: tuple((s, t) for s, t in shown) for r, shown in found["orders"].items()}
            sentence, system = found["practice"]
            return cls(
                str(found["study"]), found["question"], found["seed"], tuple(found["systems"]),
                dict(found["sentences"]), (sentence, system), orders,
            )  # fmt: skip
        except KeyError as error:
            raise ValueError(f"{path}: field {error} is missing; take the key as it was") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{path}: not as it was written ({error}); restore the key") from None


def _read(path: Path, schema: str) -> dict[str, Any]:
    """A JSON object of one of the two schemas; ValueError names file and field."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or hostile
        raise ValueError(f"{path}: not JSON ({error}); export it again") from None
    if not isinstance(found, dict) or found.get("schema") != schema:
        raise ValueError(f"{path}: field 'schema' is not {schema!r}; is this the right file?")
    if found.get("version") != VERSION:
        raise ValueError(
            f"{path}: field 'version' is {found.get('version')!r}, this program reads {VERSION}"
        )
    return found


# --- what came back ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Ratings:
    """Ratings of 1 to 10, ``table [raters, sentences, systems]``; NaN where there is none."""

    raters: tuple[str, ...]
    sentences: tuple[str, ...]
    systems: tuple[str, ...]
    table: np.ndarray
    seconds: np.ndarray  # [raters, sentences, systems], from the first frame to the answer
    place: np.ndarray  # [raters, sentences, systems], 1 is the first clip that the rater saw
    unfinished: Mapping[str, str]  # what is missing, for each rater who is not done

    def save_csv(self, path: Path) -> None:
        """One line per rating, for any statistics program."""
        with (
            atomic_write(path) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as f,
        ):
            lines = csv.writer(f)
            lines.writerow(("rater", "sentence", "system", "place", "rating", "seconds"))
            for r, i, s in np.argwhere(~np.isnan(self.table)):
                names = self.raters[r], self.sentences[i], self.systems[s]
                numbers = self.place[r, i, s], self.table[r, i, s]
                lines.writerow((*names, *map(int, numbers), round(float(self.seconds[r, i, s]), 1)))


def read_ratings(key: Key, files: Sequence[Path]) -> Ratings:
    """The exported files of all raters; nothing is dropped.

    A rater who stopped early counts with what there is and is named in ``unfinished``, as is one
    whose file is not there.

    Raises:
        ValueError: no ratings; a file of another study, schema or rater, or two of one rater; a
            trial that is unknown, rated twice or left out; a rating that is not a whole number
            from 1 to 10.  The message names file and field.
    """
    raters, sentences = tuple(key.orders), tuple(key.sentences)
    shape = len(raters), len(sentences), len(key.systems)
    table, seconds, place = (np.full(shape, np.nan) for _ in range(3))
    came: dict[str, Path] = {}
    unfinished = {}
    for path in files:
        found = _read(path, RATINGS)
        if found.get("study") != key.study:
            raise ValueError(f"{path}: field 'study' is {found.get('study')!r}, not {key.study!r}")
        rater = found.get("rater")
        if not isinstance(rater, str) or rater not in key.orders:
            raise ValueError(f"{path}: field 'rater' is {rater!r}, whom the key does not know")
        if rater in came:
            raise ValueError(f"{path}: field 'rater' is {rater!r}, as in {came[rater]}; keep one")
        came[rater] = path
        shown = key.orders[rater]
        answers = _answers(path, found, len(shown))
        for trial, rating, took in answers:
            sentence, system = shown[trial - 1]
            at = raters.index(rater), sentences.index(sentence), key.systems.index(system)
            table[at], seconds[at], place[at] = rating, took, trial
        if len(answers) < len(shown):
            unfinished[rater] = f"{len(answers)} of {len(shown)} clips rated"
    unfinished |= {rater: "no file" for rater in raters if rater not in came}
    if np.isnan(table).all():
        raise ValueError("no ratings: put the files that raters send back into the folder ratings")
    return Ratings(raters, sentences, key.systems, table, seconds, place, unfinished)


def _answers(path: Path, found: dict[str, Any], count: int) -> list[tuple[int, int, float]]:
    """Trial, rating and seconds, checked: trials 1 to some k, each once."""
    listed = found.get("ratings")
    if not isinstance(listed, list):
        raise ValueError(f"{path}: field 'ratings' is not a list; export it again")  # noqa: TRY004
    seen: dict[int, tuple[int, int, float]] = {}
    for i, entry in enumerate(listed):
        where = f"{path}: field 'ratings[{i}]"
        entry = entry if isinstance(entry, dict) else {}
        trial, rating, took = (entry.get(name) for name in ("trial", "rating", "seconds"))
        if type(trial) is not int or not 1 <= trial <= count:
            raise ValueError(f"{where}.trial' is {trial!r}, not one of 1 to {count}")
        if trial in seen:
            raise ValueError(f"{where}.trial' is {trial}, which is rated already; keep one")
        if type(rating) is not int or not LOWEST <= rating <= HIGHEST:
            raise ValueError(f"{where}.rating' is {rating!r}, not one of {LOWEST} to {HIGHEST}")
        if isinstance(took, bool) or not isinstance(took, int | float) or not 0 <= took < np.inf:
            raise ValueError(f"{where}.seconds' is {took!r}, not a time")
        seen[trial] = trial, rating, float(took)
    left_out = sorted(set(range(1, max(seen, default=0) + 1)) - set(seen))
    if left_out:
        raise ValueError(f"{path}: field 'ratings' has no trial {left_out[0]}, but later ones")
    return list(seen.values())


def read_scores(path: Path, ratings: Ratings) -> dict[str, np.ndarray]:
    """Metrics from a tab-separated file with columns name, system and one per metric.

    Returns:
        ``[sentences, systems]`` by metric; NaN where a cell is empty, as the truth's own score may
        be.  Lines about sentences that were not rated are not needed and not read.

    Raises:
        ValueError: a missing column, an unknown system, a clip twice or not at all, or a cell that
            is not a number; names file, line and column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8; save the file as UTF-8") from None
    lines = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t")
    columns = list(lines.fieldnames or ())
    for needed in ("name", "system"):
        if needed not in columns:
            raise ValueError(f"{path}, line 1: no column {needed!r}; name it in the first line")
    metrics = [c for c in columns if c not in ("name", "system")]
    if not metrics:
        raise ValueError(f"{path}, line 1: no metric; give it a column of its own")
    shape = len(ratings.sentences), len(ratings.systems)
    scores = {metric: np.full(shape, np.nan) for metric in metrics}
    seen = set()
    for row in lines:
        where = f"{path}, line {lines.line_num}"
        name, system = row["name"], row["system"]
        if system not in ratings.systems:
            raise ValueError(f"{where}, column 'system': {system!r} is not in the study")
        if name not in ratings.sentences:
            continue
        if (name, system) in seen:
            raise ValueError(f"{where}: {name!r} by {system!r} stands there twice; keep one")
        seen.add((name, system))
        at = ratings.sentences.index(name), ratings.systems.index(system)
        for metric in metrics:
            scores[metric][at] = _number(row[metric], f"{where}, column {metric!r}")
    absent = [(n, s) for n in ratings.sentences for s in ratings.systems if (n, s) not in seen]
    if absent:
        raise ValueError(f"{path}: no line for {absent[0][0]!r} by {absent[0][1]!r}")
    return scores


def _number(cell: str | None, where: str) -> float:
    if not (cell or "").strip():
        return np.nan
    try:
        number = float(str(cell))
    except ValueError:
        number = np.inf
    if not np.isfinite(number):
        raise ValueError(f"{where}: {cell!r} is not a number; leave it empty if there is none")
    return number


# --- what they say -----------------------------------------------------------------------------


def resampled(
    statistic: Any, table: np.ndarray, seed: int = 0, level: float = 0.95, resamples: int = 1000
) -> Interval:
    """A number of ``[raters, sentences, ...]`` and its percentile bootstrap interval.

    ``statistic`` takes rater and sentence indices.  A draw picks raters and, apart from them,
    sentences, both with replacement: the interval speaks of other raters *and* other sentences
    (Owen 2007; a little too wide rather than too narrow).  Draws without a value, such as a
    correlation of equal ranks, are left out; NaN ends when fewer than half have one, and when one
    rater is all there is, who says nothing of others.
    """
    rng = np.random.default_rng(seed)
    n, m = table.shape[:2]
    draws = np.array(
        [statistic(rng.integers(n, size=n), rng.integers(m, size=m)) for _ in range(resamples)]
    )
    kept = draws[~np.isnan(draws)]
    estimate = float(statistic(np.arange(n), np.arange(m)))
    came = (~np.isnan(table)).reshape(n, -1).any(1).sum()
    if len(kept) < resamples / 2 or came < 2:
        return Interval(estimate, np.nan, np.nan)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high))


def means(ratings: Ratings, seed: int = 0) -> dict[str, Interval]:
    """Mean rating of every system with its 95 % interval over raters and sentences."""
    return {
        system: resampled(
            lambda r, i, s=s: _mean(ratings.table[np.ix_(r, i)][..., s]), ratings.table, seed
        )
        for s, system in enumerate(ratings.systems)
    }


def differences(ratings: Ratings, seed: int = 0) -> dict[tuple[str, str], Interval]:
    """Mean rating of one system minus that of another, for every pair, on the same draws."""

    def gap(r: np.ndarray, i: np.ndarray, a: int, b: int) -> float:
        drawn = ratings.table[np.ix_(r, i)]
        return _mean(drawn[..., a]) - _mean(drawn[..., b])

    return {
        (ratings.systems[a], ratings.systems[b]): resampled(
            lambda r, i, a=a, b=b: gap(r, i, a, b), ratings.table, seed
        )
        for a, b in combinations(range(len(ratings.systems)), 2)
    }


def agreement(ratings: Ratings, seed: int = 0) -> Interval:
    """Krippendorff's alpha over clips, its interval over sentences (the raters stay)."""

    def alpha(_: np.ndarray, i: np.ndarray) -> float:
        try:
            return krippendorff_alpha(ratings.table[:, i].reshape(len(ratings.raters), -1))
        except ValueError:  # nothing to compare in this draw
            return np.nan

    return resampled(alpha, ratings.table, seed)


def correlations(
    ratings: Ratings, scores: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, Interval]:
    """Spearman correlation of every metric with the mean rating of a clip (Fig. 7b), signed.

    The paper prints absolute values: an error metric should come out negative here.  Clips of one
    sentence belong together, so the interval is over raters and sentences, not over clips.
    """

    def rho(r: np.ndarray, i: np.ndarray, score: np.ndarray) -> float:
        drawn = ratings.table[np.ix_(r, i)]
        count = (~np.isnan(drawn)).sum(0)
        judged, scored = np.nansum(drawn, 0) / np.maximum(count, 1), score[i]
        both = (count > 0) & ~np.isnan(scored)
        try:
            return spearman(judged[both], scored[both]).estimate
        except ValueError:  # too few clips, or all ranks equal
            return np.nan

    return {
        metric: resampled(lambda r, i, s=score: rho(r, i, s), ratings.table, seed)
        for metric, score in scores.items()
    }


def _mean(values: np.ndarray) -> float:
    return np.nan if np.isnan(values).all() else float(np.nanmean(values))


def summary(ratings: Ratings, scores: Mapping[str, np.ndarray] | None = None) -> str:
    """All of it as text."""
    rated = int((~np.isnan(ratings.table)).sum())
    here = len([r for r in ratings.raters if ratings.unfinished.get(r) != "no file"])
    lines = [
        f"{rated} ratings, {here} raters, {len(ratings.sentences)} sentences, "
        + f"{len(ratings.systems)} systems; median {np.nanmedian(ratings.seconds):.0f} s a rating"
    ]
    lines += [f"unfinished: {rater}, {what}" for rater, what in ratings.unfinished.items()]
    lines += ["", "mean rating (1-10), 95 % interval over raters and sentences"]
    lines += [f"  {name:24} {_shown(interval)}" for name, interval in means(ratings).items()]
    lines += ["", "differences"]
    lines += [f"  {f'{a} - {b}':24} {_shown(d)}" for (a, b), d in differences(ratings).items()]
    lines += ["", f"{'agreement (Krippendorff)':26} {_agreement(ratings)}"]
    if scores:
        lines += ["", "Spearman correlation with the mean rating of a clip"]
        found = correlations(ratings, scores)
        flat = "too few clips, or all equal"
        lines += [f"  {name:24} {_shown(interval, flat)}" for name, interval in found.items()]
    return "\n".join(lines)


def _agreement(ratings: Ratings) -> str:
    try:
        krippendorff_alpha(ratings.table.reshape(len(ratings.raters), -1))
    except ValueError as error:  # no clip was rated twice, or all ratings are equal
        return f"   –  ({error})"
    return _shown(agreement(ratings))


def _shown(interval: Interval, without: str = "not enough ratings") -> str:
    if np.isnan(interval.estimate):
        return f"   –  ({without})"
    if np.isnan(interval.low):
        return f"{interval.estimate:6.2f} (not enough ratings for an interval)"
    return f"{interval.estimate:6.2f} [{interval.low:.2f}, {interval.high:.2f}]"
