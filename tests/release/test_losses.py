"""Training in the release's reading: heads, noise, losses and gradients it was seen to compute."""

import pytest
import torch

from madis_lib import utc
from madis_lib.objectives import Batch, latent_loss
from madis_lib.parts import PARTS
from madis_lib.release import forward, losses, noise
from tests.release.tolerances import CLOSE, GRADIENTS, NAMES


@torch.no_grad()
def test_finetuned_heads(golden, model):
    g = golden.tensors("mdlm_sft")
    hidden = forward.finetuned_hidden(
        model, g["prompt_ids"], g["prompt_mask"].bool(), g["input_ids"]
    )
    torch.testing.assert_close(hidden, g["hidden_states"], **CLOSE)
    for name, logits in zip(NAMES, forward.finetuned_logits(model, hidden), strict=True):
        expected = g[f"logits_{name}"]
        assert torch.equal(logits.isfinite(), expected.isfinite())
        torch.testing.assert_close(logits, expected, **CLOSE)


@torch.no_grad()
def test_pretrained_softmax(golden, model):
    g = golden.tensors("mdlm_pretrain")
    hidden = forward.pretraining_hidden(model, g["input_ids"])
    torch.testing.assert_close(hidden, g["hidden_states"], **CLOSE)
    torch.testing.assert_close(forward.pretraining_logits(model, hidden), g["logits"], **CLOSE)


def test_id_layout(golden, model):
    v = golden.json("vocab")
    vocab = model.vocab
    assert (vocab.mask, vocab.size) == (v["mask"], v["total"])
    starts = [v[k][0] for k in ("motion", "hand", "rhand")]
    assert list(vocab.first) == starts
    for part, name in enumerate(NAMES):
        assert forward.head_rows(vocab, part).tolist() == v[f"finite_{name}"]
    logits = forward.pretraining_logits(model, torch.zeros(1, model.config.hidden_size))
    assert (~logits.isfinite()).nonzero()[:, 1].tolist() == v["blocked_pretrain"]


def test_utc_masks_in_the_order_the_release_draws_them(golden):
    g = golden.tensors("utc")
    p = g["utc.mask_probability"]
    generator = torch.Generator().manual_seed(123)
    assert torch.equal(noise.utc_visible(p, g["utc.visible"].shape[1], generator), g["utc.visible"])
    for stage, draw in (("sft", noise.finetuning_noise), ("pretrain", noise.pretraining_noise)):
        expected = g[f"add_noise.{stage}.visible"]
        p, masked = draw(*expected.shape, torch.Generator().manual_seed(7))
        torch.testing.assert_close(p, g[f"add_noise.{stage}.mask_probability"], rtol=0, atol=1e-7)
        assert torch.equal(~masked, expected)


def test_utc_masks_have_the_measured_frequencies(golden):
    measured = golden.json("utc_stats")
    generator = torch.Generator().manual_seed(0)
    for p, expected in measured["stats"].items():
        rows = torch.full((4000,), float(p))
        visible = noise.utc_visible(rows, measured["length"], generator)
        frequency = torch.tensor(expected["visible_frequency"])
        torch.testing.assert_close(visible.float().mean(0), frequency, rtol=0, atol=0.04)
        assert all(utc.feasible(row) for row in visible[:50])


def batch_of(g) -> Batch:
    """The golden batch of mdlm_losses; its labels are ids, -100 at padding."""
    labels = torch.stack([g["labels"], g["labels_hand"], g["labels_rhand"]], -1)
    lengths = g["decoder_attention_mask"].sum(1)
    codes = (labels - torch.tensor([103, 122, 149])).clamp(min=0)
    motion = torch.zeros(len(labels), 4 * labels.shape[1], 133)
    return Batch(g["input_ids"], g["attention_mask"].bool(), codes, lengths, motion)


STAGES = {
    "sft": losses.finetuning_loss,
    "pretrain": losses.pretraining_loss,
}


def decoders(tokenizer):
    return [tokenizer.vqvaes[p].decode_latents for p in PARTS]


