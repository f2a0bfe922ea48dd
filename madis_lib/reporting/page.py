"""The report: one HTML page that needs no network; and an ablation as a page of its own.

Here are the frame of a page, and the sections that present the project rather than tables of
results: claims, signing, method, figures, tokenizer, training, corpus, runs.  The others are in
:mod:`~madis_lib.reporting.sections`.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from madis_lib import paper, presets
from madis_lib.data import signworld
from madis_lib.experiments import provenance, verdicts
from madis_lib.experiments.evidence import Measured
from madis_lib.experiments.suite import SPLITS, Suite
from madis_lib.files import write_text
from madis_lib.render.player import player_html
from madis_lib.reporting import (
    ablation_tables,
    elements,
    equations,
    figures,
    scoreboard,
    sections,
    tables,
)
from madis_lib.reporting.figures.examples import Example, median_example
from madis_lib.reporting.figures.headline import headline_sentence

TITLE = "MaDiS Companion"
PROVENANCE = ("preset", "protocol", "data", "seed", "begun", "commit", "device")
SECTIONS = {
    "claims": "The paper's claims",
    "signing": "See it sign",
    "results": "Results",
    "comparison": "Comparison with other systems (Table 1)",
    "ablations": "Ablations (Tables 2 to 4, α)",
    "speed": "Speed and attention (Figs. 6, 7c)",
    "method": "The method in five formulas",
    "figures": "Figures",
    "siclip": "SiCLIP, the judge (Table 6)",
    "tokenizer": "The sign tokenizer",
    "training": "Training",
    "corpus": "The corpus",
    "run": "What was run",
}


def write(suite: Suite, folder: Path, record: dict[str, Any], path: Path) -> None:
    """Write the page of a preset's report.

    Args:
        folder: of the report, with ``figures/`` and, when executed, ``notebooks/``.
        record: provenance, as ``provenance.json`` holds it.
        path: where the page goes.
    """
    write_text(path, render(suite, folder, record))


def render(suite: Suite, folder: Path, record: dict[str, Any]) -> str:
    """The page as text; everything that comes from data is escaped."""
    texts = {
        "claims": _claims(suite, folder, record),
        "signing": _signing(suite, folder),
        "results": sections.results(suite),
        "comparison": sections.other_systems(suite, folder),
        "ablations": sections.ablations(suite, folder),
        "speed": sections.speed(suite, folder),
        "method": _method(),
        "figures": _figures(folder),
        "siclip": sections.siclip(suite),
        "tokenizer": _tokenizer(suite),
        "training": elements.figure(folder, "training"),
        "corpus": _corpus(suite, folder),
        "run": _run(record),
    }
    body = "\n".join(
        f'<section id="{key}"><h2>{html.escape(SECTIONS[key])}</h2>\n{text}\n</section>'
        for key, text in texts.items()
    )
    where = "on synthetic signing" if suite.synthetic else "on real corpora"
    values = {
        "TITLE": f"{TITLE}: {html.escape(suite.preset.name)}",
        "STYLE": _resource("report.css"),
        "HEADING": f"MaDiS, reimplemented and run {where}",
        "INTRODUCTION": _introduction(suite) + elements.figure(folder, "headline"),
        "FACTS": _facts(suite, record),
        "CONTENTS": "".join(
            f'<a href="#{key}">{html.escape(title)}</a>' for key, title in SECTIONS.items()
        ),
        "BODY": body,
        "FOOTER": _footer(record),
    }
    return _filled(values)


def _seeds(record: dict[str, Any]) -> str:
    return f"{record['seed']}; of the rows {', '.join(map(str, record['row_seeds']))}"


def _introduction(suite: Suite) -> str:
    name = html.escape(suite.preset.name)
    if suite.data is None:
        about = (
            '<p class="lead notice"><b>Everything you see here is synthetic.</b> The signing comes '
            "from SignWorld, a small artificial corpus with invented signs; it is not a real sign "
            "language and nobody would understand it. What is real is the method: MaDiS was "
            "trained and tested here, from random weights.</p>"
        )
    else:
        rendered = "Real text or yours, <b>rendered signing</b>: " if suite.synthetic else ""
        source = html.escape(str(suite.data))
        about = f'<p class="lead notice">{rendered}trained on the data in {source}.</p>'
    smoke = (
        f"<p>The preset <b>{name}</b> is made to run in minutes and to show that every part works. "
        "Its numbers say whether a small model learns at all, <b>not whether the paper is "
        "right</b>: smoke size, no verdict on the paper.</p>"
        if presets.is_smoke(suite.preset.name)
        else ""
    )
    return (
        f"{about}<p>MaDiS turns a sentence into signing by masked diffusion: it starts from a row "
        "of blank tokens and fills in the ones it is surest of, coarse first, until the whole "
        f"sentence stands. {headline_sentence(suite)}</p>{smoke}"
    )


def _facts(suite: Suite, record: dict[str, Any]) -> str:
    parameters = sum(p.numel() for p in suite.system(suite.corpora[0]).model.parameters())
    facts = {
        "preset": suite.preset.name,
        "protocol": f"the {suite.protocol.name}'s",
        "model": f"{parameters / 1e6:.2f} M parameters",
        "training sentences": f"{sum(len(suite.texts(c, 'train')) for c in suite.corpora):,}",
        "test sentences": f"{sum(len(suite.texts(c, 'test')) for c in suite.corpora):,}",
        "seed": _seeds(record),
        "page drawn at commit": record["commit"],
        "begun": record["begun"],
    }
    return "".join(f"<li>{k} <b>{html.escape(str(v))}</b></li>" for k, v in facts.items())


def _claims(suite: Suite, folder: Path, record: dict[str, Any]) -> str:
    if not suite.protocol.claims:
        return "<p>The claims are the paper's: its protocol's report judges them.</p>"
    judgements = verdicts.judge(paper.CLAIMS, Measured(suite))
    readings = scoreboard.read_readings(folder)
    scoreboard.write(judgements, folder, {k: record[k] for k in PROVENANCE}, readings)
    return (
        "<p>Every checkable sentence of the paper, with the rule that decides it, what was measured "
        "here and the verdict. Most of them need more than this machine has: real data, people, or "
        "more trainings; they say so.</p>"
        f'<figure class="picture"><img src="{elements.inline(scoreboard.scoreboard(judgements))}" '
        'alt="Verdicts by table and figure"></figure>'
        f"{scoreboard.section(judgements, readings)}"
    )


def _signing(suite: Suite, folder: Path) -> str:
    parts = [
        (
            "<p>One test sentence of each language: on the left the true signing of the corpus, on the "
            "right what MaDiS made of the words alone. Drag to turn, use the slider to scrub. Under "
            "each figure stand its glosses: the true ones, and those that the oracle, a reader which "
            "knows every sign but not the sentence, reads off the generated motion. The sentence is "
            "not picked for its looks: it is the one with the median error of its test set.</p>"
        )
    ]
    parts += [_player(suite, corpus) for corpus in suite.corpora]
    return "\n".join([*parts, elements.figure(folder, "strip")])


def _player(suite: Suite, corpus: str) -> str:
    example = median_example(suite, corpus)
    fps = signworld.FPS[corpus]
    clips = {"true signing": example.true, "generated by MaDiS": example.generated}
    glosses = _timelines(suite, example, fps)
    title, language = (
        suite.corpus_name(corpus),
        html.escape(suite.preset.languages[corpus]),
    )
    document = player_html(clips, fps, "True and generated", (), glosses)
    read = ""
    if example.glosses:
        read = (
            f"<p>true glosses <b>{html.escape(' '.join(example.glosses))}</b><br>"
            f"read back by the oracle <b>{html.escape(' '.join(example.read) or 'nothing')}</b></p>"
        )
    return (
        f'<div class="player"><h3>{html.escape(title)}</h3>'
        f'<blockquote lang="{language}">{html.escape(example.text)}</blockquote>{read}'
        f'<iframe class="screen" srcdoc="{html.escape(document)}" sandbox="allow-scripts" '
        f'loading="lazy" title="Player: {html.escape(example.text)}"></iframe></div>'
    )


def _timelines(
    suite: Suite, example: Example, fps: float
) -> dict[str, Sequence[tuple[str, float, float]]]:
    oracle = suite.oracle(example.corpus)
    if oracle is None:
        return {}
    spans = oracle.read_spans(example.generated)
    return {
        "true signing": [(g, a / fps, b / fps) for g, a, b in example.timeline],
        "generated by MaDiS": [(s.gloss, s.start / fps, s.end / fps) for s in spans],
    }


def _method() -> str:
    rows = []
    for item in equations.shown():
        e = item.equation
        rows.append(
            f'<div class="equation"><div class="formula">{item.mathml}</div>'
            f'<div class="says"><b>Eq. {e.number} <span class="soft">{html.escape(e.place)}</span>'
            f"</b>{html.escape(e.says[:1].upper() + e.says[1:])}. "
            f"<code>{html.escape(item.name)}</code></div>"
            f"<details><summary>{html.escape(item.place)}</summary>"
            f"<pre><code>{html.escape(item.source)}</code></pre></details></div>"
        )
    return "\n".join(rows)


def _figures(folder: Path) -> str:
    numbered = [
        f.name
        for f in figures.ALL
        if f.name.startswith(("fig", "metric")) and f.runs is None  # those have a section
    ]
    return "\n".join(elements.figure(folder, name) for name in numbered)


def _tokenizer(suite: Suite) -> str:
    return (
        "<p>Three VQ-VAEs turn four frames into three tokens. A codebook is well used when its "
        "perplexity, the number of codes used equally often that would be as varied, is not far "
        "below the number of codes. The error is of joints on the test sets after a round trip, "
        f"wrists aligned for hands.</p>{elements.table(tables.tokenizer(suite))}"
    )


def _corpus(suite: Suite, folder: Path) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.escape(suite.corpus_name(corpus))}</th>'
        + "".join(f"<td>{len(suite.texts(corpus, split)):,}</td>" for split in SPLITS)
        + f'<td class="text">{html.escape(suite.texts(corpus, "test")[0])}</td></tr>'
        for corpus in suite.corpora
    )
    head = "".join(f'<th scope="col">{c}</th>' for c in ("corpus", *SPLITS))
    return (
        f'<div class="scroll"><table><thead><tr>{head}<th scope="col" class="text">a test sentence'
        f"</th></tr></thead><tbody>{rows}</tbody></table></div>{elements.figure(folder, 'corpus')}"
    )


def _run(record: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{html.escape(r["title"])}</th>'
        f'<td class="text"><code>{html.escape(r["key"])}</code></td>'
        f"<td>{r.get('seconds', '–')}</td><td>{'made now' if r['made_now'] else 'found'}</td>"
        f'<td class="text">{html.escape(str(r.get("device", "–")))}</td>'
        f'<td class="text"><code>{html.escape(str(r.get("commit", "–")))}</code></td></tr>'
        for r in record["runs"]
    )
    names = record.get("notebooks", [])
    listed = "".join(
        f'<li><a href="notebooks/{html.escape(n)}">{html.escape(n)}</a></li>' for n in names
    )
    books = f"<h3>Executed notebooks</h3><ul>{listed}</ul>" if names else ""
    if record.get("notebook_failure"):
        books += f'<p class="worse">{html.escape(record["notebook_failure"])}</p>'
    memory = ", ".join(f"{k} {v:,.0f} MB" for k, v in record["peak_memory_mb"].items())
    versions = ", ".join(f"{k} {v}" for k, v in record["packages"].items())
    facts = {
        "device": record["device"],
        "CPU, cores, threads": f"{record['processor']}, {record['cores']}, {record['threads']}",
        "platform": f"{record['platform']} {record['machine']}, Python {record['python']}",
        "packages": versions,
        "this call": f"{record['seconds']:.0f} s; peak memory: {memory}",
        "commit of this page": record["commit"],
        "package version": record["version"],
        "seed": _seeds(record),
    }
    told = "".join(
        f'<tr><th scope="row">{k}</th><td class="text" style="white-space:normal">'
        f"{html.escape(str(v))}</td></tr>"
        for k, v in facts.items()
    )
    config = html.escape(json.dumps(record["configuration"], indent=1, ensure_ascii=False))
    return (
        '<div class="scroll"><table><thead><tr><th scope="col">Run</th><th scope="col" class="text">Key</th>'
        '<th scope="col">Seconds to make</th><th scope="col">In this call</th>'
        '<th scope="col" class="text">On</th><th scope="col" class="text">Commit</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        '<p class="note">A key is the hash of all that decides a run: configuration, the runs it '
        "builds on, and the versions of the method.</p>"
        f'<div class="scroll"><table><tbody>{told}</tbody></table></div>'
        f"<details><summary>Configuration</summary><pre>{config}</pre></details>{books}"
    )


def write_ablation(
    suite: Suite, artefact: str, claims: Sequence[paper.Claim], folder: Path
) -> Path:
    """An ablation as a page of its own, ``index.html``: table, differences, verdicts.

    Args:
        artefact: of the ablations, such as one that was added; a seed of all its rows is finished.
        claims: about it; Holm's correction is over these.
        folder: of the page, which also gets the table as csv, md and tex, and ``claims.json``.
    """
    frame = ablation_tables.with_bounds(suite, artefact)
    ablation_tables.write_table(frame, folder)
    judgements = verdicts.judge(claims, Measured(suite))
    record = {"preset": suite.preset.name, **provenance.environment()}
    scoreboard.write(judgements, folder, record)
    data = "synthetic signing" if suite.synthetic else "real data"
    values = {
        "TITLE": html.escape(f"{TITLE}: {artefact}"),
        "STYLE": _resource("report.css"),
        "HEADING": html.escape(paper.ARTEFACTS[artefact].title),
        "INTRODUCTION": f'<p class="note">{html.escape(ablation_tables.NOTE)}</p>',
        "FACTS": f"<li>preset <b>{html.escape(suite.preset.name)}</b></li><li><b>{data}</b></li>",
        "CONTENTS": '<a href="#table">The table</a><a href="#verdicts">Verdicts</a>',
        "BODY": f'<section id="table"><h2>The table</h2>{sections.ablation(suite, frame, "")}</section>'
        f'<section id="verdicts"><h2>Verdicts</h2>{scoreboard.section(judgements)}</section>',
        "FOOTER": _footer(record),
    }
    page = folder / "index.html"
    write_text(page, _filled(values))
    return page


def _filled(values: Mapping[str, str]) -> str:
    return re.sub(r"__([A-Z]+)__", lambda m: values[m[1]], _resource("report.html"))


def _footer(record: dict[str, Any]) -> str:
    version = record["version"] if record["version"][:1].isdigit() else ""
    return (
        f"{TITLE} {html.escape(version)}. The paper: MaDiS: Taming Masked Diffusion "
        "Language Models for Sign Language Generation, Zuo et al. This page is complete in "
        "itself; it loads nothing. Numbers of the paper are marked as reported and are on real "
        "data."
    )


def _resource(name: str) -> str:
    return resources.files("madis_lib.reporting").joinpath(name).read_text(encoding="utf-8")
