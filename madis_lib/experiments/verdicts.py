"""Verdicts on the paper's claims: each rule as inequalities, each inequality as a test.

**Inequalities.**  In a column, with x_r the score of row r averaged over seeds, each rule says that
some sums w · x + c are positive (s is +1 where high is good, -1 where low is)::

    Better     s (row - other) > 0                               for every rival
    Close      row - (1 - m) to > 0   and   (1 + m) to - row > 0         equivalence, margin m
    Ratio      row - low over > 0     and   high over - row > 0
    GainShare  s (end - start) > 0    and   s (end - middle) - low s (end - start) > 0
    Bound      row - low > 0          and   high - row > 0
    Matches    row - (1 - tol) v > 0  and   (1 + tol) v - row > 0        v as printed

A claim asserts all of its inequalities, in all of its columns.  Where the paper has no number for
a rival (N/A, –) it asserts nothing.

**Tests.**  An inequality has the estimate and standard error of its sum, over paired seeds and,
nested in them, sentences (:func:`madis_lib.metrics.nested_estimate`), and so two one-sided
p-values: p_for, small when the sum is positive, and p_against, small when it is negative.

- *reproduced*: all inequalities hold.  p of the claim is the largest p_for (intersection-union:
  it needs no correction for the number of inequalities).
- *not reproduced*: at least one fails.  p is the smallest p_against times their number
  (Bonferroni).
- Both are corrected by Holm over all claims of the artefact that were tested, each at 2.5 %: per
  artefact, the chance of any false verdict is at most 5 %.
- *inconclusive*: neither; among others, every claim with an interval that spans zero.

A missing effect cannot be shown for an ordering: the paper names no size below which a difference
does not count, so "no difference seen" stays inconclusive.

**What never gets a verdict of these two.**  What trainings learnt, compared or as a number, with
fewer than 5 seeds, in either direction: the luck of a training is then not known well enough.
(Of speed alone one training is enough: how fast a model is does not hang on its weights.)
Smoke-sized runs.  A claim of which some rows or columns were not measured, or with fewer seeds, may
be refuted by the others, but not reproduced.

The other verdicts: *derived*, arithmetic that comes out; *needs real data* and *needs people*,
whatever was measured on synthetic signing; *not measured yet*.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from madis_lib import metrics, paper

Verdict = Literal[
    "reproduced", "derived", "not reproduced", "inconclusive", "not measured yet",
    "needs real data", "needs people",
]  # fmt: skip
Side = Literal["as claimed", "against", "tied"]
MIN_SEEDS = 5
ALPHA = 0.025  # one-sided, each way
SPEED_UNITS = ("tokens/s", "s per 100")
SMALLEST_P = 1e-3  # to be told: of five seeds the t distribution's far tail means nothing


class Evidence(Protocol):
    """What the engine may ask of what was measured."""

    @property
    def synthetic(self) -> bool:
        """Whether the motion is synthetic."""

    @property
    def smoke(self) -> bool:
        """Whether the preset is too small for a verdict."""

    def contrast(
        self, artefact: str, weights: Mapping[str, float], column: str
    ) -> metrics.Estimate | None:
        """Sum over rows of weight times cell, paired by seed; None unless all were measured.

        ``{"a": 1}`` is a cell, ``{"a": 1, "b": -1}`` the difference a - b.
        """

    def computed(self, claim_id: str) -> float | metrics.Interval | None:
        """The number of a Computed claim, or None."""


@dataclass(frozen=True)
class Inequality:
    """weights · rows + constant > 0 in a column; ``shown`` is what a reader looks at."""

    column: str
    weights: Mapping[str, float]
    constant: float
    shown: Mapping[str, float]
    about: str


@dataclass(frozen=True)
class Comparison:
    """An inequality and its measurement; estimate and interval are of what is shown.

    ``side`` is where the estimate lies: on the paper's, against it, or on neither.
    """

    column: str
    about: str
    estimate: float
    low: float
    high: float
    side: Side
    p_for: float
    p_against: float
    seeds: int

    def __str__(self) -> str:
        return (
            f"{self.column}: {self.about} = {_number(self.estimate)} {_ends(self.low, self.high)}"
        )


@dataclass(frozen=True)
class Judgement:
    """A claim's verdict and what it rests on; p-values are corrected, None where nothing was tested.

    ``estimate``, ``low``, ``high`` are those of the comparison that decides: the least clear one,
    or, of a refuted claim, the clearest against it.
    """

    claim: paper.Claim
    verdict: Verdict
    reason: str
    printed: str
    ours: str = ""
    direction: str = ""
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: int | None = None
    p_for: float | None = None
    p_against: float | None = None
    comparisons: tuple[Comparison, ...] = ()
    missing: tuple[str, ...] = ()
    complete: bool = True  # all of it was measured, as often as a verdict needs
    quotients: str = ""  # of a ratio, told behind "ours"


def inequalities(rule: paper.Rule) -> list[Inequality]:
    """What a rule says about measured cells (module docstring); none for Computed and Judged."""
    if isinstance(rule, paper.Computed | paper.Judged):
        return []
    columns = (rule.column,) if isinstance(rule, paper.Bound) else rule.columns
    return [item for column in columns for item in _in_column(rule, column)]


def _in_column(rule: paper.Rule, column: str) -> list[Inequality]:
    artefact = paper.ARTEFACTS[rule.artefact]  # type: ignore[union-attr]
    s = -1.0 if artefact.column(column).better == "low" else 1.0
    match rule:
        case paper.Better(_, row, than):
            return [
                Inequality(column, {row: s, other: -s}, 0.0, *_difference(row, other))
                for other in than
                if _asserts(artefact, row, column) and _asserts(artefact, other, column)
            ]
        case paper.Close(_, row, to, _, m):
            shown = _difference(row, to)
            return [
                Inequality(column, {row: 1.0, to: m - 1}, 0.0, *shown),
                Inequality(column, {row: -1.0, to: 1 + m}, 0.0, *shown),
            ]
        case paper.Ratio(_, row, over, _, low, high):
            ends = ({row: 1.0, over: -low}, {row: -1.0, over: high})
            return [
                Inequality(column, weights, 0.0, *_difference(row, over))
                for weights in ends
                if math.isfinite(weights[over])
            ]
        case paper.GainShare(_, start, middle, end, _, low):
            share = {end: s * (1 - low), start: s * low, middle: -s}
            return [
                Inequality(column, {end: s, start: -s}, 0.0, *_difference(end, start)),
                Inequality(column, share, 0.0, *_difference(end, middle)),
            ]
        case paper.Bound(_, row, _, low, high):
            return _within(column, row, low, high)
        case paper.Matches(_, row, _, tolerance):
            v = artefact.value(row, column)
            if v is None:
                return []
            return _within(column, row, (1 - tolerance) * v, (1 + tolerance) * v)
    return []


def _within(column: str, row: str, low: float, high: float) -> list[Inequality]:
    """low < row < high; an infinite end asserts nothing."""
    ends = (({row: 1.0}, -low), ({row: -1.0}, high))
    return [Inequality(column, w, c, {row: 1.0}, row) for w, c in ends if math.isfinite(c)]


def _difference(row: str, other: str) -> tuple[dict[str, float], str]:
    return {row: 1.0, other: -1.0}, f"{row} - {other}"


def judge(claims: Iterable[paper.Claim], evidence: Evidence) -> list[Judgement]:
    """A judgement for every claim, in their order; Holm's correction is over those given."""
    judged = [_settled(claim, evidence) or _tested(claim, evidence) for claim in claims]
    families: dict[str, list[tuple[int, float, float]]] = {}
    for i, found in enumerate(judged):
        if found.p_for is not None and found.p_against is not None:
            artefact = found.claim.rule.artefact  # type: ignore[union-attr]
            families.setdefault(artefact, []).append((i, found.p_for, found.p_against))
    for family in families.values():
        tested, p_for, p_against = zip(*family, strict=True)
        for i, p, q in zip(tested, metrics.holm(p_for), metrics.holm(p_against), strict=True):
            judged[i] = _decided(replace(judged[i], p_for=float(p), p_against=float(q)))
    return judged