@pytest.mark.parametrize("stage", STAGES)
def test_token_losses_and_gradients(golden, model, tokenizer, stage):
    g = golden.tensors("mdlm_losses")
    batch = batch_of(g)
    p, masked = g[f"{stage}.mask_probability"][:, 0], g[f"{stage}.mask_indices"]
    _, logs = STAGES[stage](model, decoders(tokenizer), batch, p, masked)
    for part, name in zip(PARTS, ("loss", "loss_hand", "loss_rhand"), strict=True):
        torch.testing.assert_close(logs[part], g[f"{stage}.{name}"], **CLOSE)
    sum(logs[part] for part in PARTS).backward()
    torch.testing.assert_close(
        model.embed.weight.grad, g[f"{stage}.grad_embed_tokens"], **GRADIENTS
    )
    if stage == "sft":
        torch.testing.assert_close(
            model.fusion.gate[0].weight.grad, g["sft.grad_gate_linear1"], **GRADIENTS
        )


@torch.no_grad()
@pytest.mark.parametrize("stage", STAGES)
def test_latent_and_physical_losses(golden, model, tokenizer, stage):
    g = golden.tensors("aux_losses")
    batch = Batch(
        g["text_ids"], g["text_mask"].bool(), g["m_tokens"], g["m_token_len"], g["motion"]
    )
    p, masked = g[f"{stage}.mask_probability"][:, 0], g[f"{stage}.selected"]
    total, logs = STAGES[stage](model, decoders(tokenizer), batch, p, masked)
    expected = {
        "body": "loss", "left": "loss_hand", "right": "loss_rhand",
        "latent": "L_lat", "physical": "L_phy",
    }  # fmt: skip
    for ours, theirs in expected.items():
        torch.testing.assert_close(logs[ours], g[f"{stage}.{theirs}"], **CLOSE, msg=ours)
    torch.testing.assert_close(total, g[f"{stage}.total"], **CLOSE)


@torch.no_grad()
def test_predicted_latents_and_their_motion(golden, model, tokenizer):
    """Also the first public version's L_phy: masked real positions only."""
    g = golden.tensors("aux_losses")
    real = torch.arange(10) < g["m_token_len"][:, None]
    ids = losses.sign_ids(g["m_tokens"], real, model.vocab)
    noisy = ids.masked_fill(g["sft.selected"][..., None], model.vocab.mask)
    hidden = forward.finetuned_hidden(model, g["text_ids"], g["text_mask"].bool(), noisy)
    predicted = model.latents(hidden)
    chosen = g["sft.selected"] & real
    torch.testing.assert_close(torch.cat(predicted, -1)[chosen], g["sft.recons_latent"], **CLOSE)
    codes = zip(model.fusion.codebooks, g["m_tokens"].unbind(-1), strict=True)
    true = torch.cat([book[c.clamp(max=len(book) - 1)] for book, c in codes], -1)
    torch.testing.assert_close(true[chosen], g["sft.gt_latent"], **CLOSE)
    motion = tokenizer.decode_latents(predicted)
    torch.testing.assert_close(motion, g["sft.recons_motions"], **CLOSE)

    frames = chosen.repeat_interleave(4, 1)
    assert frames.sum() == g["sft.first_commit_frames"]
    first = losses.physical_loss(predicted, decoders(tokenizer), g["motion"], frames)
    torch.testing.assert_close(first, g["sft.first_commit_L_phy"], **CLOSE)


def test_the_latent_loss_is_a_third_of_the_papers():
    generator = torch.Generator().manual_seed(0)
    predicted = [torch.randn(2, 5, 4, generator=generator) for _ in PARTS]
    books = [torch.randn(6, 4, generator=generator) for _ in PARTS]
    codes = torch.randint(6, (2, 5, 3), generator=generator)
    masked = torch.rand(2, 5, generator=generator) < 0.5
    arguments = (predicted, books, codes, masked)
    torch.testing.assert_close(3 * losses.latent_loss(*arguments), latent_loss(*arguments))


def test_dropout_acts_in_training_only(model):
    codes, hidden = torch.zeros(200, 3, dtype=torch.long), torch.ones(200, 32)
    before = model.fusion.gate_weights(codes), model.latents(hidden)[0]
    forward.add_dropout(model)
    torch.testing.assert_close(model.fusion.gate_weights(codes), before[0], rtol=0, atol=0)
    torch.testing.assert_close(model.latents(hidden)[0], before[1], rtol=0, atol=0)
    torch.manual_seed(0)
    model.train()
    assert len(model.fusion.gate_weights(codes).unique(dim=0)) > 1
    dropped = (model.latents(hidden)[0] == 0).float().mean()
    assert 0.05 < dropped < 0.15
