"""A report's ``README.md``: what a code host shows of its folder; all of it is in ``report.html``."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from madis_lib import paper
from madis_lib.experiments.suite import Suite
from madis_lib.files import atomic_write
from madis_lib.reporting import figures, scoreboard
from madis_lib.reporting.figures.headline import headline_sentence


def write(suite: Suite, folder: Path, record: dict[str, Any]) -> None:
    """Write it beside the tables, figures and claims that are there.

    Args:
        folder: of the report, whose page is written.
        record: provenance, as ``provenance.json`` holds it.
    """
    data = "SignWorld, which is synthetic" if suite.data is None else record["data"]
    sentence = html.unescape(re.sub(r"<[^>]+>", "", headline_sentence(suite)))
    parts = [
        f"# What came out: preset `{suite.preset.name}`",
        (
            f"Everything is on {data}. {sentence} Drawn at commit `{record['commit']}`. "
            "[`report.html`](report.html), one page that works without a network, has it all, with "
            "players of the signing; download it to open it."
        ),
        *_claims(folder),
        "## Tables",
        "\n".join(
            f"- [{path.stem}](tables/{path.name})" for path in sorted(folder.glob("tables/*.md"))
        ),
        "## Figures",
        *(
            f"**{entry.title}.** {entry.notice}\n\n![{entry.title}](figures/{entry.name}.png)"
            for entry in figures.ALL
            if (folder / "figures" / f"{entry.name}.png").is_file()
        ),
    ]
    with atomic_write(folder / "README.md") as temporary:
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _claims(folder: Path) -> list[str]:
    """Counts of verdicts, then every claim that was tested here, folded by table and figure."""
    path = folder / "claims.json"
    if not path.is_file():  # a release's protocol judges none
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    counts = {verdict: n for verdict, n in found["counts"].items() if n}
    marks = {verdict: look[0] for verdict, look in scoreboard.LOOKS.items()}
    parts = [
        "## The paper's claims",
        "\n".join(
            ["| verdict | claims |", "|---|---|"]
            + [f"| {marks[verdict]} {verdict} | {n} |" for verdict, n in counts.items()]
        ),
        f"{scoreboard.HOW} {found['limits']}",
    ]
    if (folder / "readings.md").is_file():
        parts.append(
            "A verdict is no more than its rule: some of what is reproduced is easily so. What we think "
            "of them, claim by claim, and what was tried: [`readings.md`](readings.md)."
        )
    elsewhere = ("needs real data", "needs people", "not measured yet")
    order = [scoreboard.artefact_of(claim) for claim in paper.CLAIMS]  # claims.json sorts by id
    for artefact in dict.fromkeys(order):
        tested = [
            c
            for c in found["claims"]
            if c["artefact"] == artefact and c["verdict"] not in elsewhere
        ]
        if not tested:
            continue
        rows = ["| | claim | ours | why |", "|---|---|---|---|"]
        rows += [
            f"| {marks[c['verdict']]} | {_cell(c['statement'])} | {_cell(c['ours'])} | "
            f"{_cell(c['reason'])} |"
            for c in tested
        ]
        name = html.escape(scoreboard.title(artefact))
        parts.append(f"<details><summary>{name}</summary>\n\n" + "\n".join(rows) + "\n\n</details>")
    return parts


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ") or "–"
