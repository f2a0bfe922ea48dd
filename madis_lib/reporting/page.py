"""The report: one HTML page that needs no network."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from madis_lib import paper, presets
from madis_lib.data import signworld
from madis_lib.experiments import provenance, verdicts
from madis_lib.experiments.ablations import ABLATIONS
from madis_lib.experiments.evidence import Measured
from madis_lib.experiments.suite import SPLITS, Suite
from madis_lib.files import write_text
from madis_lib.render.player import player_html
from madis_lib.reporting import (
    ablation_tables,
    comparison,
    equations,
    figures,
    metric_tables,
    scoreboard,
    speed_tables,
    tables,
)
from madis_lib.reporting.figures.examples import Example, median_example
from madis_lib.reporting.figures.headline import headline_sentence

TITLE = "MaDiS Companion"
PROVENANCE = ("preset", "protocol", "data", "seed", "begun", "commit", "device")
LARGE = 300_000  # bytes of SVG above which the page carries a WebP instead
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
    sections = {
        "claims": _claims(suite, folder, record),
        "signing": _signing(suite, folder),
        "results": _results(suite, folder),
        "comparison": _comparison(suite, folder),
        "ablations": _ablations(suite, folder),
        "speed": _speed(suite, folder),
        "method": _method(),
        "figures": _figures(folder),
        "siclip": _siclip(suite),
        "tokenizer": _tokenizer(suite),
        "training": _figure(folder, "training"),
        "corpus": _corpus(suite, folder),
        "run": _run(record),
    }
    body = "\n".join(
        f'<section id="{key}"><h2>{html.escape(SECTIONS[key])}</h2>\n{text}\n</section>'
        for key, text in sections.items()
    )
    where = "on synthetic signing" if suite.synthetic else "on real corpora"
    values = {
        "TITLE": f"{TITLE}: {html.escape(suite.preset.name)}",
        "STYLE": _resource("report.css"),
        "HEADING": f"MaDiS, reimplemented and run {where}",
        "INTRODUCTION": _introduction(suite) + _figure(folder, "headline"),
        "FACTS": _facts(suite, record),
        "CONTENTS": "".join(
            f'<a href="#{key}">{html.escape(title)}</a>' for key, title in SECTIONS.items()
        ),
        "BODY": body,
        "FOOTER": _footer(record),
    }
    return _filled(values)


def _filled(values: Mapping[str, str]) -> str:
    return re.sub(r"__([A-Z]+)__", lambda m: values[m[1]], _resource("report.html"))


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
        "seed": record["seed"],
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
        f'<figure class="picture"><img src="{_inline(scoreboard.scoreboard(judgements))}" '
        'alt="Verdicts by table and figure"></figure>'
        f"{scoreboard.section(judgements, readings)}"
    )


def _inline(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight")
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def _comparison(suite: Suite, folder: Path) -> str:
    if not suite.protocol.claims:
        return "<p>It is run by the paper's protocol.</p>"
    parts = [
        (
            "<p>MaDiS and the systems the paper compares it with, each built here and trained for as "
            "many updates, on the same sentences. What each row is, and where it differs from the "
            f'published system, stands below.</p><p class="note">{html.escape(comparison.NOTE)}</p>'
        )
    ]
    frames = comparison.frames(suite)
    parts += [
        f"<p>{html.escape(suite.corpus_name(c))}: not measured with the preset "
        f"{html.escape(suite.preset.name)}.</p>"
        for c in suite.corpora if f"table1-{c}" not in frames
    ]  # fmt: skip
    for name, frame in frames.items():
        wide = comparison.grid(frame, "html")
        parts.append(
            f"<h3>{html.escape(comparison.caption(frame))}</h3>{_table(wide, safe=True)}"
            f'<p class="note">{_links(f"tables/{name}")}</p>'
        )
    cards = _table(comparison.cards(suite))
    parts.append(_figure(folder, "fig5"))
    return "\n".join([*parts, "<details><summary>What each row is</summary>", cards, "</details>"])


def _ablations(suite: Suite, folder: Path) -> str:
    if not suite.protocol.claims:
        return "<p>They are run by the paper's protocol.</p>"
    parts = [
        (
            "<p>Each row changes one thing of the method and trains it anew, from pretraining on, by "
            "as many seeds as the table says; the paper's numbers, on real data, stand behind ours. "
            f'</p><p class="note">{html.escape(ablation_tables.NOTE)}</p>'
        )
    ]
    for artefact in ABLATIONS:
        frame = ablation_tables.with_bounds(suite, artefact)
        if frame.empty:
            parts.append(
                f"<p>{html.escape(paper.ARTEFACTS[artefact].title)}: no seed is finished; "
                f"<code>madis reproduce --preset {html.escape(suite.preset.name)} --only "
                f"{artefact}</code></p>"
            )
            continue
        parts.append(_ablation(suite, frame, "tables/"))
    gates = ablation_tables.gate_weights(suite)
    if not gates.empty:
        parts += [
            (
                "<h3>Table 5: mean gate weight by signing hand</h3><p>By SignWorld's truth, and by the "
                "paper's rule, which looks whether a wrist is above the joint spine 01.</p>"
            ),
            _table(gates.drop(columns="preset")),
            (
                "<p>A weight multiplies a projected code vector, and these are not equally long: what a "
                "part adds to the embedding is their product. So here is each part's share of the "
                "lengths added up, by the trained gate and by an even one, 1/3 each (ours, not the "
                "paper's).</p>"
            ),
            _table(ablation_tables.gate_shares(suite).drop(columns="preset")),
        ]
    rebuilt = ablation_tables.reconstruction_errors(suite)
    if not rebuilt.empty:
        parts += [
            (
                "<h3>Fig. 8: joint error in mm of signs rebuilt from partly masked tokens</h3><p>The "
                "pretrained models of the rows. The paper's sentence says t = 0.75 for 25 % masked, "
                "where t is the masked share everywhere else: its number stands beside both "
                "readings.</p>"
            ),
            _table(rebuilt.drop(columns="preset")),
        ]
    return "\n".join([*parts, _figure(folder, "utc_map"), _figure(folder, "order")])


def _ablation(suite: Suite, frame: pd.DataFrame, where: str) -> str:
    """A table, and what its rows lose or gain against the method; ``where`` its files are."""
    artefact = str(frame.artefact.iloc[0])
    picture = _inline(figures.differences(suite, artefact))
    wide = ablation_tables.grid(frame, "html")
    return (
        f"<h3>{html.escape(ablation_tables.caption(frame))}</h3>{_table(wide, safe=True)}"
        f'<p class="note">{_links(where + artefact)}</p>'
        f'<figure class="picture"><img src="{picture}" '
        'alt="Each row minus the full method, with intervals"></figure>'
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
        "BODY": f'<section id="table"><h2>The table</h2>{_ablation(suite, frame, "")}</section>'
        f'<section id="verdicts"><h2>Verdicts</h2>{scoreboard.section(judgements)}</section>',
        "FOOTER": _footer(record),
    }
    page = folder / "index.html"
    write_text(page, _filled(values))
    return page


def _speed(suite: Suite, folder: Path) -> str:
    if not suite.protocol.claims:
        return "<p>They are measured by the paper's protocol.</p>"
    found, ahead = speed_tables.frame(suite), speed_tables.attention(suite)
    if found.empty and ahead.empty:
        name = html.escape(suite.preset.name)
        command = f"madis reproduce --preset {name} --only fig6 fig7c"
        return f"<p>Nothing is measured yet: <code>{command}</code></p>"
    parts = []
    if not found.empty:
        parts.append(f"<p>{speed_tables.ABOUT}</p>")
        for corpus, of in found.groupby("corpus", sort=False):
            parts.append(
                f"<h3>{html.escape(speed_tables.caption(of))}</h3>{_table(speed_tables.grid(of))}"
                f'<p class="note">{_links(f"tables/speed-{corpus}")}</p>'
            )
        parts.append(f'<p class="note">{html.escape(speed_tables.NOTE)}</p>')
    parts.append(_figure(folder, "fig6"))
    if not ahead.empty:
        parts += [
            "<h3>Share of attention on later positions, percent</h3>",
            _table(ahead),
        ]
    parts.append(_figure(folder, "fig7c"))
    return "\n".join(parts)


# --- sections ---------------------------------------------------------------------------------


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
    return "\n".join([*parts, _figure(folder, "strip")])


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


def _results(suite: Suite, folder: Path) -> str:
    parts = [
        (
            "<p>MaDiS beside what costs nothing: the mean pose held still, a random training clip, and "
            "the signing of another sentence. A system that has learnt something about language must "
            "beat the last one. The tokenizer round trip, true signing squeezed through the tokens, is "
            "a ceiling.</p>"
        ),
        (
            f'<p class="note">{html.escape(tables.legend(tables.results(suite, suite.corpora[0])))} DTW-JPE is summed over the warping path, in '
            "metres; gloss error is read by the oracle.</p>"
        ),
    ]
    for corpus in suite.corpora:
        frame = tables.results(suite, corpus)
        smoke = presets.is_smoke(suite.preset.name)
        badge = f'<span class="smoke">{tables.SMOKE}</span>' if smoke else ""
        name = html.escape(suite.corpus_name(corpus))
        parts.append(
            f"<h3>{name}, {int(frame.iloc[0].n)} test sentences {badge}</h3>"
            f'<div class="scroll">{tables.html(frame)}</div>'
            f'<p class="note">{html.escape(tables.failure_sentence(frame))} '
            f"{_links(f'tables/results-{corpus}')}</p>"
        )
    parts += [
        "<h3>Back-translation</h3>",
        (
            "<p>Signing read back to text by a small sign-to-text model, trained on true signing, and "
            "scored against the sentence: BLEU-4 with its 95 % interval over sentences, in characters "
            "for Chinese and words elsewhere. The paper avoids this metric because translation has "
            "errors of its own (§3.4): what the truth lacks to 100 are such errors, or wordings that "
            "signing leaves open.</p>"
        ),
        _table(_by_corpus(metric_tables.back_translated(suite))),
        "<h3>What this preset aims at</h3>",
        _table(tables.targets(suite)),
        "<h3>Lengths</h3>",
        (
            "<p>The canvas holds M tokens; a clip that is longer is sampled down to it, a shorter one "
            "ends in eos, which the model must learn to place. A length ratio of 1 means that "
            "generated signing is on average as long as the true one.</p>"
        ),
        _table(tables.lengths(suite)),
    ]
    return "\n".join(parts)


def _by_corpus(frame: pd.DataFrame) -> pd.DataFrame:
    """Systems down, corpora across: "12.3 [10.1, 14.2]"."""
    ends = zip(frame["BLEU-4"], frame.low, frame.high, strict=True)
    told = frame.assign(told=[f"{e:.1f} [{low:.1f}, {high:.1f}]" for e, low, high in ends])
    wide = told.pivot(index="system", columns="corpus", values="told")
    return wide.loc[frame.system.unique(), frame.corpus.unique()].reset_index()


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
    return "\n".join(_figure(folder, name) for name in numbered)


def _figure(folder: Path, name: str) -> str:
    """A figure inlined with its caption; nothing where it was not drawn."""
    svg = folder / "figures" / f"{name}.svg"
    if not svg.exists():
        return ""
    entry = next(f for f in figures.ALL if f.name == name)
    caption = f"<b>{html.escape(entry.title)}.</b> {html.escape(entry.notice)}"
    links = _links(f"figures/{name}", ("svg", "png", "json"))
    return (
        f'<figure id="{name}"><div class="picture"><img src="{_picture(svg)}" '
        f'alt="{html.escape(entry.title)}"></div><figcaption>{caption} {links}</figcaption></figure>'
    )


def _picture(svg: Path) -> str:
    """A data URI: the SVG, or a WebP where rendered frames make the SVG large."""
    if svg.stat().st_size <= LARGE:
        return "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode()
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(svg.with_suffix(".png")) as picture:
        picture.convert("RGB").save(buffer, "WEBP", quality=86, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _siclip(suite: Suite) -> str:
    frame = metric_tables.siclip(suite)
    parts = [
        (
            "<p>SiCLIP puts a sentence and a signing into one space; a signing is good when it finds its "
            "own sentence there. Before it may judge what MaDiS makes, it has to find true signing. "
            "Three models, each trained on the training pairs of all corpora: plain CLIP with one "
            "encoder for the whole body, the same with an encoder for each part, and that with the "
            "fine-grained loss, which compares token with token.</p>"
        )
    ]
    for corpus in suite.corpora:
        grid = metric_tables.siclip_grid(frame, corpus)
        n = int(frame[frame.corpus == corpus].n.iloc[0])
        name = html.escape(suite.corpus_name(corpus))
        parts.append(f"<h3>{name}, true signing of {n} test sentences, percent</h3>{_table(grid)}")
    gains = metric_tables.siclip_gains(suite)
    gains = gains.assign(rung=[paper.TABLE_6.row(r).label for r in gains.rung])
    parts += [
        (
            '<p><b>What to notice.</b> Recall means nothing without the size of the gallery: compare "in '
            '45" with "of all", and both with chance. Equal sentences answer each other. '
            f"{html.escape(metric_tables.siclip_sentence(suite))}</p>"
        ),
        "<h3>What each rung adds to R@1, sign to text, in points</h3>",
        _table(gains.drop(columns="corpus")),
        "<h3>The paper</h3>",
        _table(metric_tables.siclip_reported(suite)),
        (
            '<p class="note">Brackets: 95 % intervals over sentences (Wilson; of the gains, paired '
            "bootstrap). One training each. The paper's numbers are on real data and a gallery it does "
            'not name. All numbers: <a href="tables/siclip.csv">siclip.csv</a>.</p>'
        ),
    ]
    return "\n".join(parts)


def _tokenizer(suite: Suite) -> str:
    return (
        "<p>Three VQ-VAEs turn four frames into three tokens. A codebook is well used when its "
        "perplexity, the number of codes used equally often that would be as varied, is not far "
        "below the number of codes. The error is of joints on the test sets after a round trip, "
        f"wrists aligned for hands.</p>{_table(tables.tokenizer(suite))}"
    )


def _table(frame: pd.DataFrame, safe: bool = False) -> str:
    """A plain frame; its first column names the rows.  ``safe``: other cells are HTML already."""
    head = "".join(f'<th scope="col">{html.escape(c)}</th>' for c in frame.columns)
    rows = ""
    for first, *rest in frame.itertuples(index=False):
        told = (f"{v:.2f}" if isinstance(v, float) else str(v) for v in rest)
        cells = (cell if safe else html.escape(cell) for cell in told)
        rows += f'<tr><th scope="row">{html.escape(str(first))}</th>'
        rows += "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div>"
    )


def _links(path: str, suffixes: Sequence[str] = ("csv", "md", "tex")) -> str:
    """To the files of a table or a figure; ``path`` is theirs without the suffix."""
    return " · ".join(f'<a href="{path}.{s}">{s}</a>' for s in suffixes)


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
        f"</th></tr></thead><tbody>{rows}</tbody></table></div>{_figure(folder, 'corpus')}"
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
        "seed": record["seed"],
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
