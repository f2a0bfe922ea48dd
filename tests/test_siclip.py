"""SiCLIP: the formulas on paper, blindness to padding, and the numbers measured from the release."""

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from transformers import Qwen3Config, Qwen3Model

from madis_lib import parts, siclip
from madis_lib.presets import ModelConfig, SiCLIPConfig
from madis_lib.release import siclip as release
from madis_lib.siclip import SiCLIP

CLOSE = {"rtol": 2e-5, "atol": 2e-5}
TEXT = ModelConfig(16, 2, 2, 1, 8, 24, max_tokens=0, text_vocab=30)
RUNGS = {
    "baseline": {"decoupled": False, "fine_grained": False},
    "decoupled": {"fine_grained": False},
    "fine_grained": {},
}
CONFIG = SiCLIPConfig(TEXT, width=12, code_dim=8, depth=2, projection=20, embedding=10)


@pytest.fixture
def features(golden):
    g = golden.tensors("siclip")
    text, sign = (F.normalize(g[f"{k}_features"], dim=-1) for k in ("text", "pose"))
    sign_valid = torch.arange(sign.shape[1]) < g["pose_lengths"][:, None]
    return g, (text, g["text_mask"].bool(), sign, sign_valid)


def test_views_and_loss_of_the_release(features):
    g, inputs = features
    text_view, sign_view = release.views(*inputs, g["logit_scale"].exp())
    torch.testing.assert_close(text_view, g["logits_per_text"], **CLOSE)
    torch.testing.assert_close(sign_view, g["logits_per_pose"], **CLOSE)
    torch.testing.assert_close(sign_view / g["logit_scale"].exp(), g["eval_similarity"], **CLOSE)
    torch.testing.assert_close(
        siclip.contrastive_loss(text_view, sign_view), g["clip_loss"], **CLOSE
    )


def test_the_papers_sign_view_differs_off_the_diagonal(features):
    g, inputs = features
    text_view, sign_view = siclip.views(*inputs, g["logit_scale"].exp())
    torch.testing.assert_close(sign_view, g["not_official_pose_masked_on_pose_axis"], **CLOSE)
    torch.testing.assert_close(text_view, g["logits_per_text"], **CLOSE)
    torch.testing.assert_close(sign_view.diagonal(), g["logits_per_pose"].diagonal(), **CLOSE)
    assert (sign_view - g["logits_per_pose"]).abs().max() > 0.5


@torch.no_grad()
def test_the_whole_model_of_the_release(golden):
    g = golden.tensors("siclip")
    with safe_open(golden.path("siclip.safetensors"), "pt") as file:
        sizes = {k: json.loads(v) for k, v in file.metadata().items() if k in ("qwen3", "vq")}
    q, vq = sizes["qwen3"], sizes["vq"]
    state = {k.removeprefix("full.").removeprefix("w."): v for k, v in g.items() if "w." in k}
    text = ModelConfig(
        q["hidden"], q["layers"], q["heads"], q["kv"], q["head_dim"], q["inter"], 0, q["vocab"]
    )
    hidden, embedding = (state[f"text_proj.linear{i}.weight"].shape[0] for i in (1, 2))
    model = SiCLIP(SiCLIPConfig(text, vq["width"], vq["code_dim"], 3, hidden, embedding)).eval()
    model.load_state_dict(release.from_release_names(state))
    ids, valid = g["full.text_ids"], g["full.text_mask"].bool()
    torch.testing.assert_close(
        model.text_states(ids, valid)[valid], g["full.text_hidden"][valid], **CLOSE
    )
    sign = model.sign_features(g["full.motion"])
    sign_valid = torch.arange(sign.shape[1]) < g["full.lengths"][:, None] // 4
    scale = model.logit_scale.exp()
    views = release.views(model.text_features(ids, valid), valid, sign, sign_valid, scale)
    torch.testing.assert_close(views[0], g["full.logits_per_text"], **CLOSE)
    torch.testing.assert_close(views[1], g["full.logits_per_pose"], **CLOSE)
    torch.testing.assert_close(views[1] / scale, g["full.eval_similarity"], **CLOSE)
    torch.testing.assert_close(siclip.contrastive_loss(*views), g["full.clip_loss"], **CLOSE)
    ours = model.similarity(model.text_features(ids, valid), valid, sign, sign_valid)
    expected = g["full.eval_similarity"].diagonal()  # elsewhere the release's mask is another
    torch.testing.assert_close(ours.diagonal(), expected, **CLOSE)


