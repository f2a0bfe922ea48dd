"""Which runs an artefact of the paper needs, and in which order they can be made.

A step is a run that a reader is told of.  ``needs`` are the steps whose runs it builds on, ``serves``
the artefacts it is for; what an artefact needs in all is found by following ``needs``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np

from madis_lib import paper, presets
from madis_lib.experiments import (
    ablations,
    back_translation,
    bidirectional,
    efficiency,
    embedding,
    order,
    panel,
    rivals,
    side_by_side,
    sign_tokenizer,
    sweep,
    utc_map,
)
from madis_lib.experiments.ablations import ABLATIONS
from madis_lib.experiments.evaluate import SYSTEM
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite
from madis_lib.parts import PARTS

# MaDiS at the preset's full size and its bounds, and the pictures that are drawn of it.
HEADLINE = ("headline", "fig1", "fig2", "fig3", "fig4")
AS_LONG = "as long as the headline"  # in titles of rows of Table 1, in the place of a seed


@dataclass(frozen=True)
class Step:
    """A run of the suite; ``find`` makes or finds it, and can be sent to another process."""

    title: str
    find: Callable[[], Run]
    told: Callable[[Run], str]  # what came out
    needs: tuple[str, ...] = ()  # titles of steps before it
    serves: tuple[str, ...] = ()  # artefacts
    kept: bool = False  # the result is worth keeping without the run
    row: bool = False  # of a table or figure that shows as much as is there
    part_of: str = ""  # title of the step that only needs this one to be made itself


def steps(suite: Suite) -> list[Step]:
    """Every run of a report, each after those it needs."""
    return [
        *_headline(suite), *_judges(suite), *_scores(suite), *_ablations(suite), *_rivals(suite),
        *_efficiency(suite), *_utc_map(suite), *_order(suite),
    ]  # fmt: skip


def chosen(suite: Suite, only: Collection[str], done: Collection[str] = ()) -> list[Step]:
    """The steps that some artefacts need; ValueError names those that have steps here.

    What only steps that are ``done`` need, by title, is not among them.
    """
    everything = {step.title: step for step in steps(suite)}
    served = {artefact for step in everything.values() for artefact in step.serves}
    for name in only:
        if name == "fig7a":
            raise ValueError("signers rate 'fig7a': make their pages with madis study")
        if name not in served:
            raise ValueError(
                f"no runs of {name!r} with preset {suite.preset.name!r}: "
                f"choose from {', '.join(sorted(served))}"
            )
    wanted: set[str] = set()
    open_ = [t for t, step in everything.items() if set(step.serves) & set(only)]
    while open_:
        title = open_.pop()
        if title not in wanted:
            wanted.add(title)
            open_ += () if title in done else everything[title].needs
    return [step for title, step in everything.items() if title in wanted]


def titles(suite: Suite) -> dict[str, str]:
    """Titles of the steps by the keys of their runs, finished or not."""
    found: dict[str, str] = {}
    for step in steps(suite.named):
        with suppress(FileNotFoundError):  # of what another run must be made for to be named
            found.setdefault(step.find().key, step.title)
    return found


def _headline(suite: Suite) -> list[Step]:
    """From the corpus to the trained MaDiS of every corpus."""

    def run(name: str) -> Callable[[], Run]:
        return partial(getattr, suite, name)

    names = {c: suite.corpus_name(c) for c in suite.corpora}
    tokenizer, configs = "sign tokenizer", (suite.preset.tokenizer, suite.preset.train_tokenizer)
    vqvaes = {part: f"{tokenizer}, {part}" for part in PARTS}
    return [
        Step("corpus", run("corpus"), partial(_told_corpus, suite)),
        *(
            Step(title, partial(sign_tokenizer.trained_vqvae, suite, part, *configs),
                 _told_training, ("corpus",), part_of=tokenizer)
            for part, title in vqvaes.items()
        ),
        Step(tokenizer, run("tokenizer_run"), _told_training, tuple(vqvaes.values())),
        Step("tokens", run("tokens_run"), _told_tokens, (tokenizer,)),
        Step("tokenizer's quality", partial(sign_tokenizer.quality, suite), _told_tokenizer,
             ("tokens",), HEADLINE, True),
        Step("pretraining", run("pretrained"), _told_training, ("tokens",), ("fig8",)),
        *(
            Step(f"fine-tuning, {name}", partial(Suite.finetuned, suite, c), _told_training,
                 ("pretraining",), ("fig8", "fig10", *HEADLINE))
            for c, name in names.items()
        ),
    ]  # fmt: skip


def _siclip(rung: str) -> str:
    return f"SiCLIP, {paper.TABLE_6.row(rung).label}"


def _judges(suite: Suite) -> list[Step]:
    """SiCLIP and the sign-to-text model."""
    return [
        *(
            Step(_siclip(rung), partial(embedding.trained, suite, rung), _told_training,
                 ("corpus",), ("table6",))
            for rung in embedding.RUNGS
        ),
        Step("sign-to-text model", partial(back_translation.trained, suite), _told_training,
             ("tokens",), ("fig7b",)),
    ]  # fmt: skip


def _scores(suite: Suite) -> list[Step]:
    """MaDiS and its bounds scored, and the metrics held against the oracle."""
    found: list[Step] = []
    for c, name in ((c, suite.corpus_name(c)) for c in suite.corpora):
        scored, read = f"signing and scoring, {name}", f"back-translation, {name}"
        found.append(
            Step(scored, partial(Suite.evaluated, suite, c), _told_scores,
                 (f"fine-tuning, {name}", _siclip(embedding.BEST)), HEADLINE, True)
        )  # fmt: skip
        found += [
            Step(f"retrieval, {name}, {paper.TABLE_6.row(rung).label}",
                 partial(embedding.retrieved, suite, c, rung), _told_retrieval, (_siclip(rung),),
                 ("table6",), True)
            for rung in embedding.RUNGS
        ]  # fmt: skip
        found.append(
            Step(read, partial(back_translation.evaluated, suite, c), _told_back_translation,
                 ("sign-to-text model", scored), ("fig7b",), True)
        )  # fmt: skip
        if suite.synthetic:
            found.append(
                Step(f"metrics against the oracle, {name}", partial(panel.graded, suite, c),
                     _told_panel, (read,), ("fig7b",), True)
            )  # fmt: skip
    return found


def _efficiency(suite: Suite) -> list[Step]:
    """Quality against speed, and how far the headline's attention looks ahead."""
    if not suite.protocol.claims:
        return []
    names = {c: suite.corpus_name(c) for c in suite.corpora}
    world, found = ablations.world(suite), []
    first = f"seed {world.row_seeds[0]}"
    rows = [r for r in rivals.rows(world) if not r.place and r.key != "s_motiongpt"]
    for c in efficiency.corpora(suite):
        needs = tuple(_row_of_table_1(r, names[c], first) for r in rows)
        if presets.is_smoke(world.preset.name):
            needs = (f"fine-tuning, {names[c]}",)
        found.append(
            Step(f"Fig. 6, tokens a step, {names[c]}", partial(efficiency.swept, suite, c),
                 _told_sweep, needs, ("fig6",), True, True)
        )  # fmt: skip
    return found + [
        Step(f"Fig. 7c, attention, {name}", partial(bidirectional.future_attention, suite, c),
             _told_attention, (f"fine-tuning, {name}",), ("fig7c",), True, True)
        for c, name in names.items()
    ]  # fmt: skip


