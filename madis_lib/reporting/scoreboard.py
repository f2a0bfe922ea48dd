"""The scoreboard: a verdict for every claim of the paper, as a table, a file, a section, a picture."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import mistune
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from madis_lib import paper
from madis_lib.experiments.verdicts import Comparison, Judgement, Verdict
from madis_lib.files import atomic_write
from madis_lib.reporting.figures import style

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
# Mark, fill of the bar, hatch of the bar: told apart without colour.
LOOKS = {
    "reproduced": ("✓", "#0072b2", ""),
    "derived": ("=", "#56b4e9", ""),
    "not reproduced": ("✗", "#d55e00", ""),
    "inconclusive": ("?", "#e6c35c", "//"),
    "not measured yet": ("…", "#c4cad4", ""),
    "needs real data": ("◦", "#dfe4ec", ".."),
    "needs people": ("◦", "#eef1f5", "xx"),
}
MARKDOWN = mistune.create_markdown(escape=True)
OTHERS = "arithmetic and metrics"  # claims of no artefact
HOW = (
    "Reproduced: every comparison that the claim asserts holds, at 2.5 % one-sided, corrected by "
    "Holm over the claims of its table or figure. Not reproduced: at least one is significantly "
    "the other way. Both need 5 trained seeds where what trainings learnt is compared; intervals "
    "count the luck of seeds and of test sentences. Everything else is inconclusive, or needs what "
    "is not here. The paper's numbers stand as printed and are never compared with synthetic ones. "
    "“Ours” shows one comparison of the claim: of a refuted one the clearest against it, else the "
    "weakest for it; of DTW-JPE, losses and seconds less is better."
)


def limits(judgements: Sequence[Judgement]) -> str:
    """What the verdicts could not have been, whatever was measured; empty where nothing was tested."""
    tested = [j for j in judgements if j.comparisons]
    short = sum(not j.complete for j in tested)
    if not short:
        return ""
    return (
        f"{short} of the {len(tested)} claims that were tested could not have been reproduced here, "
        "whatever came out: on some corpus there is one training, or a rival is not implemented."
    )


def frame(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """One row a claim, in the order given; empty numbers are None."""
    return pd.DataFrame(
        [
            {
                "id": j.claim.id,
                "artefact": artefact_of(j.claim),
                "place": j.claim.place,
                "statement": j.claim.statement,
                "scope": j.claim.scope,
                "kind": j.claim.kind,
                "paper": j.printed,
                "ours": j.ours,
                "estimate": j.estimate,
                "low": j.low,
                "high": j.high,
                "direction": j.direction,
                "seeds": j.seeds,
                "p for": j.p_for,
                "p against": j.p_against,
                "verdict": j.verdict,
                "reason": j.reason,
            }
            for j in judgements
        ]
    ).astype({"seeds": "Int64"})


def artefact_of(claim: paper.Claim) -> str:
    """The table or figure a claim belongs to, by the first part of its id; else OTHERS."""
    key = claim.id.split(".")[0]
    return key if key in paper.ARTEFACTS or key in ("fig5", "fig10") else OTHERS


def counts(judgements: Sequence[Judgement]) -> dict[str, int]:
    """How many claims have each verdict, in the order of VERDICTS, zeros too."""
    found = [j.verdict for j in judgements]
    return {verdict: found.count(verdict) for verdict in VERDICTS}


def read_readings(folder: Path, claims: Sequence[paper.Claim] = paper.CLAIMS) -> dict[str, str]:
    """What people wrote of a report's verdicts, by claim: from ``readings.md`` in its folder.

    A heading ``## id, id`` names claims; the paragraphs below are about them.  No file: nothing.

    Raises:
        ValueError: a heading names no claim, or a claim a second time, or nothing stands below it.
    """
    path = folder / "readings.md"
    if not path.is_file():
        return {}
    known, found = {claim.id for claim in claims}, dict[str, str]()
    _, *sections = re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for section in sections:
        heading, _, text = section.partition("\n")
        for name in (n.strip() for n in heading.split(",")):
            if name not in known:
                raise ValueError(
                    f"{path}: heading {name!r} is no claim; claims.json lists their ids"
                )
            if name in found or not text.strip():
                raise ValueError(f"{path}: write one text below {name!r}")
            found[name] = text.strip()
    return found


def write(
    judgements: Sequence[Judgement],
    folder: Path,
    record: dict[str, Any],
    readings: Mapping[str, str] | None = None,
) -> None:
    """``claims.json``: provenance, counts, and every claim with all its comparisons.

    Claims are sorted by id, so that a changed verdict is a short difference; numbers that are not
    finite are null.
    """
    rows = frame(judgements).astype(object)
    rows = rows.where(rows.notna(), None)
    claims = [
        row
        | {"comparisons": [_plain(c) for c in j.comparisons], "missing": list(j.missing)}
        | {"reading": (readings or {}).get(j.claim.id)}
        for row, j in zip(rows.to_dict("records"), judgements, strict=True)
    ]
    content = {
        "provenance": record,
        "counts": counts(judgements),
        "limits": limits(judgements),
        "claims": sorted(
            ({k: _finite(v) for k, v in c.items()} for c in claims), key=lambda c: str(c["id"])
        ),
    }
    with atomic_write(folder / "claims.json") as temporary:
        text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def section(judgements: Sequence[Judgement], readings: Mapping[str, str] | None = None) -> str:
    """The scoreboard as HTML: counts, then a folding table for each artefact; all text escaped.

    Args:
        readings: of :func:`read_readings`; each stands below the verdict it is about.
    """
    badges = "".join(f"<li>{badge(v)} <b>{n}</b></li>" for v, n in counts(judgements).items() if n)
    parts = [
        f'<ul class="facts">{badges}</ul>',
        f'<p class="note">{html.escape(f"{HOW} {limits(judgements)}")}</p>',
    ]
    for artefact, group in groups(judgements).items():
        told = ", ".join(f"{n} {v}" for v, n in counts(group).items() if n)
        rows = "".join(_row(j, _reading(j, readings or {})) for j in group)
        parts.append(
            f"<details><summary><b>{html.escape(title(artefact))}</b>: {told}</summary>"
            '<div class="scroll"><table class="claims"><thead><tr><th scope="col">Claim</th>'
            '<th scope="col" class="text">Verdict and why</th>'
            '<th scope="col" class="text">Ours</th>'
            '<th scope="col" class="text">The paper, as printed</th>'
            f"</tr></thead><tbody>{rows}</tbody></table></div></details>"
        )
    return "\n".join(parts)


def badge(verdict: str) -> str:
    """A verdict as a badge: mark and words, coloured besides."""
    return f'<span class="badge {verdict.replace(" ", "-")}">{LOOKS[verdict][0]} {verdict}</span>'


def groups(judgements: Sequence[Judgement]) -> dict[str, list[Judgement]]:
    """Judgements by artefact, in the order in which artefacts first appear."""
    found: dict[str, list[Judgement]] = {}
    for j in judgements:
        found.setdefault(artefact_of(j.claim), []).append(j)
    return found


def title(artefact: str) -> str:
    """What a reader calls an artefact."""
    if artefact not in paper.ARTEFACTS:
        number = artefact.removeprefix("fig")
        return OTHERS.capitalize() if artefact == OTHERS else f"Fig. {number}"
    known = paper.ARTEFACTS[artefact]
    return f"{known.place.split(', ')[-1]}: {known.title}"


@style.styled
def scoreboard(judgements: Sequence[Judgement]) -> Figure:
    """A bar for each artefact, claims by verdict; the numbers stand in the bars."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    by = {artefact: counts(group) for artefact, group in groups(judgements).items()}
    figure, axes = plt.subplots(figsize=(9.5, 1.3 + 0.34 * len(by)), layout="constrained")
    left = np.zeros(len(by))
    for verdict in VERDICTS:
        widths = np.array([found[verdict] for found in by.values()])
        if not widths.any():
            continue
        mark, fill, hatch = LOOKS[verdict]
        axes.barh(
            range(len(by)), widths, left=left, height=0.72, color=fill, hatch=hatch,
            edgecolor=style.PAPER, linewidth=0.8, label=f"{verdict} ({widths.sum()})",
        )  # fmt: skip
        for row, (start, width) in enumerate(zip(left, widths, strict=True)):
            if width:
                dark = verdict in ("reproduced", "not reproduced")
                axes.text(
                    start + width / 2, row, f"{mark} {width}" if width > 1 else mark,
                    ha="center", va="center", fontsize=8.5,
                    color=style.PAPER if dark else style.INK,
                )  # fmt: skip
        left += widths
    axes.set_yticks(range(len(by)), [title(a).split(":")[0] for a in by])
    axes.invert_yaxis()
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("claims")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside upper left", ncols=4)
    return style.with_data(figure, counts=by)


