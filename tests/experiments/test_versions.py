"""A change that alters results must raise its module's version, or old runs would be believed.

Each method module does a fixed piece of work; the number that comes out is kept in
``tests/golden/versions.json`` beside the version it belongs to.  When a test here fails, either the
change was not meant to alter results, or raise the module in ``store.VERSIONS`` and store the new
number: ``python -m tests.experiments.test_versions``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from madis_lib import metrics, objectives, sampler
from madis_lib.data import signworld
from madis_lib.experiments.back_translation import Translator
from madis_lib.experiments.store import VERSIONS
from madis_lib.presets import (
    CorpusConfig,
    ModelConfig,
    SiCLIPConfig,
    TokenizerConfig,
    TrainConfig,
    TranslatorConfig,
)
from madis_lib.release import forward, training
from madis_lib.siclip import SiCLIP
from madis_lib.systems.motion_gpt import MotionGPT
from madis_lib.systems.soke import SOKE
from madis_lib.tokenizer import Tokenizer
from tests.tiny import small_model

STORED = Path(__file__).parents[1] / "golden" / "versions.json"


def _signworld() -> float:
    """Motion and text of one sentence of each corpus."""
    config = CorpusConfig(signs=40, train=30, dev=1, test=1, glosses=(2, 3))
    total = 0.0
    for corpus in signworld.CORPORA:
        world = signworld.build(corpus, config)
        said = next(iter(world.utterances("test")))
        read = world.oracle.read(said.features)
        total += float(np.abs(said.features).sum()) + len(said.text) + len(read)
    return total


def _tokenizer() -> float:
    """Two updates of the codebooks, then a reconstruction."""
    torch.manual_seed(0)
    tokenizer = Tokenizer(TokenizerConfig((8, 6, 6), 16, 8, depth=2)).double()
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(6, 32, 133, generator=generator, dtype=torch.float64)
    lengths = torch.tensor([32, 32, 28, 16, 32, 8])
    losses = [tokenizer.loss(features, lengths, generator)[0] for _ in range(2)]
    tokenizer.eval()
    decoded = tokenizer.decode(tokenizer.encode(features, lengths), lengths // 4)
    return float((sum(losses) + decoded.abs().mean()).detach())


def _model() -> float:
    """Both losses on a fixed batch, with the size of their gradients."""
    model = small_model(torch.float64)
    g = torch.Generator().manual_seed(2)
    codes = torch.stack([torch.randint(0, k, (4, 9), generator=g) for k in (6, 5, 5)], -1)
    lengths = torch.tensor([9, 7, 3, 9])
    text = torch.randint(1, 20, (4, 5), generator=g)
    motion = torch.randn(4, 36, 133, generator=g, dtype=torch.float64)
    batch = objectives.Batch(text, torch.ones(4, 5, dtype=torch.bool), codes, lengths, motion)
    maps = [torch.randn(16, 4 * d, generator=g, dtype=torch.float64) for d in (43, 45, 45)]
    decoders = [lambda h, _, w=w: (h @ w).reshape(len(h), -1, w.shape[1] // 4) for w in maps]
    total = 0.0
    for loss_of in (objectives.pretraining_loss, objectives.finetuning_loss):
        model.zero_grad()
        loss, _ = loss_of(model, decoders, batch, torch.Generator().manual_seed(3))
        loss.backward()
        total += float(
            loss + sum(p.grad.abs().sum() for p in model.parameters() if p.grad is not None)
        )
    return total


def _sampler() -> float:
    """What, and when, a fixed model writes."""
    model = small_model(torch.float64)
    g = torch.Generator().manual_seed(4)
    text = torch.randint(1, 20, (3, 6), generator=g)
    out = sampler.generate(model, text, torch.ones(3, 6, dtype=torch.bool), steps=5)
    weights = torch.arange(out.codes.numel()).reshape(out.codes.shape) % 97
    return float(
        (out.codes * weights).sum() + out.lengths.sum() + (out.step * weights[..., 0]).sum()
    )


def _siclip() -> float:
    """Loss, size of gradients and similarity of plain and of fine-grained SiCLIP."""
    text = ModelConfig(16, 1, 2, 1, 8, 24, max_tokens=0, text_vocab=20)
    g = torch.Generator().manual_seed(6)
    ids, valid = torch.randint(20, (4, 5), generator=g), torch.arange(5) < 3
    motion = torch.randn(4, 24, 133, generator=g, dtype=torch.float64)
    lengths = torch.tensor([24, 12, 20, 24])
    sign_valid = torch.arange(6) < lengths[:, None] // 4
    total = 0.0
    for better in (False, True):
        torch.manual_seed(0)
        config = SiCLIPConfig(text, 12, 8, 2, 20, 10, decoupled=better, fine_grained=better)
        model = SiCLIP(config).double()
        words = model.text_features(ids, valid.expand(4, 5))
        features = (words, valid.expand(4, 5), model.sign_features(motion, lengths), sign_valid)
        loss = model.loss(*features)
        loss.backward()
        total += float(loss.detach() + model.similarity(*features).detach().abs().sum())
        total += float(sum(p.grad.abs().sum() for p in model.parameters() if p.grad is not None))
    return total


def _metrics() -> float:
    """DTW, SiBLEU, recall and the intervals on fixed numbers."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(9, 5, 3)), rng.normal(size=(12, 5, 3))
    streams = [rng.integers(0, 3, 12).tolist() for _ in range(6)]
    interval = metrics.bootstrap_interval(rng.normal(size=20))
    similarity = rng.integers(0, 4, (6, 6))
    return (
        metrics.dtw_jpe(a, b)
        + metrics.sibleu(streams[:3], streams[3:])
        + float(metrics.retrieval_hits(similarity, 2, 4, ["a", "b", "a", "c", "d", "d"]).sum())
        + interval.low
        + interval.high
    )