def random_features(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    text = F.normalize(torch.randn(3, 4, 6, generator=generator), dim=-1)
    sign = F.normalize(torch.randn(3, 5, 6, generator=generator), dim=-1)
    text_valid = torch.arange(4) < torch.tensor([[4], [2], [1]])
    sign_valid = torch.arange(5) < torch.tensor([[3], [5], [1]])
    return text, text_valid, sign, sign_valid


def test_one_pair_by_hand():
    text, text_valid, sign, sign_valid = random_features()
    text_view, sign_view = siclip.views(text, text_valid, sign, sign_valid, 2.0)
    s = 2 * text[1, :2] @ sign[0, :3].T  # [l, m]
    torch.testing.assert_close(text_view[1, 0], (s.softmax(1) * s).sum(1).mean())
    torch.testing.assert_close(sign_view[1, 0], (s.softmax(0) * s).sum(0).mean())


def test_the_loss_is_small_where_pairs_agree():
    agree = 20 * torch.eye(4)
    assert siclip.contrastive_loss(agree, agree) < 1e-6
    chance = siclip.contrastive_loss(torch.zeros(4, 4), torch.zeros(4, 4))
    torch.testing.assert_close(chance, torch.tensor(4.0).log())


def test_plain_clip_is_the_cosine_of_means():
    text, text_valid, sign, sign_valid = random_features()
    found = siclip.global_similarity(text, text_valid, sign, sign_valid)
    expected = F.cosine_similarity(text[1, :2].mean(0), sign[0, :3].mean(0), dim=0)
    torch.testing.assert_close(found[1, 0], expected)
    text[1, 2:], sign[0, 3:] = 7.0, 7.0  # padding
    torch.testing.assert_close(siclip.global_similarity(text, text_valid, sign, sign_valid), found)


def test_the_loss_of_one_view_is_clips():
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    both = (logits.log_softmax(1).diagonal() + logits.log_softmax(0).diagonal()).mean() / 2
    torch.testing.assert_close(siclip.contrastive_loss(logits), -both)
    torch.testing.assert_close(siclip.contrastive_loss(logits, logits), -both)


def test_one_encoder_has_the_latents_and_weights_of_three():
    sizes = {}
    for decoupled in (True, False):
        config = replace(CONFIG, width=64, code_dim=64, decoupled=decoupled)
        model = SiCLIP(config)
        assert list(model.encoders) == (list(parts.PARTS) if decoupled else ["whole"])
        sizes[decoupled] = sum(p.numel() for p in model.encoders.parameters())
        assert model.sign_projection[0].in_features == 3 * 64
    assert sizes[False] == pytest.approx(sizes[True], rel=0.15)


def test_decoupled_encoders_see_their_part_only():
    torch.manual_seed(0)
    for decoupled in (True, False):
        model = SiCLIP(replace(CONFIG, decoupled=decoupled))
        motion = torch.randn(1, 16, 133, requires_grad=True)
        x = parts.split(motion) if decoupled else {"whole": motion}
        first = next(iter(x))
        model.encoders[first](x[first].transpose(1, 2), None).sum().backward()
        others = [c for p, c in parts.COLUMNS.items() if p != "body"]
        moved = motion.grad[..., list(others[0]) + list(others[1])].abs().max()
        assert (moved == 0) == decoupled


def test_the_scale_starts_where_clips_does():
    assert SiCLIP(CONFIG).logit_scale.exp().item() == pytest.approx(1 / 0.07)


@pytest.mark.parametrize("rung", RUNGS)
def test_every_rung_learns_to_tell_pairs_apart(rung):
    torch.manual_seed(0)
    model = SiCLIP(replace(CONFIG, **RUNGS[rung]))
    ids, valid = torch.randint(30, (8, 5)), torch.arange(5) < torch.randint(2, 6, (8, 1))
    motion, lengths = torch.randn(8, 24, 133), torch.tensor([24, 16] * 4)
    sign_valid = torch.arange(6) < lengths[:, None] // 4
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)

    def features():
        return model.text_features(ids, valid), valid, model.sign_features(motion, lengths)

    for _ in range(40):
        optimiser.zero_grad()
        model.loss(*features(), sign_valid).backward()
        optimiser.step()
    with torch.no_grad():
        found = model.similarity(*features(), sign_valid)
    assert found.max() <= 1 + 1e-5
    right = torch.arange(8)
    assert (found.argmax(0) == right).all() and (found.argmax(1) == right).all()