def _settled(claim: paper.Claim, evidence: Evidence) -> Judgement | None:
    """The judgement of a claim that no test decides."""
    rule, told = claim.rule, printed(claim.rule)
    if claim.needs == "people":
        return Judgement(claim, "needs people", "Only people can tell; ask signers.", told)
    if claim.needs == "real data" and evidence.synthetic:
        reason = "A statement about real corpora; what was measured here is synthetic."
        return Judgement(claim, "needs real data", reason, told)
    if isinstance(rule, paper.Judged):
        return Judgement(claim, "needs people", f"Someone has to look: {rule.question}", told)
    if isinstance(rule, paper.Computed):
        return _computed(claim, rule, evidence.computed(claim.id))
    return None


def _computed(
    claim: paper.Claim, rule: paper.Computed, value: float | metrics.Interval | None
) -> Judgement:
    told = printed(rule)
    if value is None:
        return Judgement(claim, "not measured yet", "This number was not computed.", told)
    estimate, low, high = value if isinstance(value, tuple) else (value,) * 3
    number = _number(estimate) if low == high else f"{_number(estimate)} {_ends(low, high)}"
    ours = f"{rule.what}: {number}"
    common = Judgement(claim, "inconclusive", "", told, ours, "", estimate, low, high)
    if rule.low <= low and high <= rule.high:
        verdict: Verdict = "derived" if claim.kind == "derivation" else "reproduced"
        return replace(common, verdict=verdict, reason=f"Computed here: {number}, as claimed.")
    if high < rule.low or low > rule.high:
        reason = f"Computed here: {number}, not as claimed."
        return replace(common, verdict="not reproduced", reason=reason)
    return replace(common, reason=f"Computed here: {number}, whose ends fall on both sides.")


