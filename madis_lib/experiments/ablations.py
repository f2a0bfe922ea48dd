"""The paper's ablations as data: which value of the method each row of a table changes.

All rows of all tables are trained on one corpus from pretraining to fine-tuning, on the same
sentences in the same order, for the same number of updates, from the same initial weights where
shapes agree; the paper's method is one run that every table shares.  Seeds change weights, order and
noise, not the corpus, the sign tokenizer or the judges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from madis_lib import body as bodies
from madis_lib import paper, presets
from madis_lib.experiments import embedding, gates, protocols, reconstruction
from madis_lib.experiments.evaluate import Reference, score
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite
from madis_lib.presets import TrainConfig
from madis_lib.train import one_thread

CORPUS = "csl"  # of all the paper's ablations
WATCHED = 60  # sentences of val, signed ten times in a training
OURS = paper.OURS  # place of a row the paper does not print
YOURS = "Your own table"  # place of a table that :func:`add` made


@dataclass(frozen=True)
class Row:
    """A row of a table: what it changes of the method, and where the paper has it."""

    key: str  # of the paper's table, where it is printed
    label: str
    changes: Mapping[str, Any]
    place: str = ""


@dataclass(frozen=True)
class Ablation:
    """A table of rows; ``full`` is the key of the paper's method."""

    artefact: str
    title: str
    rows: tuple[Row, ...]
    full: str

    def row(self, key: str) -> Row:
        """The row called ``key``; ValueError names the choices."""
        for row in self.rows:
            if row.key == key:
                return row
        raise ValueError(
            f"{self.artefact} has no row {key!r}: {', '.join(r.key for r in self.rows)}"
        )


def _ablation(artefact: str, rows: Mapping[str, dict[str, Any]], *ours: Row) -> Ablation:
    """Rows of the paper's artefact, in its order; the one that changes nothing is its method."""
    table = paper.ARTEFACTS[artefact]
    printed = [Row(r.key, r.label, rows[r.key], table.place) for r in table.rows]
    (full,) = (row.key for row in printed if not row.changes)
    return Ablation(artefact, table.title, (*printed[:-1], *ours, printed[-1]), full)


ABLATIONS = {
    a.artefact: a
    for a in (
        _ablation(
            "table2",
            {
                "none": {"levels": ()},
                "sign": {"levels": ("sign",)},
                "sign_text": {"levels": ("sign", "text")},
                "latent": {"levels": ("sign", "text", "latent")},
                "physical": {},
            },
            # its check marks can be read as if the text tokens were left out again
            Row("sign_latent", "sign + latent, no text", {"levels": ("sign", "latent")}, OURS),
        ),
        _ablation(
            "table3",
            {
                "none": {"checkpoints": ()},
                "uniform_75": {"checkpoints": (0.75,)},
                "uniform_50": {"checkpoints": (0.5,)},
                "uniform_75_50": {},
                "contiguous_75_50": {"layout": "contiguous"},
            },
        ),
        _ablation(
            "table4",
            {
                r.key: {} if r.key == "dense" else {"fusion": r.key}
                for r in paper.ARTEFACTS["table4"].rows
            },
        ),
        _ablation(
            "alpha",
            {
                r.key: {} if r.key == "0.5" else {"alpha": float(r.key)}
                for r in paper.ARTEFACTS["alpha"].rows
            },
            Row("0.75", "α = 0.75", {"alpha": 0.75}, OURS),
        ),
    )
}


def add(artefact: str, title: str, rows: Sequence[Row]) -> Ablation:
    """A table of your own, known by its name wherever the paper's are: in tables, claims, reports.

    Args:
        artefact: its name, with which the ids of claims about it begin; to add it again is to
            replace it.
        rows: of the paper's tables (:meth:`Ablation.row`), and new ones whose place is OURS.  One
            of them changes nothing: the method that the others are compared with.

    Its columns are those of the paper's tables.

    Raises:
        ValueError: a name of the paper's own, a key given twice, or rows without the one that
            changes nothing.
    """
    known = paper.ARTEFACTS.get(artefact)
    if known is not None and known.place != YOURS:
        raise ValueError(f"{artefact!r} is one of the paper's: choose another name")
    full = [row.key for row in rows if not row.changes]
    if len(full) != 1:
        raise ValueError(
            f"{len(full)} of the rows change nothing of the method: give one that does"
        )
    if len({row.key for row in rows}) < len(rows):
        raise ValueError(f"keys of rows are {[row.key for row in rows]}: give each its own")
    places = {table.place: table for table in paper.ARTEFACTS.values()}
    columns = paper.TABLE_4.columns
    paper.ARTEFACTS[artefact] = paper.Artefact(
        artefact, YOURS, title, columns,
        tuple(
            paper.Row(r.key, r.label, (OURS,) * len(columns) if r.place == OURS
                      else places[r.place].row(r.key).printed)
            for r in rows
        ),
    )  # fmt: skip
    ABLATIONS[artefact] = Ablation(artefact, title, tuple(rows), full[0])
    return ABLATIONS[artefact]


FIG_9 = {"none": {"checkpoints": ()}, "utc": {}}  # rows of paper.FIG_9
FULL = Row("full", "MaDiS", {})


def distinct_rows() -> list[tuple[Row, tuple[str, ...]]]:
    """Every row once, with the artefacts it is in; the paper's method, which is in all, first."""
    found: list[tuple[Row, tuple[str, ...]]] = [(FULL, tuple(ABLATIONS))]
    for ablation in ABLATIONS.values():
        found += [(row, (ablation.artefact,)) for row in ablation.rows if row.changes]
    return found


