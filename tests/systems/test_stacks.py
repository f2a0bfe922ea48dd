"""SOKE's mBART starts from a checkpoint in the format of facebook/mbart-large-cc25."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close
from transformers import MBartConfig, MBartModel

from madis_lib.data import text as text_data
from madis_lib.experiments import rivals
from madis_lib.experiments.suite import Suite
from tests import tiny


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    return Suite(tiny.preset(), tmp_path_factory.mktemp("home") / ".madis")


@pytest.fixture(scope="module")
def checkpoint(suite, tmp_path_factory):
    """Two layers each, scaled embeddings, dropout, and a text tokenizer, as the real one has."""
    folder = tmp_path_factory.mktemp("mbart")
    text = text_data.train(suite.texts("csl", "train"), 290, folder)
    torch.manual_seed(0)
    config = MBartConfig(
        vocab_size=len(text), d_model=suite.preset.model.hidden_size, encoder_layers=2,
        decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=24,
        decoder_ffn_dim=24, max_position_embeddings=64, scale_embedding=True, dropout=0.1,
        pad_token_id=text.pad_token_id, eos_token_id=text.eos_token_id, bos_token_id=None,
        forced_eos_token_id=None,
    )  # fmt: skip
    MBartModel(config).save_pretrained(folder)
    return str(folder)


def test_its_weights_and_its_words_are_taken(suite, checkpoint):
    p = replace(suite.preset, mbart=checkpoint)
    mine = Suite(p, suite.store.root.parent)
    soke = rivals.untrained(mine, "soke_mbart_alone", "csl", 0)
    model, theirs = soke.model.eval(), MBartModel.from_pretrained(checkpoint).eval()
    assert len(soke.text) == theirs.config.vocab_size != len(mine.text_tokenizer)
    ids, valid = soke.prompts(suite.texts("csl", "test")[:3], ["csl"] * 3)
    said = torch.randint(0, len(soke.text), (3, 5), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = model.stack(model.read(ids), valid, model.read(said))
        whole = theirs(ids, valid.long(), decoder_input_ids=said).last_hidden_state
    assert_close(ours, whole, rtol=1e-5, atol=1e-5)
    assert_close(model.embed.weight[: len(soke.text)], theirs.shared.weight)  # the output layer's
    again = rivals.untrained(mine, "soke_mbart_alone", "csl", 1).model.state_dict()
    same = [n for n, x in model.state_dict().items() if torch.equal(x, again[n])]
    assert {n for n in again if n.startswith("stack.")} <= set(same) < again.keys()
    assert rivals.trained(mine.named, "soke_mbart", "csl", 0).key != (
        rivals.trained(suite.named, "soke_mbart", "csl", 0).key
    )
    assert rivals.trained(mine.named, "soke_qwen3", "csl", 0).key == (
        rivals.trained(suite.named, "soke_qwen3", "csl", 0).key
    )


def test_one_of_another_width_is_refused(suite, checkpoint):
    wide = replace(suite.preset.model, hidden_size=2 * suite.preset.model.hidden_size)
    other = Suite(replace(suite.preset, mbart=checkpoint, model=wide), suite.store.root.parent)
    with pytest.raises(ValueError, match="mbart.*: its width is"):
        rivals.untrained(other, "soke_mbart_alone", "csl", 0)