def _tested(claim: paper.Claim, evidence: Evidence) -> Judgement:
    """The judgement before Holm's correction; p-values only where a verdict may come of them."""
    rule, told = claim.rule, printed(claim.rule)
    assert not isinstance(rule, paper.Computed | paper.Judged)
    compared, missing = [], []
    for item in inequalities(rule):
        sum_ = evidence.contrast(rule.artefact, item.weights, item.column)
        shown = evidence.contrast(rule.artefact, item.shown, item.column)
        if sum_ is None or shown is None:
            missing.append(f"{item.about} in {item.column}")
            continue
        zero = -item.constant
        side: Side = (
            "tied" if sum_.mean == zero else "as claimed" if sum_.mean > zero else "against"
        )
        compared.append(
            Comparison(
                item.column, item.about, *shown.interval(), side,
                sum_.p_not_above(zero), sum_.p_not_below(zero), len(sum_.by_seed),
            )
        )  # fmt: skip
    if not compared:
        reason = "Nothing was measured for it yet."
        return Judgement(claim, "not measured yet", reason, told, missing=tuple(missing))
    missing = list(dict.fromkeys(missing))
    enough = [c for c in compared if c.seeds >= MIN_SEEDS or _of_speed(rule)]
    incomplete = bool(missing) or len(enough) < len(compared)
    for_, against = _p_values(enough or compared, incomplete)
    seeds = min(c.seeds for c in enough or compared)
    found = Judgement(
        claim, "inconclusive", "", told, direction=_direction(compared, len(enough)), seeds=seeds,
        comparisons=tuple(compared), missing=tuple(missing), complete=not incomplete,
    )  # fmt: skip
    if isinstance(rule, paper.Ratio):
        found = replace(found, quotients=_quotients(rule, evidence))
    found = _shown(found, max(enough or compared, key=lambda c: c.p_for))
    if evidence.smoke:
        return replace(found, reason=f"Smoke size, no verdict; {found.direction}.")
    if not enough:
        few = f"{seeds} seed{'s' if seeds > 1 else ''}, a verdict needs {MIN_SEEDS}"
        return replace(found, reason=f"{few}; {found.direction}.")
    return replace(found, p_for=for_, p_against=against)


def _quotients(rule: paper.Ratio, evidence: Evidence) -> str:
    """What a reader holds against the claim; the test is of sums (module docstring)."""
    told = []
    for column in rule.columns:
        cells = [evidence.contrast(rule.artefact, {r: 1.0}, column) for r in (rule.row, rule.over)]
        if all(cells):
            of, over = (cell.mean for cell in cells if cell is not None)
            told.append(f"{of / over:.3g}")
    asserted = _range(rule.low, rule.high)
    return f"; {rule.row} / {rule.over} = {', '.join(told)} (claimed: {asserted})"


def _of_speed(rule: paper.Rule) -> bool:
    artefact = paper.ARTEFACTS[rule.artefact]  # type: ignore[union-attr]
    columns = (rule.column,) if isinstance(rule, paper.Bound) else rule.columns  # type: ignore[union-attr]
    return all(artefact.column(column).unit in SPEED_UNITS for column in columns)


def _p_values(compared: Sequence[Comparison], incomplete: bool) -> tuple[float, float]:
    """p of "some inequality fails" (intersection-union) and of "all hold" (Bonferroni)."""
    for_ = 1.0 if incomplete else max(c.p_for for c in compared)
    return for_, min(1.0, len(compared) * min(c.p_against for c in compared))


