"""Token, latent and physical objectives (MaDiS §3.2-3.3)."""

import pytest
import torch
import torch.nn.functional as F

from madis_lib import diffusion, objectives, utc
from madis_lib.parts import COLUMNS, PARTS
from tests.tiny import small_model


def batch(model, lengths=(9, 5, 2), seed=0) -> objectives.Batch:
    g = torch.Generator().manual_seed(seed)
    n, size = len(lengths), max(lengths)
    text_lengths = torch.tensor([4, 6, 3])[:n]
    return objectives.Batch(
        text_ids=torch.randint(1, 20, (n, 6), generator=g),
        text_valid=torch.arange(6) < text_lengths[:, None],
        codes=torch.randint(0, 5, (n, size, 3), generator=g),
        lengths=torch.tensor(lengths),
        motion=torch.randn(n, 4 * size, 133, generator=g),
    )


class LinearDecoder(torch.nn.Module):
    """Four frames from each latent; no neighbours."""

    def __init__(self, columns, seed):
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.w = torch.randn(16, 4 * columns, generator=g) / 4

    def forward(self, z, lengths):
        return (z @ self.w).unflatten(-1, (4, -1)).flatten(1, 2)


class WideDecoder(LinearDecoder):
    """Each latent also moves the frames of its neighbours."""

    def forward(self, z, lengths):
        return super().forward(z + z.roll(1, 1) + z.roll(-1, 1), lengths)


DECODERS = [LinearDecoder(len(COLUMNS[p]), i) for i, p in enumerate(PARTS)]


def test_canvas_ends_in_eos():
    model = small_model()
    b = batch(model)
    ids = objectives.canvas(b.codes, b.lengths, 12, model.vocab)
    for row, length in zip(ids, b.lengths, strict=True):
        assert model.vocab.is_code_triple(row[:length]).all()
        assert (row[length:] == model.vocab.eos).all()
    targets = objectives.head_targets(ids, model.vocab)
    assert (targets[0][1, 5:] == model.vocab.codes[0]).all()
    assert (targets[2][0, :9] == b.codes[0, :, 2]).all()


def test_latent_loss_by_hand():
    g = torch.Generator().manual_seed(0)
    books = [torch.randn(5, 4, generator=g) for _ in range(3)]
    codes = torch.randint(0, 5, (2, 3, 3), generator=g)
    predicted = [torch.randn(2, 3, 4, generator=g) for _ in range(3)]
    masked = torch.tensor([[1, 0, 1], [0, 0, 1]]).bool()
    loss = objectives.latent_loss(predicted, books, codes, masked)
    by_hand = sum(
        F.smooth_l1_loss(predicted[p][masked], books[p][codes[masked][:, p]]) for p in range(3)
    )
    torch.testing.assert_close(loss, by_hand)
    perfect = [books[p][codes[..., p]] for p in range(3)]
    assert objectives.latent_loss(perfect, books, codes, masked) == 0


def test_physical_loss_looks_only_at_frames_of_masked_signs():
    model = small_model()
    b = batch(model)
    masked = torch.zeros(3, 9, dtype=torch.bool)
    masked[0, 2] = masked[1, 4] = True
    g = torch.Generator().manual_seed(1)
    predicted = [torch.randn(3, 9, 16, generator=g) for _ in range(3)]
    loss = objectives.physical_loss(predicted, DECODERS, b.motion, b.lengths, masked)
    other = b.motion.clone()
    other[0, 12:] += 100
    other[2] += 100
    torch.testing.assert_close(
        loss, objectives.physical_loss(predicted, DECODERS, other, b.lengths, masked)
    )
    other[0, 8] += 1
    assert objectives.physical_loss(predicted, DECODERS, other, b.lengths, masked) > loss


