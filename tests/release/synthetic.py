"""Checkpoints as the release writes them, with every key it has, at a tiny size."""

import collections
import pickle
from pathlib import Path

import torch

from madis_lib.data import text as text_data
from madis_lib.presets import ModelConfig, TokenizerConfig
from madis_lib.release import shapes
from madis_lib.release.shapes import Sizes

VQ = TokenizerConfig((8, 6, 6), width=8, code_dim=4, depth=2)
ROWS = 290  # of text
LAYERS = ModelConfig(16, 2, 2, 1, 8, 24, max_tokens=100, text_vocab=ROWS)
KINDS = {
    "tokenizer": Sizes(VQ),
    "language": Sizes(VQ, LAYERS),
    "siclip": Sizes(VQ, LAYERS, projection=20, embedding=10),
}
TEXTS = ["put the onion in the pan", "the dog sleeps", "when does the train leave today"]


class Settings:
    """Stands for the configuration objects that Lightning saves beside the weights."""

    def __init__(self) -> None:
        self.lr, self.nested = 2e-4, {"betas": [0.9, 0.99]}


def state(kind: str, seed: int = 0, body: str = "vae") -> dict[str, torch.Tensor]:
    """Random weights under the release's names, its loss counters included."""
    generator = torch.Generator().manual_seed(seed)
    found = collections.OrderedDict()
    for name, shape in shapes.expected(KINDS[kind], kind, body).items():
        found[name] = 0.3 * torch.randn(shape, generator=generator)
        if name.endswith("norm.weight"):
            found[name] += 1
    for part, prefix in (("body", body), ("lhand", "hand_vae"), ("rhand", "rhand_vae")):
        if kind == "language":
            copy = found[f"{prefix}.quantizer.codebook"].clone()
            found[f"{shapes.LANGUAGE}{part}_codebook"] = copy
    if kind == "siclip":
        found["lm.lm_head.weight"] = found["lm.model.embed_tokens.weight"]
    found["_losses.losses_train.total"] = torch.tensor(1.5)
    found["_losses.losses_train.count"] = torch.tensor(7)
    return found


def save(path: Path, weights: dict[str, torch.Tensor], **more) -> Path:
    """A Lightning file: weights, and much that is none of our business."""
    optimiser = {"state": {0: {"exp_avg": torch.randn(3)}}, "param_groups": [{"lr": 1e-4}]}
    saved = {
        "epoch": 3, "pytorch-lightning_version": "2.4.0", "state_dict": weights,
        "optimizer_states": [optimiser], "hyper_parameters": Settings(),
        "callbacks": {Settings: {"best": torch.tensor(0.5)}}, "loops": collections.deque([1, 2]),
    }  # fmt: skip
    torch.save(saved | more, path)
    return path


def text_folder(folder: Path, rows: int = ROWS) -> Path:
    """A tokenizer of which only ``rows`` entries have a row of their own, and which."""
    tokenizer = text_data.train(TEXTS * 3, 400, folder)
    kept = [*range(len(tokenizer) - rows + 1, len(tokenizer)), tokenizer.eos_token_id]
    mapping = {old: new for new, old in enumerate(kept[:rows])}
    (folder / "map_ids.pkl").write_bytes(pickle.dumps(mapping))
    return folder


def stats_folder(folder: Path, seed: int = 0) -> Path:
    generator = torch.Generator().manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(0.1 * torch.randn(179, generator=generator), folder / "mean.pt")
    torch.save(0.1 + 0.2 * torch.rand(179, generator=generator), folder / "std.pt")
    return folder
