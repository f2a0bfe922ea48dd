"""SiCLIP: the formulas on paper, blindness to padding, and the numbers measured from the release."""

import json

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open

from madis_lib import siclip
from madis_lib.presets import ModelConfig
from madis_lib.release import siclip as release
from madis_lib.siclip import SiCLIP, SiCLIPConfig

CLOSE = {"rtol": 2e-5, "atol": 2e-5}
TEXT = ModelConfig(16, 2, 2, 1, 8, 24, max_tokens=0, text_vocab=30)
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


@torch.no_grad()
def test_a_text_and_a_clip_alone_are_those_in_a_batch():
    torch.manual_seed(0)
    model = SiCLIP(CONFIG).double().eval()
    ids, valid = torch.randint(30, (2, 6)), torch.arange(6) < torch.tensor([[6], [4]])
    batch = model.text_features(ids, valid)
    torch.testing.assert_close(model.text_features(ids[1:, :4], valid[1:, :4])[0], batch[1, :4])
    motion = torch.randn(2, 40, 133, dtype=torch.float64)
    both = model.sign_features(motion, torch.tensor([40, 24]))
    torch.testing.assert_close(model.sign_features(motion[1:, :24])[0], both[1, :6])
    torch.testing.assert_close(both.norm(dim=-1)[1, :6], torch.ones(6, dtype=torch.float64))


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