def test_nothing_masked_is_zero_with_a_gradient():
    predicted = [torch.randn(1, 4, 16, requires_grad=True) for _ in range(3)]
    none = torch.zeros(1, 4, dtype=torch.bool)
    codes = torch.zeros(1, 4, 3, dtype=torch.long)
    loss = objectives.latent_loss(predicted, [torch.zeros(2, 16)] * 3, codes, none)
    loss = loss + objectives.physical_loss(
        predicted, DECODERS, torch.zeros(1, 16, 133), torch.tensor([4]), none
    )
    loss.backward()
    assert loss == 0 and predicted[0].grad.abs().sum() == 0


@pytest.mark.parametrize("stage", ["pretraining", "finetuning"])
def test_losses_reach_every_weight(stage):
    model = small_model()
    loss_of = getattr(objectives, f"{stage}_loss")
    loss, logs = loss_of(model, DECODERS, batch(model), torch.Generator().manual_seed(0))
    loss.backward()
    assert loss.isfinite() and {"sign", "latent", "physical"} <= set(logs)
    untouched = {n for n, p in model.named_parameters() if p.grad is None}
    # the mixture of parts is used in fine-tuning only
    assert all(n.startswith("fusion") for n in untouched)
    assert bool(untouched) == (stage == "pretraining")


def smooth_l1(errors):
    size = errors.abs()
    return torch.where(size < 1, size**2 / 2, size - 0.5).mean()


def by_hand(model, b, t, text_masked, sign_masked, finetuning=False, text_counts=True):
    """The four terms of L_pre, or of L_sft, each sentence by itself and without padding."""
    text = sign = 0.0
    latent, physical = ([[], [], []] for _ in range(2))  # errors of each part
    for i, (n_text, n_sign) in enumerate(zip(b.text_valid.sum(1), b.lengths, strict=True)):
        size = model.config.max_tokens if finetuning else n_sign + 1  # eos to the end, or one
        words, codes = b.text_ids[i, :n_text], b.codes[i, :n_sign]
        ends = torch.tensor(model.vocab.codes).expand(size - n_sign, 3)  # a head's last class
        wanted = torch.cat([codes, ends])
        ids = torch.full((size, 3), model.vocab.eos)
        ids[:n_sign] = codes + torch.tensor(model.vocab.first)
        no_word, no_sign = text_masked[i, :n_text], sign_masked[i, :size]
        text_hidden, hidden = model(
            torch.where(no_word, model.vocab.mask, words)[None],
            torch.ones(1, n_text, dtype=torch.bool),
            torch.where(no_sign[:, None], model.vocab.mask, ids)[None],
            torch.ones(1, size, dtype=torch.bool),
            mop=finetuning,
        )
        scale = len(b.lengths) * t[i] * (size + (n_text if text_counts else 0))
        log_p = model.text_logits(text_hidden)[0].log_softmax(-1)
        text -= log_p[no_word, words[no_word]].sum() / scale
        where = no_sign[:n_sign]  # eos has neither a code vector nor frames
        frames = where.repeat_interleave(4)
        for p, part in enumerate(PARTS):
            log_p = model.sign_logits(hidden)[p][0].log_softmax(-1)
            sign -= log_p[no_sign, wanted[no_sign, p]].sum() / scale
            predicted = model.latents(hidden[:, :n_sign])[p]
            true = getattr(model.fusion, f"codebook{p}")[codes[:, p]]
            latent[p].append((predicted[0] - true)[where])
            motion = b.motion[i, : 4 * n_sign, COLUMNS[part]]
            physical[p].append((DECODERS[p](predicted, None)[0] - motion)[frames])
    terms = (sum(smooth_l1(torch.cat(errors)) for errors in of) for of in (latent, physical))
    return dict(zip(("text", "sign", "latent", "physical"), (text, sign, *terms), strict=True))


