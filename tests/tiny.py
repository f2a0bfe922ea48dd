"""Models and presets small enough for tests."""

import torch

from madis_lib.model import MaDiS
from madis_lib.presets import (
    CorpusConfig,
    ModelConfig,
    Preset,
    SiCLIPConfig,
    TokenizerConfig,
    TrainConfig,
    TranslatorConfig,
)
from madis_lib.vocab import Vocab


def small_model(dtype=torch.float32, codes=(6, 5, 5), max_tokens=12, seed=0) -> MaDiS:
    torch.manual_seed(seed)
    config = ModelConfig(32, 2, 4, 2, 8, 48, max_tokens=max_tokens, text_vocab=20)
    vocab = Vocab(text_size=20, eos=0, pad=0, codes=codes)
    return MaDiS(config, vocab, [torch.randn(k, 16) for k in codes]).to(dtype)


def preset() -> Preset:
    """Seconds from nothing to the report; learns nothing."""
    model = ModelConfig(32, 1, 2, 1, 16, 48, max_tokens=24, text_vocab=300)
    return Preset(
        name="tiny",
        corpus=CorpusConfig(signs=40, train=40, dev=2, test=5, glosses=(2, 3)),
        tokenizer=TokenizerConfig(codes=(16, 12, 12), width=16, code_dim=8, depth=1),
        model=model,
        train_tokenizer=TrainConfig(8, 8, 2e-3),
        pretrain=TrainConfig(4, 8, 2e-3),
        finetune=TrainConfig(4, 8, 2e-3),
        siclip=SiCLIPConfig(model, width=8, code_dim=8, depth=1, projection=16, embedding=8),
        train_siclip=TrainConfig(4, 8, 2e-3),
        tokenizer_window=40,
        translator=TranslatorConfig(32, 1, 2, TrainConfig(4, 8, 2e-3)),
    )
