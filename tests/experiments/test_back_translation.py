"""The sign-to-text model reads signs, and only those before; its BLEU is sacrebleu's."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu
import torch

from madis_lib import metrics, train
from madis_lib.experiments import back_translation as bt
from madis_lib.experiments.suite import Suite
from madis_lib.presets import TrainConfig, TranslatorConfig
from madis_lib.reporting import metric_tables
from tests import tiny

EOS, TEXT = 0, 12
CODES = (6, 5, 5)


def small(seed: int = 0) -> bt.Translator:
    torch.manual_seed(seed)
    config = TranslatorConfig(32, 2, 2, TrainConfig(60, 8, 1e-2, grad_clip=1.0))
    return bt.Translator(config, [torch.randn(k, 16) for k in CODES], TEXT, EOS).double().eval()


def batch(size: int = 4, seed: int = 1):
    g = torch.Generator().manual_seed(seed)
    codes = torch.stack([torch.randint(0, k, (size, 7), generator=g) for k in CODES], -1)
    lengths = torch.tensor([7, 3, 1, 5])[:size]
    text = torch.randint(1, TEXT, (size, 6), generator=g)
    return codes, lengths, text


def test_a_clip_alone_is_as_in_any_batch():
    model = small()
    codes, lengths, text = batch()
    together = model(codes, lengths, text)
    for i, n in enumerate(lengths):
        alone = model(codes[i : i + 1, :n], lengths[i : i + 1], text[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone)
    garbage = codes.clone()
    garbage[1, 3:] = 4  # behind the end
    torch.testing.assert_close(model(garbage, lengths, text), together)
    assert model.greedy(codes, lengths, 9) == [
        model.greedy(codes[i : i + 1, :n], lengths[i : i + 1], 9)[0] for i, n in enumerate(lengths)
    ]


def test_a_token_is_judged_by_all_signs_and_the_tokens_before_it():
    model = small()
    codes, lengths, text = batch()
    before = model(codes, lengths, text)
    later = text.clone()
    later[:, 4] = 1 + text[:, 4] % (TEXT - 1)
    changed = (model(codes, lengths, later) - before).abs().amax(-1) > 1e-9
    assert not changed[:, :4].any() and changed[:, 4:].all()
    other = codes.clone()
    other[torch.arange(4), lengths - 1] = (other[torch.arange(4), lengths - 1] + 1) % 5
    assert ((model(other, lengths, text) - before).abs().amax(-1) > 1e-9).all()


def test_the_loss_is_the_cross_entropy_of_each_next_token():
    model = small()
    codes, lengths, text = batch()
    text[:, -1] = EOS
    valid = torch.ones_like(text, dtype=torch.bool)
    text[1, 3:], valid[1, 4:] = EOS, False  # a shorter text
    opened = torch.cat([torch.full((4, 1), EOS), text[:, :-1]], 1)
    log_p = model(codes, lengths, opened).log_softmax(-1)
    terms = [-log_p[i, j, text[i, j]] for i in range(4) for j in range(6) if valid[i, j]]
    assert len(terms) == 22
    loss = model.loss(codes, lengths, text, valid)
    torch.testing.assert_close(loss, torch.stack(terms).mean())


def test_it_learns_to_spell_the_signs(tmp_path):
    """Text = body codes + 1: only a model that reads the signs in their order can write it."""
    model = small()
    g = torch.Generator().manual_seed(3)
    codes = torch.randint(0, 5, (64, 4, 3), generator=g)
    lengths = torch.full((64,), 4)
    text = torch.nn.functional.pad(codes[..., 0] + 1, (0, 1), value=EOS)
    valid = torch.ones_like(text, dtype=torch.bool)

    def loss_of(i, generator, update):
        return model.loss(codes[i], lengths[i], text[i], valid[i]), {}

    config = TrainConfig(150, 32, 1e-2, warmup=10, grad_clip=1.0)
    train.fit(model, loss_of, 64, config, tmp_path / "checkpoint.pt")
    written = model.greedy(codes, lengths, 9)
    right = np.mean([w == t[:-1].tolist() for w, t in zip(written, text, strict=True)])
    assert right > 0.9


@pytest.mark.parametrize(("language", "tokenize"), [("zh", "zh"), ("de", "13a"), ("en", "13a")])
def test_bleu_is_sacrebleus(language, tokenize):
    references = [
        "明天北京下雨吗?",
        "Es wird morgen, im Süden, 20 Grad warm.",
        "Don't stir the tea!",
    ]
    texts = ["明天上海下雨吗?", "Es wird morgen im Süden 20 Grad.", ""]
    counts = bt.bleu_counts(texts, references, language)
    expected = sacrebleu.corpus_bleu(texts, [references], tokenize=tokenize)
    assert metrics.sibleu_from_statistics(counts) == pytest.approx(expected.score)
    assert expected.score > 5


def test_runs_hold_every_system_and_are_found_again(suite, home):
    run = bt.evaluated(suite, "phoenix")
    n = len(suite.texts("phoenix", "test"))
    systems = {"truth", *suite.evaluated("phoenix").result["scores"]}
    for key in ("texts", "counts", "sentence_bleu"):
        assert set(run.result[key]) == systems
        assert all(len(of) == n for of in run.result[key].values()), key
    again = Suite(tiny.preset(), home)
    with again.store.only_finding():
        assert bt.evaluated(again, "phoenix").result == run.result
    alone = bt.translate(suite, suite.tokens("phoenix", "test")[:1])
    assert alone == run.result["texts"]["truth"][:1]


def test_the_same_seed_gives_the_same_translator(suite, tmp_path):
    again = Suite(tiny.preset(), tmp_path)
    assert bt.trained(again).result == bt.trained(suite).result
    tokens = suite.tokens("csl", "test")
    assert bt.translate(again, tokens) == bt.translate(suite, tokens)


def test_the_table(suite):
    frame = metric_tables.back_translated(suite)
    assert len(frame) == 3 * 6 and list(frame.system[:2]) == ["truth", "MaDiS"]
    assert ((frame.low <= frame["BLEU-4"]) & (frame["BLEU-4"] <= frame.high)).all()
    run = bt.evaluated(suite, "csl")
    counts = np.array(run.result["counts"]["MaDiS"])
    assert frame["BLEU-4"][1] == metrics.sibleu_from_statistics(counts)
