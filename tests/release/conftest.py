"""The release's tiny model, from its own weights under its own names."""

import pytest
import torch

from madis_lib.model import MaDiS
from madis_lib.presets import ModelConfig, TokenizerConfig
from madis_lib.release import model_names, tokenizer_names
from madis_lib.tokenizer import Tokenizer
from madis_lib.vocab import Vocab

VQ_PREFIXES = {"body": "vae", "left": "hand_vae", "right": "rhand_vae"}


@pytest.fixture(scope="session")
def weights(golden):
    return golden.tensors("weights")


@pytest.fixture
def tokenizer(golden, weights) -> Tokenizer:
    """The three VQ-VAEs of the golden weights, without normalisation."""
    vq = golden.json("config")["vq"]
    codes = (vq["body"]["code_num"], vq["hand"]["code_num"], vq["hand"]["code_num"])
    tokenizer = Tokenizer(TokenizerConfig(codes, vq["width"], vq["code_dim"], vq["depth"]))
    for part, prefix in VQ_PREFIXES.items():
        state = tokenizer_names.from_release_names(weights, prefix)
        tokenizer.vqvaes[part].load_state_dict(state)
    return tokenizer.eval().requires_grad_(False)


@pytest.fixture
def made(golden):
    """A function from a state dict under the release's names to the model it belongs to."""
    config = golden.json("config")
    q, vq, ids = config["qwen3"], config["vq"], config["ids"]
    codes = (vq["body"]["code_num"], vq["hand"]["code_num"], vq["hand"]["code_num"])

    def make(state) -> MaDiS:
        sizes = ModelConfig(
            q["hidden_size"], q["num_hidden_layers"], q["num_attention_heads"],
            q["num_key_value_heads"], q["head_dim"], q["intermediate_size"],
            max_tokens=100, text_vocab=q["vocab_text"],
        )  # fmt: skip
        vocab = Vocab(q["vocab_text"], ids["eos"], ids["pad"], codes, spare=3)
        model = MaDiS(sizes, vocab, [torch.zeros(k, vq["code_dim"]) for k in codes])
        model.load_state_dict(model_names.from_release_names(state))
        return model.eval()

    return make


@pytest.fixture
def model(made, weights) -> MaDiS:
    return made(weights)
