"""MaDiS against numbers measured from the release, and its invariances."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import Qwen3Config, Qwen3Model

from madis_lib.backbone import attention_mask
from madis_lib.model import MaDiS
from madis_lib.presets import ModelConfig
from madis_lib.release.model_names import from_release_names
from madis_lib.vocab import Vocab
from tests.tiny import small_model

GOLDEN = Path(__file__).parent / "golden"
CLOSE = {"rtol": 2e-5, "atol": 2e-5}


@pytest.fixture(scope="module")
def release_model():
    sizes = json.loads((GOLDEN / "config.json").read_text())
    q = sizes["qwen3"]
    config = ModelConfig(
        q["hidden_size"], q["num_hidden_layers"], q["num_attention_heads"],
        q["num_key_value_heads"], q["head_dim"], q["intermediate_size"],
        max_tokens=100, text_vocab=q["vocab_text"],
    )  # fmt: skip
    vocab = Vocab(q["vocab_text"], sizes["ids"]["eos"], sizes["ids"]["pad"], (16, 24, 24), spare=3)
    assert vocab.size == q["vocab_total"] and vocab.mask == sizes["ids"]["mask"]
    for part, key in enumerate(("body", "lhand", "rhand")):
        assert vocab.first[part] == sizes["ids"][key][0]
    model = MaDiS(config, vocab, [torch.zeros(k, 16) for k in vocab.codes])
    weights = from_release_names(load_file(GOLDEN / "weights.safetensors"))
    model.load_state_dict(weights, strict=True)
    return model.eval()


def padded_row(batch: int, length: int) -> torch.Tensor:
    """The release counts rotary positions over the padded row."""
    return torch.arange(length).expand(batch, length)


@torch.no_grad()
def test_finetuning_forward_equals_the_release(release_model):
    g = load_file(GOLDEN / "mdlm_sft.safetensors")
    ids, text = g["input_ids"], g["prompt_ids"]
    vocab = release_model.vocab
    full = vocab.is_code_triple(ids)
    torch.testing.assert_close(full, g["valid_triples"])
    torch.testing.assert_close(
        release_model.fusion.gate_weights(vocab.to_codes(ids[full])), g["gate_weights"], **CLOSE
    )
    torch.testing.assert_close(
        release_model.embed_signs(ids, mop=True), g["motion_embeddings"], **CLOSE
    )
    text_valid = g["prompt_mask"].bool()
    sign_valid = torch.ones(ids.shape[:2], dtype=torch.bool)
    both = torch.cat([text_valid, sign_valid], 1)
    torch.testing.assert_close(attention_mask(both, torch.float32), g["attention_mask_4d"])
    _, hidden = release_model(
        text, text_valid, ids, sign_valid, mop=True, positions=padded_row(*both.shape)
    )
    torch.testing.assert_close(hidden, g["hidden_states"], **CLOSE)
    names = ("body", "lhand", "rhand")
    for part, logits in enumerate(release_model.sign_logits(hidden)):
        expected = g[f"logits_{names[part]}"][..., vocab.head_ids(part)]
        torch.testing.assert_close(logits, expected, **CLOSE)


@torch.no_grad()
def test_pretraining_forward_equals_the_release(release_model):
    g = load_file(GOLDEN / "mdlm_pretrain.safetensors")
    ids = g["input_ids"]
    everything = torch.ones(ids.shape[:2], dtype=torch.bool)
    none = torch.zeros(2, 0, dtype=torch.long)
    _, hidden = release_model(
        none, none.bool(), ids, everything, mop=False, positions=padded_row(*ids.shape[:2])
    )
    torch.testing.assert_close(hidden, g["hidden_states"], **CLOSE)
    logits = hidden @ release_model.embed.weight.T
    finite = g["logits"].isfinite()
    torch.testing.assert_close(logits[finite], g["logits"][finite], **CLOSE)


@torch.no_grad()
def test_a_sentence_alone_equals_the_sentence_in_a_batch():
    model = small_model(torch.float64)
    text = torch.randint(1, 20, (3, 7))
    text_valid = torch.arange(7) < torch.tensor([[7], [3], [5]])
    signs = model.vocab.to_ids(torch.randint(0, 5, (3, 9, 3)))
    signs[:, 4] = model.vocab.mask
    sign_valid = torch.arange(9) < torch.tensor([[9], [6], [4]])
    for mop in (True, False):
        _, batched = model(text, text_valid, signs, sign_valid, mop)
        for b in range(3):
            n, m = int(text_valid[b].sum()), int(sign_valid[b].sum())
            _, alone = model(
                text[b : b + 1, :n], text_valid[b : b + 1, :n],
                signs[b : b + 1, :m], sign_valid[b : b + 1, :m], mop,
            )  # fmt: skip
            torch.testing.assert_close(batched[b, :m], alone[0], rtol=1e-10, atol=1e-10)


def test_a_qwen3_checkpoint_gives_the_stack_and_the_text_rows(tmp_path):
    sizes = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    }  # fmt: skip
    qwen3 = Qwen3Model(Qwen3Config(vocab_size=24, **sizes)).to(torch.bfloat16)  # as it is stored
    qwen3.save_pretrained(tmp_path)
    model = small_model()
    codes = model.embed.weight[21:].clone()
    model.start_from_qwen3(str(tmp_path))
    rows = qwen3.embed_tokens.weight.float()
    assert (
        model.embed.weight[:20] == rows[:20]
    ).all() and model.embed.weight.dtype == torch.float32
    stack = model.backbone.qwen3.layers[1].mlp.up_proj.weight
    assert (stack == qwen3.layers[1].mlp.up_proj.weight.float()).all()
    fresh = model.embed.weight[20:]
    assert (fresh[1:] != codes).any() and (fresh - rows.mean(0)).abs().max() < rows.std(0).max()

    text = torch.randint(0, 20, (1, 6))
    everything, none = torch.ones(1, 6, dtype=torch.bool), torch.zeros(1, 0, 3, dtype=torch.long)
    hidden, _ = model(text, everything, none, everything[:, :0], mop=True)
    expected = Qwen3Model.from_pretrained(tmp_path, dtype=torch.float32)(
        text, attention_mask={"full_attention": torch.zeros(1, 1, 6, 6)}
    ).last_hidden_state
    torch.testing.assert_close(hidden, expected, **CLOSE)

    Qwen3Model(Qwen3Config(vocab_size=24, **sizes | {"hidden_size": 16})).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="sizes differ"):
        model.start_from_qwen3(str(tmp_path))


def test_the_backbone_reads_both_ways():
    model = small_model()
    text = torch.randint(1, 20, (1, 3))
    signs = model.vocab.to_ids(torch.randint(0, 5, (1, 6, 3)))
    ok = torch.ones(1, 6, dtype=torch.bool)
    _, before = model(text, ok[:, :3], signs, ok, mop=True)
    signs[0, -1] = model.vocab.mask
    _, after = model(text, ok[:, :3], signs, ok, mop=True)
    assert (after[0, 0] - before[0, 0]).abs().max() > 1e-5


def test_vocab_round_trip_and_triples():
    vocab = Vocab(text_size=10, eos=3, pad=3, codes=(4, 5, 6), spare=1)
    codes = torch.tensor([[0, 0, 0], [3, 4, 5]])
    torch.testing.assert_close(vocab.to_codes(vocab.to_ids(codes)), codes)
    assert vocab.size == 10 + 1 + 15 + 3
    odd = vocab.to_ids(torch.tensor([[4, 0, 0], [0, 5, 0], [0, 0, -1]]))
    assert not vocab.is_code_triple(odd).any()
    assert vocab.is_code_triple(vocab.to_ids(codes)).all()