def _translator() -> float:
    """The loss of a fixed model and what it writes."""
    torch.manual_seed(0)
    config = TranslatorConfig(32, 1, 2, TrainConfig(1, 1, 1e-3))
    model = Translator(config, [torch.randn(k, 16) for k in (6, 5, 5)], 20, 0).double()
    g = torch.Generator().manual_seed(6)
    codes, lengths = torch.randint(0, 5, (3, 7, 3), generator=g), torch.tensor([7, 2, 5])
    text, valid = torch.randint(1, 20, (3, 4), generator=g), torch.ones(3, 4, dtype=torch.bool)
    loss = model.loss(codes, lengths, text, valid)
    return float(loss.detach()) + sum(map(sum, model.greedy(codes, lengths, 5)))


def _release() -> float:
    """Both losses of the release's protocol, in training mode, with its dropout."""
    model = small_model()
    forward.add_dropout(model.train())
    g = torch.Generator().manual_seed(7)
    codes = torch.stack([torch.randint(0, k, (4, 9), generator=g) for k in (6, 5, 5)], -1)
    text = torch.randint(1, 20, (4, 5), generator=g)
    valid, motion = torch.ones(4, 5, dtype=torch.bool), torch.randn(4, 36, 133, generator=g)
    batch = objectives.Batch(text, valid, codes, torch.tensor([9, 7, 3, 9]), motion)
    maps = [torch.randn(16, 4 * d, generator=g) for d in (43, 45, 45)]
    decoders = [lambda h, _, w=w: (h @ w).reshape(len(h), -1, w.shape[1] // 4) for w in maps]
    losses = (training.pretraining_loss, training.finetuning_loss)
    generator = torch.Generator().manual_seed(8)
    return float(sum(loss(model, decoders, batch, generator)[0].detach() for loss in losses))


def _rivals() -> float:
    """Loss and size of gradients of SOKE on either stack, and of S-MotionGPT."""
    config, vocab = small_model().config, small_model().vocab
    g = torch.Generator().manual_seed(9)
    codes, lengths = torch.randint(0, 5, (3, 7, 3), generator=g), torch.tensor([7, 2, 5])
    text, valid = torch.randint(1, 20, (3, 4), generator=g), torch.arange(4) < 3
    total = 0.0
    for stack in ("qwen3", "mbart"):
        torch.manual_seed(0)
        model = SOKE(config, vocab, stack).double()
        tags = model.tag(["csl", "how2sign", "phoenix"], torch.device("cpu"))
        loss = model.loss(text, valid.expand(3, 4), tags, codes, lengths)
        loss.backward()
        total += loss.item() + sum(p.grad.abs().sum().item() for p in model.parameters())
    torch.manual_seed(0)
    one = MotionGPT(config, 20, 0, 16).double()
    with torch.no_grad():
        return total + one(text, valid.expand(3, 4), codes[..., 0] + 20).abs().sum().item()


WORK = {
    "signworld": _signworld, "tokenizer": _tokenizer, "model": _model, "siclip": _siclip,
    "sampler": _sampler, "metrics": _metrics, "translator": _translator, "release": _release,
    "rivals": _rivals,
}  # fmt: skip


def test_every_version_is_guarded():
    assert WORK.keys() == VERSIONS.keys()


@pytest.mark.parametrize("module", WORK)
def test_results_change_with_their_version(module):
    stored = json.loads(STORED.read_text())[module]
    assert stored["version"] == VERSIONS[module], "store the new number, as the docstring says"
    assert WORK[module]() == pytest.approx(stored["number"], rel=1e-5), (
        f"results of {module} changed: raise store.VERSIONS[{module!r}], or undo the change"
    )


if __name__ == "__main__":
    numbers = {m: {"version": VERSIONS[m], "number": work()} for m, work in WORK.items()}
    STORED.write_text(json.dumps(numbers, indent=1) + "\n")