def _reading(j: Judgement, readings: Mapping[str, str]) -> str:
    """What was written of a claim, or where it stands if that is of several."""
    text = readings.get(j.claim.id)
    if text is None:
        return ""
    first = next(claim for claim, other in readings.items() if other == text)
    if first != j.claim.id:
        return f'<p><a href="#claim-{html.escape(first)}">our reading</a></p>'
    return f"<details><summary>our reading</summary>{MARKDOWN(text)}</details>"


def _row(j: Judgement, reading: str) -> str:
    claim = j.claim
    seeds = f"<small>{j.seeds} seed{'s' if j.seeds != 1 else ''}</small>" if j.seeds else ""
    if len(j.comparisons) > 1:
        lines = "".join(f"<li>{html.escape(f'{c}, {c.side}')}</li>" for c in j.comparisons)
        seeds += f"<details><summary>all {len(j.comparisons)}</summary><ul>{lines}</ul></details>"
    printed = html.escape(j.printed) or "–"
    if len(j.printed) > 120:
        printed = f"<details><summary>numbers</summary>{printed}</details>"
    if isinstance(claim.rule, paper.Better) and paper.exceptions(claim.rule):
        printed += "<small>contradicted by the paper's own numbers in places</small>"
    return (
        f'<tr id="claim-{html.escape(claim.id)}"><th scope="row">{html.escape(claim.statement)}'
        f"<small>{html.escape(claim.place)} · {html.escape(claim.scope)} · "
        f"<code>{html.escape(claim.id)}</code></small></th>"
        f'<td class="text">{badge(j.verdict)}<br>{html.escape(j.reason)}{reading}</td>'
        f'<td class="text">{html.escape(j.ours) or "–"}{seeds}</td>'
        f'<td class="text">{printed}</td></tr>'
    )


def _plain(c: Comparison) -> dict[str, Any]:
    return {key: _finite(value) for key, value in vars(c).items()}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