def title(row: Row, artefacts: tuple[str, ...]) -> str:
    """What to call a row outside its table."""
    if not row.changes:
        return "MaDiS, as a row of the ablations"
    names = {"alpha": "α study"}
    (artefact,) = artefacts
    return f"{names.get(artefact, artefact.replace('table', 'Table '))}, {row.label}"


def corpus_of(suite: Suite) -> str:
    """Where the rows are trained and scored: the paper's corpus, or the first of data without it."""
    return CORPUS if CORPUS in suite.corpora else suite.corpora[0]


def world(suite: Suite) -> Suite:
    """The suite in which a preset's ablations are run: for ``laptop`` a smaller one."""
    name = suite.preset.rows
    return suite if name is None else suite.beside(presets.get(name))


def pretrained(suite: Suite, seed: int) -> Run:
    """Pretraining of every row that does not change it."""
    return suite.row(True, seed).pretrained


def gated(suite: Suite, seed: int) -> Run:
    """Gate weights of the paper's method as a row, by which hand signs (Table 5)."""
    return gates.measured(suite.row(True, seed), corpus_of(suite))


def rebuilt(suite: Suite, seed: int) -> Run:
    """Signs rebuilt from partly masked tokens after the rows' pretraining (Fig. 8)."""
    return reconstruction.measured(suite.row(True, seed), corpus_of(suite))


def watched(suite: Suite, seed: int, name: str) -> Run:
    """A row of Fig. 9: training loss, and what is signed of ``val`` as training goes."""
    sentences = suite.preset.row_sentences or WATCHED
    return suite.row(True, seed, **FIG_9[name]).watched(corpus_of(suite), sentences)


def measured(suite: Suite, row: Row, seed: int, true_lengths: bool = False) -> Run:
    """A row, trained and scored sentence by sentence on the test set.

    With ``true_lengths`` the sampler is told how many tokens the true signing has: a diagnosis, and
    no result from text alone.

    The result holds ``scores`` (:func:`evaluate.score`), ``sentences`` (how many), ``parameters``
    (all, and of the fusion) and ``updates`` (of pretraining and fine-tuning).
    """
    variant, corpus = suite.row(True, seed, **row.changes), corpus_of(suite)
    if suite.store.world.size > 1:
        variant.finetuned(corpus)  # by all processes; what follows is the first one's own
    p, body = variant.preset, bodies.load()
    config = {
        "system": variant.named.finetuned(corpus), "corpus": corpus, "split": "test",
        "tokens_per_step": p.tokens_per_step, "sentences": p.row_sentences, "body": body.fingerprint(),
        "siclip": embedding.trained(suite.named), **variant.method_key("rule"),
        **({"lengths": "true"} if true_lengths else {}),
    }  # fmt: skip

    def work(_: Path) -> dict[str, Any]:
        n = p.row_sentences
        system, truth = variant.system(corpus), reference(suite, corpus)
        lengths = [len(t) for t in truth.tokens] if true_lengths else None
        with one_thread():
            signed = protocols.sign(system, suite.texts(corpus, "test")[:n], p.method, lengths)
        scores = score(
            [s.features for s in signed], [s.tokens for s in signed], truth, body,
            suite.oracle(corpus), similarity=embedding.load(suite).similarity,
        )  # fmt: skip
        count = {
            "all": sum(x.numel() for x in system.model.parameters()),
            "fusion": sum(x.numel() for x in system.model.fusion.parameters()),
        }
        on_all, on_one = (
            counted(suite, suite.corpora, p.pretrain),
            counted(suite, (corpus,), p.finetune),
        )
        updates = {
            "pretraining": on_all.updates if p.method.levels else 0,
            "finetuning": on_one.updates,
        }
        return {"scores": scores, "sentences": len(signed), "parameters": count, "updates": updates}

    return suite.store.run(f"row-{corpus}", config, ("sampler", "metrics", "signworld"), work)


def counted(suite: Suite, corpora: Sequence[str], config: TrainConfig) -> TrainConfig:
    """With the number of updates that its epochs, if any, take on the training sentences."""
    if config.epochs is None:
        return config
    return config.counted(sum(len(suite.texts(c, "train")) for c in corpora))


def reference(suite: Suite, corpus: str) -> Reference:
    """The true signing of the test sentences on which rows are scored."""
    whole, n = suite.reference(corpus), suite.preset.row_sentences
    glosses = None if whole.glosses is None else whole.glosses[:n]
    texts = None if whole.texts is None else whole.texts[:n]
    return Reference(whole.features[:n], whole.tokens[:n], glosses, texts)


def by_seed(suite: Suite, find: Callable[[Suite, int], Run]) -> dict[int, Run]:
    """What ``find(world, seed)`` finds for each seed of the rows: those runs that are there."""
    if not suite.protocol.claims:  # a release's protocol has no rows
        return {}
    inside = world(suite)
    return inside.store.finished(inside.row_seeds, partial(find, inside))


def finished(suite: Suite, ablation: Ablation) -> dict[str, dict[int, Run]]:
    """The runs of every row by seed: of the seeds with which all rows are finished."""
    inside = world(suite)
    found = inside.store.finished(
        inside.row_seeds,
        lambda seed: {row.key: measured(inside, row, seed) for row in ablation.rows},
    )
    if not found:
        return {}
    return {row.key: {s: runs[row.key] for s, runs in found.items()} for row in ablation.rows}
