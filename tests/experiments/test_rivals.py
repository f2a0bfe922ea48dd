"""The rows of Table 1 as runs: one budget for all, and the table that is made of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from madis_lib import metrics, paper, presets
from madis_lib.experiments import ablations, contrasts, registry, rivals, sweep
from madis_lib.experiments.ablations import CORPUS, FULL
from madis_lib.experiments.evaluate import available
from madis_lib.experiments.evidence import Measured
from madis_lib.experiments.sign_tokenizer import encode
from madis_lib.experiments.suite import Suite
from madis_lib.reporting import ablation_tables, comparison
from madis_lib.systems import dictionary
from tests import tiny

PRINTED = [row.key for row in rivals.ROWS.values() if not row.place]


@pytest.fixture(scope="module")
def runs(suite):
    return {key: rivals.measured(suite, key, CORPUS, 0) for key in PRINTED}


def test_rows_are_those_of_the_paper_in_its_order():
    assert [row.key for row in paper.TABLE_1.rows if row.key in PRINTED] == PRINTED
    assert {"soke_mbart", "soke_qwen3", "s_motiongpt", "mdlm", "madis"} == set(PRINTED)
    for row in rivals.ROWS.values():
        uses = paper.TABLE_1.row(row.key).note if not row.place else ""
        assert row.card.dictionary == ("dictionary" in uses)


def test_all_have_one_budget(suite, runs):
    p = suite.row(True, 0).preset
    for run in runs.values():
        assert sum(run.result["updates"].values()) == p.pretrain.updates + p.finetune.updates
        assert run.result["sentences"] == suite.preset.corpus.test
        assert run.result["parameters"]["all"] > 0
    assert runs["mdlm"].result["updates"]["pretraining"] == 0


def test_madis_is_the_row_that_the_ablations_share(suite, runs):
    """One training; only what Table 1 asks more is scored again."""
    assert rivals.trained(suite, "madis", CORPUS, 0).key == suite.row(True, 0).finetuned(CORPUS).key
    once = ablations.measured(suite, FULL, 0).result["scores"]
    again = runs["madis"].result["scores"]
    assert {k: again[k] for k in once} == once
    assert set(again) - set(once) == {"bleu_retokenised"}
    for of in runs.values():
        assert len(of.result["generated"]) == of.result["sentences"]


def test_the_mdlm_baseline_has_nothing_that_madis_adds(suite):
    variant = rivals.masked(suite, "mdlm", "csl", 0)
    method = variant.preset.method
    assert method.levels == () and method.checkpoints == () and method.alpha == 0
    assert variant.system(CORPUS).model.config.fusion == "average"
    assert not variant.pretrained.result["history"]
    other = rivals.masked(suite.named, "mdlm_all", "csl", 0)
    assert other.pretrained.key == suite.named.row(True, 0, levels=("sign",)).pretrained.key
    assert other.preset.finetune.updates < variant.preset.finetune.updates


def test_epochs_too_are_shared_out_equally(suite):
    """As at ``paper``: 3 epochs on all corpora and 2 on one are as many updates for MDLM."""
    p = suite.preset
    longer = replace(
        p, pretrain=replace(p.pretrain, epochs=3), finetune=replace(p.finetune, epochs=2),
        row_pretrain=None, row_finetune=None,
    )  # fmt: skip
    mine = Suite(longer, suite.store.root.parent)
    every, csl = (sum(len(mine.texts(c, "train")) for c in of) for of in (mine.corpora, ("csl",)))
    stages = -(-3 * every // p.pretrain.batch_size), -(-2 * csl // p.finetune.batch_size)
    madis, mdlm = (rivals.updates(mine, key, "csl", 0) for key in ("madis", "mdlm"))
    assert tuple(madis.values()) == stages and tuple(mdlm.values()) == (0, sum(stages))
    assert rivals.updates(mine, "soke_qwen3", "csl", 0) == madis
    trained = rivals.masked(mine, "mdlm", "csl", 0).preset.finetune
    assert (trained.updates, trained.epochs) == (sum(stages), None)


def test_rows_of_one_seed_begin_alike_with_and_without_a_dictionary(suite):
    a, b = (rivals.untrained(suite, f"soke_qwen3{k}", CORPUS, 3).model for k in ("", "_alone"))
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    c = rivals.untrained(suite, "soke_qwen3", CORPUS, 4).model
    assert not torch.equal(a.embed.weight, c.embed.weight)


def test_seeds_and_rows_are_runs_of_their_own_and_share_what_they_can(suite):
    named = suite.named
    keys = {rivals.trained(named, k, c, s).key
            for k in rivals.ROWS for c in ("csl", "phoenix") for s in (0, 1)}  # fmt: skip
    assert len(keys) == 4 * sum(not row.weights for row in rivals.ROWS.values())
    assert rivals.whole_body_tokenizer(named.variant(seed=1)).key == (
        rivals.whole_body_tokenizer(named).key
    )


def test_a_trained_row_is_the_one_that_was_scored(suite, runs):
    texts = suite.texts(CORPUS, "test")
    for key in ("soke_mbart", "s_motiongpt"):
        signed = rivals.system(suite, key, CORPUS, 0).generate(texts)
        assert [s.tokens.tolist() for s in signed] == runs[key].result["generated"]
    assert rivals.system(suite, "mdlm", CORPUS, 0).generate(texts[:1])[0].tokens.shape[1] == 3


def test_a_row_without_chance_has_the_weights_of_the_one_that_draws(suite, runs):
    drawn, greedy = (
        rivals.system(suite, k, CORPUS, 0) for k in ("s_motiongpt", "s_motiongpt_greedy")
    )
    pairs = zip(drawn.model.parameters(), greedy.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    texts = suite.texts(CORPUS, "test")
    signed = [s.tokens.tolist() for s in greedy.generate(texts)]
    assert signed == [s.tokens.tolist() for s in drawn.generate(texts, temperature=0.0)]
    assert signed != runs["s_motiongpt"].result["generated"]


def test_one_stream_has_no_sibleu_of_hands(suite, runs):
    scores = runs["s_motiongpt"].result["scores"]
    assert "sibleu_hands" not in available(scores) and "sibleu_body" in available(scores)
    assert {"sibleu_re_body", "sibleu_re_hands"} <= set(available(scores))
    tokenizer = rivals.system(suite, "s_motiongpt", CORPUS, 0).tokenizer
    true = encode(tokenizer, suite.clips(CORPUS, "test"))
    generated = [np.array(t) for t in runs["s_motiongpt"].result["generated"]]
    assert tokenizer.parts == ("whole",) and true[0].shape[1] == 1
    counts = metrics.sibleu_statistics([g[:, 0] for g in generated], [t[:, 0] for t in true], 4)
    assert scores["bleu"] == {"body": counts.tolist()}


def test_the_dictionary_is_signed_by_nobody_of_the_corpus(suite):
    """It holds every word of a sentence that has a sign, and no clip of any split."""
    for corpus in suite.corpora:
        found = rivals.sign_dictionary(suite, corpus)
        for text, truth in zip(
            suite.texts(corpus, "test"), suite.truth(corpus, "test"), strict=True
        ):
            assert len(found.words(text)) == len(truth["glosses"]), text
            assert len(found.lookup(text)) == min(len(truth["glosses"]), dictionary.WORDS)


def test_table_1_holds_what_is_finished_and_what_is_not_implemented(suite, runs):
    assert comparison.frame(suite, "phoenix").empty
    rivals.bounds(suite, CORPUS)
    found = comparison.frame(suite, CORPUS)
    printed = [k for k in found.row.unique() if k in {r.key for r in paper.TABLE_1.rows}]
    assert printed == [row.key for row in paper.TABLE_1.rows]
    missing = found[found.place == comparison.NOT_IMPLEMENTED]
    assert set(missing.row.unique()) == set(printed) - set(PRINTED)
    assert missing.estimate.isna().all()
    cell = found[(found.row == "soke_mbart") & (found.metric == "dtw_body")].iloc[0]
    scores = runs["soke_mbart"].result["scores"]
    assert cell.estimate == pytest.approx(np.mean(scores["dtw_body"]))
    assert cell.low < cell.estimate < cell.high and cell.reported == "7.38"
    text = comparison.markdown(found)
    assert "no verdict" in text.lower() and "mean pose (bound)" in text
    assert "not implemented yet" in text and r"\toprule" in comparison.latex(found)
    cards = comparison.cards(suite)
    assert list(cards.system) == [rivals.ROWS[key].label for key in PRINTED]


def test_nobody_is_called_better_before_there_are_seeds_enough(suite, runs, monkeypatch):
    rivals.bounds(suite, CORPUS)
    found = comparison.frame(suite, CORPUS)
    assert set(found.madis_better) == {""}
    monkeypatch.setattr(contrasts, "MIN_SEEDS", 1)
    monkeypatch.setattr(presets, "is_smoke", lambda name: False)
    found = comparison.frame(suite, CORPUS).set_index(["row", "metric"])
    assert found.madis_better["tokenizer round trip", "dtw_body"] == "✗"
    assert found.madis_better["madis", "dtw_body"] == ""
    assert found.madis_better["s_motiongpt", "sibleu_body"] == ""  # other tokens


def test_the_table_holds_what_it_is_asked_to_show(suite, runs, monkeypatch):
    """Numbers that were kept for other metrics are not taken for these."""
    bounds = rivals.bounds(suite, CORPUS)
    for of_table in (comparison.frame(suite, CORPUS), ablation_tables.bounds(suite)):
        assert "mm_body" not in set(of_table.metric)
    for module in (comparison, ablation_tables):
        monkeypatch.setattr(module, "SHOWN", ("mm_body",))
    found = comparison.frame(suite, CORPUS).set_index("row").estimate
    assert found["madis"] == pytest.approx(np.mean(runs["madis"].result["scores"]["mm_body"]))
    found = ablation_tables.bounds(suite).set_index("row").estimate
    expected = bounds.result["scores"]["mean pose"]["mm_body"]
    assert found["mean pose"] == pytest.approx(np.mean(expected))


def test_the_paper_s_orderings_are_measured(suite, runs):
    evidence = Measured(suite)
    gap = evidence.contrast("table1", {"soke_mbart": 1, "madis": -1}, "csl.dtw_body")
    a, b = (np.mean(runs[k].result["scores"]["dtw_body"]) for k in ("soke_mbart", "madis"))
    assert gap.mean == pytest.approx(a - b)
    assert evidence.contrast("table1", {"momask": 1, "madis": -1}, "csl.dtw_body") is None


def test_soke_enters_the_sweep(suite, runs):
    entry = rivals.contestant(suite, "soke_mbart", CORPUS, 0)
    assert isinstance(entry, sweep.Contestant) and entry.canvas is None
    assert entry.trained.key == rivals.trained(suite, "soke_mbart", CORPUS, 0).key
    sign = entry.load()
    text, tokens = suite.texts(CORPUS, "test")[0], runs["soke_mbart"].result["generated"][0]
    assert sign(text, 1).tolist() == tokens
    with pytest.raises(ValueError, match="'s_motiongpt' has no place in the sweep"):
        rivals.contestant(suite, "s_motiongpt", CORPUS, 0)


def test_table_1_has_all_seeds_on_one_corpus_and_one_on_the_others(suite):
    size = replace(tiny.preset(), name="gpu")
    larger = Suite(size, suite.store.root.parent, row_seeds=(0, 1))
    titles = [s.title for s in registry.chosen(larger, ["table1"])]
    assert "Table 1, SOKE (Qwen3), SignWorld csl, seed 1" in titles
    assert "Table 1, SOKE (Qwen3), SignWorld phoenix, seed 0" in titles
    assert "Table 1, SOKE (Qwen3), SignWorld phoenix, seed 1" not in titles
    assert "Table 1, SOKE (Qwen3), no dictionary, SignWorld csl, seed 1" in titles
    laptop = Suite(presets.get("laptop"), suite.store.root.parent)
    titles = [s.title for s in registry.chosen(laptop, ["table1_long"])]
    long = [t for t in titles if t.endswith("SignWorld csl, as long as the headline")]
    assert len(long) == 2 + len(PRINTED)  # S-MotionGPT without chance, and the bounds
    assert "fine-tuning, SignWorld csl" in titles and "fine-tuning, SignWorld phoenix" not in titles
    smoke = [s.title for s in registry.chosen(suite, ["table1"])]
    assert not [t for t in smoke if t.startswith("Table 1") and "phoenix" in t]


def test_another_number_of_tokens_a_step_is_another_run(suite):
    other = suite.variant(replace(suite.preset, tokens_per_step=2))
    both = suite.named, other.named
    assert len({rivals.measured(s, "madis", CORPUS, 0).key for s in both}) == 2
    assert len({s.row(True, 0).watched(CORPUS, 2).key for s in both}) == 2
