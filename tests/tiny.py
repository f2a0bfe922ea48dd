"""Models small enough for tests."""

import torch

from madis_lib.model import MaDiS
from madis_lib.presets import ModelConfig
from madis_lib.vocab import Vocab


def small_model(dtype=torch.float32, codes=(6, 5, 5), max_tokens=12, seed=0) -> MaDiS:
    torch.manual_seed(seed)
    config = ModelConfig(32, 2, 4, 2, 8, 48, max_tokens=max_tokens, text_vocab=20)
    vocab = Vocab(text_size=20, eos=0, pad=0, codes=codes)
    return MaDiS(config, vocab, [torch.randn(k, 16) for k in codes]).to(dtype)