def test_the_first_layers_of_a_qwen3_checkpoint(tmp_path):
    sizes = {
        "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    }  # fmt: skip
    qwen3 = Qwen3Model(Qwen3Config(vocab_size=33, **sizes))
    qwen3.save_pretrained(tmp_path)
    model = SiCLIP(CONFIG)
    model.start_from_qwen3(str(tmp_path))
    assert torch.equal(model.embed.weight, qwen3.embed_tokens.weight[:30])
    for mine, theirs in zip(model.backbone.qwen3.layers, qwen3.layers, strict=False):
        assert torch.equal(mine.mlp.up_proj.weight, theirs.mlp.up_proj.weight)
    with pytest.raises(ValueError, match="33 embedding rows for 40 text tokens"):
        SiCLIP(replace(CONFIG, text=replace(TEXT, text_vocab=40))).start_from_qwen3(str(tmp_path))
    with pytest.raises(ValueError, match="sizes differ"):
        deeper = replace(CONFIG, text=replace(TEXT, num_layers=4))
        SiCLIP(deeper).start_from_qwen3(str(tmp_path))


@torch.no_grad()
@pytest.mark.parametrize("decoupled", [True, False])
def test_a_text_and_a_clip_alone_are_those_in_a_batch(decoupled):
    torch.manual_seed(0)
    model = SiCLIP(replace(CONFIG, decoupled=decoupled)).double().eval()
    ids, valid = torch.randint(30, (2, 6)), torch.arange(6) < torch.tensor([[6], [4]])
    batch = model.text_features(ids, valid)
    torch.testing.assert_close(model.text_features(ids[1:, :4], valid[1:, :4])[0], batch[1, :4])
    motion = torch.randn(2, 40, 133, dtype=torch.float64)
    both = model.sign_features(motion, torch.tensor([40, 24]))
    torch.testing.assert_close(model.sign_features(motion[1:, :24])[0], both[1, :6])
    torch.testing.assert_close(both.norm(dim=-1)[1, :6], torch.ones(6, dtype=torch.float64))


@pytest.mark.parametrize(("frames", "lengths"), [(42, None), (44, [44, 42])])
def test_lengths_that_are_no_multiple_of_four_are_refused(frames, lengths):
    given = None if lengths is None else torch.tensor(lengths)
    with pytest.raises(ValueError, match="multiples of 4 frames"):
        SiCLIP(CONFIG).sign_features(torch.zeros(2, frames, 133), given)


@torch.no_grad()
def test_the_text_tower_reads_forwards():
    torch.manual_seed(0)
    model = SiCLIP(CONFIG).eval()
    ids, valid = torch.randint(30, (1, 6)), torch.ones(1, 6, dtype=torch.bool)
    before = model.text_states(ids, valid)
    ids[0, -1] = (ids[0, -1] + 1) % 30
    after = model.text_states(ids, valid)
    torch.testing.assert_close(after[:, :-1], before[:, :-1])
    assert (after[:, -1] - before[:, -1]).abs().max() > 1e-3