def _row_of_table_1(row: rivals.Row, corpus_name: str, which: str) -> str:
    return f"Table 1, {row.label}, {corpus_name}, {which}"


def _ablations(suite: Suite) -> list[Step]:
    """Rows of Tables 2-4 and of the alpha study, Fig. 8's errors, Fig. 9's curves, seed by seed."""
    if not suite.protocol.claims:
        return []
    world, of = ablations.world(suite), ""
    found: list[Step] = []
    if world is not suite:  # then it has a corpus, a tokenizer and a judge of its own
        of = " of the rows"
        found = [
            replace(step, title=step.title + of, needs=tuple(n + of for n in step.needs),
                    serves=(), row=True, part_of=step.part_of and step.part_of + of)
            for step in (*_headline(world), *_judges(world))
            if "sign tokenizer" in (step.title, step.part_of)
            or step.title in ("corpus", "tokens", _siclip(embedding.BEST))
        ]  # fmt: skip
    tokens, judge = "tokens" + of, _siclip(embedding.BEST) + of
    for seed in world.row_seeds:
        start = f"pretraining of the rows, seed {seed}"
        found.append(
            Step(start, partial(ablations.pretrained, world, seed), _told_training, (tokens,),
                 row=True)
        )  # fmt: skip
        found.append(
            Step(f"Fig. 8, masked reconstruction, seed {seed}",
                 partial(ablations.rebuilt, world, seed), _told_rebuilt, (start,), ("fig8",), True,
                 True)
        )  # fmt: skip
        for row, artefacts in ablations.distinct_rows():
            needs = (judge, tokens if "levels" in row.changes else start)
            title = f"{ablations.title(row, artefacts)}, seed {seed}"
            serves = (*artefacts, "table1") if row is ablations.FULL else artefacts
            found.append(
                Step(title, partial(ablations.measured, world, row, seed), _told_row, needs,
                     serves, True, True)
            )  # fmt: skip
        if suite.synthetic:
            method = f"{ablations.title(ablations.FULL, ())}, seed {seed}"
            found.append(
                Step(f"Table 5, gate weights, seed {seed}", partial(ablations.gated, world, seed),
                     _told_gates, (method,), ("table5",), True, True)
            )  # fmt: skip
        found += [
            Step(f"Fig. 9, {name}, seed {seed}", partial(ablations.watched, world, seed, name),
                 _told_curve, (start,), ("fig9",), True, True)
            for name in ablations.FIG_9
        ]  # fmt: skip
    return found