def _decided(found: Judgement) -> Judgement:
    """The verdict that the corrected p-values give."""
    assert found.p_for is not None and found.p_against is not None
    rows = dict.fromkeys(about.partition(" in ")[0] for about in found.missing)  # each once
    lacking = f"; not measured: {_listed(list(rows))}" if rows else ""
    if found.p_for <= ALPHA:
        n = len(found.comparisons)
        held = f"All {n} comparisons hold" if n > 1 else "It holds"
        reason = f"{held}, {_p(found.p_for)} after Holm."
        return replace(found, verdict="reproduced", reason=reason)
    decide = [c for c in found.comparisons if found.seeds is None or c.seeds >= found.seeds]
    worst = min(decide, key=lambda c: c.p_against)
    if found.p_against <= ALPHA:
        reason = (
            f"Fails for {worst.about} in {worst.column}, {_p(found.p_against)} after Holm; "
            f"{found.direction}{lacking}."
        )
        return replace(_shown(found, worst), verdict="not reproduced", reason=reason)
    reason = (
        f"{_capital(found.direction)}; corrected {_p(found.p_for)} for the claim, "
        f"{_p(found.p_against)} against it{lacking}."
    )
    return replace(found, reason=reason)


def _shown(found: Judgement, by: Comparison) -> Judgement:
    """The judgement with the numbers of one of its comparisons as its own."""
    return replace(
        found, ours=f"{by}{found.quotients}", estimate=by.estimate, low=by.low, high=by.high
    )


def _direction(compared: Sequence[Comparison], enough: int) -> str:
    sides = Counter(c.side for c in compared)
    told = f"{sides['as claimed']} of {len(compared)} comparisons on the paper's side"
    if ties := sides["tied"]:
        told += f", {ties} tied"
    return told + (f", {enough} with {MIN_SEEDS} seeds" if 0 < enough < len(compared) else "")


# --- what the paper prints ---------------------------------------------------------------------


def printed(rule: paper.Rule) -> str:
    """The paper's own numbers for a rule, as printed, and where they contradict it."""
    if isinstance(rule, paper.Judged):
        return ""
    if isinstance(rule, paper.Computed):
        return _range(rule.low, rule.high)
    artefact = paper.ARTEFACTS[rule.artefact]
    if isinstance(rule, paper.Bound):
        return f"{rule.column}: {artefact.printed(rule.row, rule.column)} " + (
            f"({_range(rule.low, rule.high)})"
        )
    rows = {
        paper.Better: lambda r: (r.row, *r.than), paper.Close: lambda r: (r.row, r.to),
        paper.Ratio: lambda r: (r.row, r.over), paper.Matches: lambda r: (r.row,),
        paper.GainShare: lambda r: (r.start, r.middle, r.end),
    }[type(rule)](rule)  # fmt: skip
    told = []
    for column in rule.columns:
        first, *rest = (artefact.printed(row, column) for row in rows)
        between = " → " if isinstance(rule, paper.GainShare) else ", "
        against = f" against {between.join(rest)}" if rest else ""
        if isinstance(rule, paper.GainShare):
            against = f" → {between.join(rest)}"
        told.append(f"{column}: {first}{against}")
    text = "; ".join(told)
    if isinstance(rule, paper.Ratio):
        text += f" (ratio {_range(rule.low, rule.high)})"
    if isinstance(rule, paper.Close | paper.Matches):
        share = rule.margin if isinstance(rule, paper.Close) else rule.tolerance
        text += f" (within {100 * share:g} %, our margin)"
    if isinstance(rule, paper.Better) and (broken := paper.exceptions(rule)):
        cells = ", ".join(f"{column} against {other}" for column, other in broken)
        text += f". The paper's own numbers contradict it: {cells}"
    return text


def _asserts(artefact: paper.Artefact, row: str, column: str) -> bool:
    """Whether the paper has a number there, printed or drawn."""
    return artefact.printed(row, column) not in (paper.NOT_APPLICABLE, paper.NOT_REPORTED)


def _range(low: float, high: float) -> str:
    infinite = float("inf")
    if low == high:
        return _number(low)
    if high == infinite:
        return f"at least {_number(low)}"
    if low == -infinite:
        return f"at most {_number(high)}"
    return f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    return f"{value:.4g}"


def _ends(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "(one training: no interval)"
    return f"[{_number(low)}, {_number(high)}]"


def _p(value: float) -> str:
    return f"p = {value:.2g}" if value >= SMALLEST_P else f"p < {SMALLEST_P:g}"


def _listed(items: Sequence[str], most: int = 4) -> str:
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
