"""The sections of the report that are made of results, each as HTML below its heading.

MaDiS on each corpus, the systems it is compared with, the ablations, speed and attention, SiCLIP.
"""

from __future__ import annotations

import html
from pathlib import Path

import pandas as pd

from madis_lib import paper, presets
from madis_lib.experiments.ablations import ABLATIONS
from madis_lib.experiments.suite import Suite
from madis_lib.reporting import (
    ablation_tables,
    comparison,
    elements,
    figures,
    metric_tables,
    speed_tables,
    tables,
)


def results(suite: Suite) -> str:
    """MaDiS on each corpus beside its bounds; back-translation, targets and lengths."""
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
            f"{elements.links(f'tables/results-{corpus}')}</p>"
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
        elements.table(_by_corpus(metric_tables.back_translated(suite))),
        "<h3>What this preset aims at</h3>",
        elements.table(tables.targets(suite)),
        "<h3>Lengths</h3>",
        (
            "<p>The canvas holds M tokens; a clip that is longer is sampled down to it, a shorter one "
            "ends in eos, which the model must learn to place. A length ratio of 1 means that "
            "generated signing is on average as long as the true one.</p>"
        ),
        elements.table(tables.lengths(suite)),
    ]
    return "\n".join(parts)


def _by_corpus(frame: pd.DataFrame) -> pd.DataFrame:
    """Systems down, corpora across: "12.3 [10.1, 14.2]"."""
    ends = zip(frame["BLEU-4"], frame.low, frame.high, strict=True)
    told = frame.assign(told=[f"{e:.1f} [{low:.1f}, {high:.1f}]" for e, low, high in ends])
    wide = told.pivot(index="system", columns="corpus", values="told")
    return wide.loc[frame.system.unique(), frame.corpus.unique()].reset_index()


def other_systems(suite: Suite, folder: Path) -> str:
    """Table 1 of each corpus that is measured; ``folder`` is the report's, with its figures."""
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
            f"<h3>{html.escape(comparison.caption(frame))}</h3>{elements.table(wide, safe=True)}"
            f'<p class="note">{elements.links(f"tables/{name}")}</p>'
        )
    cards = elements.table(comparison.cards(suite))
    parts.append(elements.figure(folder, "fig5"))
    return "\n".join([*parts, "<details><summary>What each row is</summary>", cards, "</details>"])


def ablations(suite: Suite, folder: Path) -> str:
    """Tables 2 to 5, α and Fig. 8, as far as they are measured; ``folder`` is the report's."""
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
        parts.append(ablation(suite, frame, "tables/"))
    gates = ablation_tables.gate_weights(suite)
    if not gates.empty:
        parts += [
            (
                "<h3>Table 5: mean gate weight by signing hand</h3><p>By SignWorld's truth, and by the "
                "paper's rule, which looks whether a wrist is above the joint spine 01.</p>"
            ),
            elements.table(gates.drop(columns="preset")),
            (
                "<p>A weight multiplies a projected code vector, and these are not equally long: what a "
                "part adds to the embedding is their product. So here is each part's share of the "
                "lengths added up, by the trained gate and by an even one, 1/3 each (ours, not the "
                "paper's).</p>"
            ),
            elements.table(ablation_tables.gate_shares(suite).drop(columns="preset")),
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
            elements.table(rebuilt.drop(columns="preset")),
        ]
    return "\n".join([*parts, elements.figure(folder, "utc_map"), elements.figure(folder, "order")])


def ablation(suite: Suite, frame: pd.DataFrame, where: str) -> str:
    """A table, and what its rows lose or gain against the method; ``where`` its files are."""
    artefact = str(frame.artefact.iloc[0])
    picture = elements.inline(figures.differences(suite, artefact))
    wide = ablation_tables.grid(frame, "html")
    return (
        f"<h3>{html.escape(ablation_tables.caption(frame))}</h3>{elements.table(wide, safe=True)}"
        f'<p class="note">{elements.links(where + artefact)}</p>'
        f'<figure class="picture"><img src="{picture}" '
        'alt="Each row minus the full method, with intervals"></figure>'
    )


def speed(suite: Suite, folder: Path) -> str:
    """Figs. 6 and 7c with their numbers, as far as measured; ``folder`` is the report's."""
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
                f"<h3>{html.escape(speed_tables.caption(of))}</h3>{elements.table(speed_tables.grid(of))}"
                f'<p class="note">{elements.links(f"tables/speed-{corpus}")}</p>'
            )
        parts.append(f'<p class="note">{html.escape(speed_tables.NOTE)}</p>')
    parts.append(elements.figure(folder, "fig6"))
    if not ahead.empty:
        parts += [
            "<h3>Share of attention on later positions, percent</h3>",
            elements.table(ahead),
        ]
    parts.append(elements.figure(folder, "fig7c"))
    return "\n".join(parts)


def siclip(suite: Suite) -> str:
    """Table 6: retrieval of true signing by each judge, what each rung adds, and the paper's."""
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
        parts.append(
            f"<h3>{name}, true signing of {n} test sentences, percent</h3>{elements.table(grid)}"
        )
    gains = metric_tables.siclip_gains(suite)
    gains = gains.assign(rung=[paper.TABLE_6.row(r).label for r in gains.rung])
    parts += [
        (
            '<p><b>What to notice.</b> Recall means nothing without the size of the gallery: compare "in '
            '45" with "of all", and both with chance. Equal sentences answer each other. '
            f"{html.escape(metric_tables.siclip_sentence(suite))}</p>"
        ),
        "<h3>What each rung adds to R@1, sign to text, in points</h3>",
        elements.table(gains.drop(columns="corpus")),
        "<h3>The paper</h3>",
        elements.table(metric_tables.siclip_reported(suite)),
        (
            '<p class="note">Brackets: 95 % intervals over sentences (Wilson; of the gains, paired '
            "bootstrap). One training each. The paper's numbers are on real data and a gallery it does "
            'not name. All numbers: <a href="tables/siclip.csv">siclip.csv</a>.</p>'
        ),
    ]
    return "\n".join(parts)