def _rivals(suite: Suite) -> list[Step]:
    """The rows of Table 1 in the world of the ablations, a sentence that two of them sign, and the
    paper's rows as long as the headline, with S-MotionGPT without chance.

    The ablations' corpus has all seeds, so that the paper's orderings can be judged; the others have
    the first alone: each would cost as much again, and no verdict needs fewer than five.
    """
    if not suite.protocol.claims:
        return []
    world, mine = ablations.world(suite), ablations.corpus_of(suite)
    rows, first = rivals.rows(world), world.row_seeds[0]
    seeds = {c: world.row_seeds if c == mine else (first,) for c in rivals.corpora(world)}
    found = _table_1(world, rows, seeds, "" if world is suite else " of the rows")
    pair = [rivals.ROWS[key] for key in side_by_side.SYSTEMS]
    if all(row in rows for row in pair):
        for corpus in seeds:
            name = suite.corpus_name(corpus)
            needs = tuple(_row_of_table_1(row, name, f"seed {first}") for row in pair)
            find = partial(side_by_side.signed, world, corpus, first)
            found.append(
                Step(f"Fig. 5, {name}", find, _told_sentence, needs, ("fig5",), True, True)
            )  # fmt: skip
    if world is suite:
        return found
    long = [row for row in rivals.rows(suite) if not row.place or row.weights]
    return found + _table_1(suite, long, {mine: suite.row_seeds[:1]}, long=True)


