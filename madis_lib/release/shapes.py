"""Which tensors the release's checkpoints hold, by its own names, for any sizes.

Sizes are read off a few tensors; everything else must then fit.  So a tiny checkpoint loads like
the real one, and a wrong one is named tensor by tensor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from madis_lib import parts
from madis_lib.presets import ModelConfig, TokenizerConfig

Shapes = dict[str, tuple[int, ...]]

LANGUAGE = "lm.language_model."
SICLIP = "lm.model."
SPARE = 3  # unused ids behind each block of codes
HANDS = ("lhand", "rhand")
# A pretrained checkpoint may lack what only fine-tuning uses.
FINETUNING_ONLY = tuple(
    f"{LANGUAGE}{name}"
    for name in (
        "body_codebook", "lhand_codebook", "rhand_codebook",
        "body_emb_mapper.weight", "lhand_emb_mapper.weight", "rhand_emb_mapper.weight",
        "gate_net.linear1.weight", "gate_net.linear1.bias",
        "gate_net.linear2.weight", "gate_net.linear2.bias",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """What the shapes of a checkpoint say; language and projection sizes where it has them."""

    tokenizer: TokenizerConfig
    language: ModelConfig | None = None  # ``text_vocab``: rows of text
    projection: int = 0
    embedding: int = 0


def relevant(found: Mapping[str, tuple[int, ...]]) -> Shapes:
    """Without the counters of losses and metrics that Lightning saves along."""
    counters = ("_losses", "Metrics")
    return {k: shape for k, shape in found.items() if not any(c in k for c in counters)}


def kind(found: Mapping[str, tuple[int, ...]]) -> str:
    """``language``, ``siclip`` or ``tokenizer``."""
    if any(name.startswith(LANGUAGE) for name in found):
        return "language"
    return "siclip" if any(name.startswith(SICLIP) for name in found) else "tokenizer"


def sizes(found: Mapping[str, tuple[int, ...]], body: str, max_tokens: int) -> Sizes:
    """Sizes of a checkpoint; ``body`` is the body's prefix.

    Raises KeyError (a tensor that decides a size is missing) or IndexError (it has too few axes).
    """
    codes = tuple(found[f"{p}.quantizer.codebook"][0] for p in (body, "hand_vae", "rhand_vae"))
    width = found[f"{body}.encoder.model.0.weight"][0]
    depth = _count(found, rf"{body}\.encoder\.model\.2\.1\.model\.(\d+)\.conv1\.weight")
    code_dim = found[f"{body}.quantizer.codebook"][1]
    tokenizer = TokenizerConfig((codes[0], codes[1], codes[2]), width, code_dim, depth)
    if kind(found) == "language":
        stack = f"{LANGUAGE}main_lm."
        rows = found[f"{stack}embed_tokens.weight"][0] - 1 - sum(codes) - 3 * SPARE
        return Sizes(tokenizer, _language(found, stack, rows, max_tokens))
    if kind(found) == "siclip":
        rows = found[f"{SICLIP}embed_tokens.weight"][0]
        projection, embedding = (found[f"text_proj.linear{i}.weight"][0] for i in (1, 2))
        return Sizes(tokenizer, _language(found, SICLIP, rows, 0), projection, embedding)
    return Sizes(tokenizer)


def _language(
    found: Mapping[str, tuple[int, ...]], stack: str, rows: int, max_tokens: int
) -> ModelConfig:
    first = f"{stack}layers.0."
    head = found[f"{first}self_attn.q_norm.weight"][0]
    return ModelConfig(
        hidden_size=found[f"{stack}embed_tokens.weight"][1],
        num_layers=_count(found, re.escape(stack) + r"layers\.(\d+)\.input_layernorm\.weight"),
        num_heads=found[f"{first}self_attn.q_proj.weight"][0] // head,
        num_kv_heads=found[f"{first}self_attn.k_proj.weight"][0] // head,
        head_dim=head,
        intermediate_size=found[f"{first}mlp.gate_proj.weight"][0],
        max_tokens=max_tokens,
        text_vocab=rows,
    )


def _count(found: Mapping[str, tuple[int, ...]], pattern: str) -> int:
    """How many tensors are named by ``pattern`` with the numbers 0, 1, 2, ...; KeyError for a gap."""
    numbers = {int(m[1]) for name in found if (m := re.fullmatch(pattern, name))}
    gap = next(i for i in range(len(numbers) + 1) if i not in numbers)
    if gap != len(numbers) or not numbers:
        raise KeyError(pattern.replace("\\", "").replace("(d+)", str(gap)))
    return gap


def expected(sizes: Sizes, kind: str, body: str) -> Shapes:
    """Every tensor of a checkpoint of that kind and those sizes."""
    t, m = sizes.tokenizer, sizes.language
    shapes: Shapes = {}
    for prefix, part, codes in zip(
        (body, "hand_vae", "rhand_vae"), parts.PARTS, t.codes, strict=True
    ):
        vqvae = _vqvae(len(parts.COLUMNS[part]), codes, t)
        shapes |= {f"{prefix}.{name}": shape for name, shape in vqvae.items()}
    if m is None:
        return shapes
    d = m.hidden_size
    if kind == "siclip":
        shapes |= _qwen3(SICLIP, m, m.text_vocab)
        shapes["lm.lm_head.weight"] = (m.text_vocab, d)
        shapes |= _mlp("text_proj", d, sizes.projection, sizes.embedding)
        shapes |= _mlp("pose_proj", 3 * t.code_dim, sizes.projection, sizes.embedding)
        shapes["logit_scale"] = (1,)
        return shapes
    shapes |= _qwen3(f"{LANGUAGE}main_lm.", m, m.text_vocab + 1 + sum(t.codes) + 3 * SPARE)
    shapes |= _mlp(f"{LANGUAGE}gate_net", 3 * t.code_dim, d, 3)
    for part, codes in zip(("body", *HANDS), t.codes, strict=True):
        shapes[f"{LANGUAGE}{part}_codebook"] = (codes, t.code_dim)
        shapes[f"{LANGUAGE}{part}_emb_mapper.weight"] = (d, t.code_dim)
        shapes |= _mlp(f"mlp_{part}", d, m.intermediate_size, t.code_dim)
    return shapes


def _mlp(name: str, size: int, hidden: int, out: int) -> Shapes:
    return {
        f"{name}.linear1.weight": (hidden, size),
        f"{name}.linear1.bias": (hidden,),
        f"{name}.linear2.weight": (out, hidden),
        f"{name}.linear2.bias": (out,),
    }


def _qwen3(stack: str, m: ModelConfig, rows: int) -> Shapes:
    d, queries, keys = m.hidden_size, m.num_heads * m.head_dim, m.num_kv_heads * m.head_dim
    layer = {
        "self_attn.q_proj": (queries, d),
        "self_attn.k_proj": (keys, d),
        "self_attn.v_proj": (keys, d),
        "self_attn.o_proj": (d, queries),
        "self_attn.q_norm": (m.head_dim,),
        "self_attn.k_norm": (m.head_dim,),
        "mlp.gate_proj": (m.intermediate_size, d),
        "mlp.up_proj": (m.intermediate_size, d),
        "mlp.down_proj": (d, m.intermediate_size),
        "input_layernorm": (d,),
        "post_attention_layernorm": (d,),
    }
    shapes: Shapes = {f"{stack}embed_tokens.weight": (rows, d), f"{stack}norm.weight": (d,)}
    for i in range(m.num_layers):
        shapes |= {f"{stack}layers.{i}.{k}.weight": shape for k, shape in layer.items()}
    return shapes


def _vqvae(features: int, codes: int, t: TokenizerConfig) -> Shapes:
    w = t.width
    convolutions = {
        "encoder.model.0": (w, features, 3),
        "encoder.model.4": (t.code_dim, w, 3),
        "decoder.model.0": (w, t.code_dim, 3),
        "decoder.model.4": (w, w, 3),
        "decoder.model.6": (features, w, 3),
    }
    for stage in (2, 3):
        convolutions[f"encoder.model.{stage}.0"] = (w, w, 4)
        convolutions[f"decoder.model.{stage}.2"] = (w, w, 3)
        for block in range(t.depth):
            for stack in (f"encoder.model.{stage}.1", f"decoder.model.{stage}.0"):
                convolutions[f"{stack}.model.{block}.conv1"] = (w, w, 3)
                convolutions[f"{stack}.model.{block}.conv2"] = (w, w, 1)
    shapes: Shapes = {"quantizer.codebook": (codes, t.code_dim)}
    for name, shape in convolutions.items():
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, shape[:1]
    return shapes