@torch.no_grad()
@pytest.mark.parametrize("levels", [("sign", "text", "latent", "physical"), ("sign", "latent")])
def test_pretraining_loss_by_hand(levels):
    """L_pre = L_tok + L_lat + L_phy (§3.2), of texts and signings of different lengths."""
    model = small_model()
    b = batch(model)
    total, logs = objectives.pretraining_loss(
        model, DECODERS, b, torch.Generator().manual_seed(0), levels
    )
    g = torch.Generator().manual_seed(0)
    t = diffusion.sample_times(3, g)
    text_masked, sign_masked = diffusion.mask_independently(t, 6 + 10, g).split([6, 10], 1)
    has_text = "text" in levels
    expected = by_hand(
        model, b, t, text_masked & has_text, sign_masked, text_counts=has_text
    )  # without the text's loss the text stays
    for name, term in expected.items():
        wanted = term if name in levels else 0 * logs[name]
        torch.testing.assert_close(logs[name], wanted, msg=lambda told, n=name: f"{n}: {told}")
        assert (logs[name] > 0) == (name in levels)
    torch.testing.assert_close(total, sum(expected[name] for name in levels))


@torch.no_grad()
def test_finetuning_loss_by_hand():
    """L_sft = L_tok + alpha (L_lat + L_phy) (§3.3): the text stays, UTC masks, eos to the end."""
    model = small_model()
    b = batch(model)
    total, logs = objectives.finetuning_loss(
        model, DECODERS, b, torch.Generator().manual_seed(0), alpha=0.3
    )
    g = torch.Generator().manual_seed(0)
    t = diffusion.sample_times(3, g)
    masked = ~utc.sample_visible(t, 12, g)
    expected = by_hand(model, b, t, torch.zeros(3, 6).bool(), masked, True, text_counts=False)
    assert expected.pop("text") == 0
    for name, term in expected.items():
        torch.testing.assert_close(logs[name], term, msg=lambda told, n=name: f"{n}: {told}")
    token, latent, physical = expected.values()
    torch.testing.assert_close(total, token + 0.3 * (latent + physical))


def test_alpha_weighs_the_auxiliary_losses():
    model = small_model()
    b = batch(model)

    def at(alpha):
        g = torch.Generator().manual_seed(0)
        return objectives.finetuning_loss(model, DECODERS, b, g, alpha)

    (zero, logs), (one, _) = at(0.0), at(1.0)
    torch.testing.assert_close(zero, logs["sign"])
    torch.testing.assert_close(one, logs["sign"] + logs["latent"] + logs["physical"])


def test_fine_tuning_hides_all_parts_together_and_keeps_text():
    """With every sign known the model sees no mask; text ids are never masked."""
    model = small_model()
    seen = {}
    model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.update(text=args[0], signs=args[2]), with_kwargs=True
    )
    b = batch(model)
    objectives.finetuning_loss(model, DECODERS, b, torch.Generator().manual_seed(0))
    assert (seen["text"] == b.text_ids).all()
    is_mask = seen["signs"] == model.vocab.mask
    assert (is_mask.all(-1) == is_mask.any(-1)).all() and is_mask.any()


def test_on_coarse_canvases_nothing_outside_the_current_grid_counts():
    model, m = small_model(), small_model().config.max_tokens
    b = batch(model, (9, 9, 9))
    t = diffusion.sample_times(3, torch.Generator().manual_seed(0))
    hidden = ~utc.current_grid(t, m)[:, :9]
    assert hidden.any(1).tolist() == (t >= 0.5).tolist() and hidden.any()

    def loss(of, coarse):
        g = torch.Generator().manual_seed(0)
        return objectives.finetuning_loss(model, DECODERS, of, g, coarse=coarse)[0]

    other = batch(model, (9, 9, 9))
    other.codes[hidden] = (other.codes[hidden] + 1) % 5
    other.motion[hidden.repeat_interleave(4, 1)] += 1
    seen = {}
    model.latent_heads[0].register_forward_hook(lambda _, args, out: seen.update(out=out))
    objectives.finetuning_loss(
        model, [WideDecoder(len(COLUMNS[p]), i) for i, p in enumerate(PARTS)], b,
        torch.Generator().manual_seed(0), coarse=True,
    )[0].backward(inputs=[seen["out"]])  # fmt: skip
    assert (seen["out"].grad[hidden] == 0).all() and seen["out"].grad.any()
    assert loss(other, True) == loss(b, True) and loss(other, False) != loss(b, False)
    assert loss(b, True) != loss(b, False)