def _table_1(
    world: Suite,
    rows: Collection[rivals.Row],
    seeds: Mapping[str, Collection[int]],
    of: str = "",
    long: bool = False,
) -> list[Step]:
    """Rows of Table 1 and their bounds.

    Args:
        seeds: by corpus; the ablations' corpus has them all.
        of: behind the titles of the world's corpus, tokens and judge.
        long: rows as long as the headline, whose models are MaDiS there.
    """
    tokens, judge, whole = "tokens" + of, _siclip(embedding.BEST) + of, "whole-body tokenizer" + of
    serves, mine = ("table1_long" if long else "table1",), ablations.corpus_of(world)
    found = [
        Step(whole, partial(rivals.whole_body_tokenizer, world), _told_training,
             ("corpus" + of,), row=True)
    ]  # fmt: skip
    for corpus, chosen in seeds.items():
        name = world.corpus_name(corpus)
        title = f"Table 1, bounds, {name}" + (f", {AS_LONG}" if long else "")
        found.append(
            Step(title, partial(rivals.bounds, world, corpus), _told_bounds, (tokens, judge),
                 serves, True, True)
        )  # fmt: skip
        for seed, row in product(chosen, rows):
            which, needs = AS_LONG if long else f"seed {seed}", [tokens, judge]
            if row.key == "madis" and long:
                needs.append(f"fine-tuning, {name}")
            elif row.key == "madis" and corpus == mine:  # a row of the ablations too
                needs.append(f"{ablations.title(ablations.FULL, ())}, {which}")
            elif row.key == "madis":
                needs.append(f"pretraining of the rows, {which}")
            elif row.weights:
                needs.append(_row_of_table_1(rivals.ROWS[row.weights], name, which))
            elif row.key not in rivals.MASKED:
                start = _row_of_table_1(row, "all corpora", which)
                before = (tokens,) if row.stack else (tokens, whole)
                needs += [start, *before[1:]]
                if corpus == mine:
                    found.append(
                        Step(start, partial(rivals.pretrained, world, row.key, seed),
                             _told_training, before, row=True)
                    )  # fmt: skip
            find = partial(rivals.measured, world, row.key, corpus, seed)
            found.append(
                Step(_row_of_table_1(row, name, which), find, _told_row, tuple(needs), serves,
                     True, True)
            )  # fmt: skip
    return found


def _told_sentence(run: Run) -> str:
    means = (f"{name} {np.mean(e):.0f} mm" for name, e in run.result["errors"].items())
    return f"“{run.result['text']}”, off by {', '.join(means)}"


def _told_bounds(run: Run) -> str:
    scores = run.result["scores"]
    return f"{len(scores)} bounds of {len(next(iter(scores.values()))['dtw_body'])} sentences"


def _utc_map(suite: Suite) -> list[Step]:
    """Table 3's first and fourth row under other conditions, where rows are large enough to learn."""
    smoke = presets.is_smoke(suite.preset.name)
    if smoke or not suite.protocol.claims:
        return []
    world, found = ablations.world(suite), []
    of = "" if world is suite else " of the rows"
    for seed in world.row_seeds:
        start = f"pretraining of the rows, seed {seed}"
        for condition in utc_map.CONDITIONS:
            if condition is utc_map.USUAL:  # is Table 3
                continue
            last = start  # both rows of a wider model share its pretraining
            for key in (utc_map.WITHOUT, utc_map.WITH):
                row = utc_map.TABLE_3.row(key)
                usual = ablations.title(
                    row, tuple(ABLATIONS) if key == utc_map.WITH else ("table3",)
                )
                title = f"UTC map, {condition.axis} {condition.label}, {row.label}, seed {seed}"
                needs = (_siclip(embedding.BEST) + of, start, f"{usual}, seed {seed}", last)
                found.append(
                    Step(title, partial(utc_map.measured, world, condition, key, seed), _told_row,
                         needs, ("utc_map",), True, True)
                )  # fmt: skip
                last = title
    return found


def _order(suite: Suite) -> list[Step]:
    """The headline's model, where rows are others, in the paper's order and in none."""
    if not suite.protocol.claims or ablations.world(suite) is suite:
        return []
    name = suite.corpus_name(ablations.corpus_of(suite))
    return [
        Step(f"Order of places, {rule}, {pace} tokens a step, {name}",
             partial(order.headline, suite, pace, rule), _told_row,
             (f"fine-tuning, {name}", _siclip(embedding.BEST)), ("order",), True, True)
        for rule in order.ORDERS for pace in order.PACES
    ]  # fmt: skip


def _told_corpus(suite: Suite, run: Run) -> str:
    counts = {c: sum(of.values()) for c, of in run.result["sentences"].items()}
    told = f"{sum(counts.values()):,} sentences ({', '.join(counts)}); "
    told += f"M = {suite.preset.model.max_tokens} tokens covers "
    told += ", ".join(f"{100 * suite.coverage(c):.1f} %" for c in suite.corpora)
    told += " of the training clips"
    left_out: Counter[str] = Counter()
    for splits in run.result["skipped"].values():
        for reasons in splits.values():
            left_out.update(reasons)
    if left_out:
        told += f"; left out: {', '.join(f'{n} {reason}' for reason, n in left_out.items())}"
    return told


def _told_tokens(run: Run) -> str:
    return f"{sum(run.result['clips'].values()):,} clips"


def _told_tokenizer(run: Run) -> str:
    r = run.result
    used = ", ".join(f"{r['codes_used'][p]}/{n}" for p, n in r["codes"].items())
    error = ", ".join(f"{k} {v:.1f} mm" for k, v in r["error_mm"].items())
    return f"codes used {used}; reconstruction error {error}"


def _told_training(run: Run) -> str:
    first, last = run.result["history"][0], run.result["history"][-1]
    return f"{last['update']} updates, loss {first['loss']:.2f} to {last['loss']:.2f}"


def _told_retrieval(run: Run) -> str:
    told = [
        f"{row['estimate']:.0f} % of {row['pool'] or run.result['sentences']}"
        for row in run.result["rows"]
        if row["direction"] == embedding.DIRECTIONS[0] and row["k"] == 1
    ]
    return f"R@1 sign to text {', '.join(told)}"


def _told_panel(run: Run) -> str:
    count, sentences = len(run.result["conditions"]), len(run.result["sentences"])
    return f"{count} conditions of {sentences} sentences"


def _told_scores(run: Run) -> str:
    scores = run.result["scores"][SYSTEM]
    told = f"{len(scores['dtw_body'])} sentences"
    if "gloss_edits" in scores:
        error = 100 * sum(scores["gloss_edits"]) / sum(scores["gloss_length"])
        told += f", gloss error {error:.0f} %"
    return told


def _told_back_translation(run: Run) -> str:
    told = (
        f"{back_translation.bleu(run, s).estimate:.1f} of {s}"
        for s in (back_translation.TRUTH, SYSTEM)
    )
    return f"BLEU-4 {', '.join(told)}"


def _told_row(run: Run) -> str:
    r = run.result
    told = f"{r['sentences']} sentences, {r['parameters']['all']:,} parameters"
    if "gloss_edits" in r["scores"]:
        error = 100 * sum(r["scores"]["gloss_edits"]) / sum(r["scores"]["gloss_length"])
        told += f", gloss error {error:.0f} %"
    return told


def _told_curve(run: Run) -> str:
    last = run.result["history"][-1]
    return f"loss {last['loss']:.2f}, SiBLEU of the body on val {last['val sibleu_body']:.1f}"


def _told_rebuilt(run: Run) -> str:
    errors = run.result["errors"]
    told = (f"{row} {np.mean(errors[row]['body']):.0f} mm" for row in ("tokenizer", "masked_25"))
    return f"body, {', '.join(told)}"


def _told_gates(run: Run) -> str:
    truth, rule = run.result["truth"], run.result["rule"]
    agree = sum(a == b for a, b in zip(truth, rule, strict=True)) / len(truth)
    return f"{len(truth)} signs; the wrist rule names the hands of {100 * agree:.0f} %"


def _told_sweep(run: Run) -> str:
    points = run.result["points"]
    speeds = [sweep.speed(p).estimate for p in points]
    told = f"{min(speeds):.0f} to {max(speeds):.0f} tokens a second before the end"
    return f"{len(points)} settings, {told}"


def _told_attention(run: Run) -> str:
    systems = (bidirectional.TRAINED, bidirectional.UNTRAINED)
    ahead = (f"{100 * bidirectional.average(run, s).estimate:.0f} % {s}" for s in systems)
    return f"attention to the future {', '.join(ahead)}"
