"""release: SiCLIP as it is evaluated there, a mask on the wrong axis included (MaDiS §3.4)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from madis_lib import siclip
from madis_lib.parts import PARTS
from madis_lib.release import model_names, tokenizer_names

POOL = 45  # texts are searched among the signings of their own batch, in the order of the split

_OURS = {  # embed_tokens before the prefix that it begins with
    "lm.model.embed_tokens.": "embed.",
    "lm.model.": "backbone.qwen3.",
    "text_proj.linear1.": "text_projection.0.",
    "text_proj.linear2.": "text_projection.2.",
    "pose_proj.linear1.": "sign_projection.0.",
    "pose_proj.linear2.": "sign_projection.2.",
    "logit_scale": "logit_scale",
}


def from_release_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of :class:`madis_lib.siclip.SiCLIP` from the release's checkpoint.

    Left out: the tied output layer and, of the three VQ-VAEs, codebooks and decoders.
    """
    found = model_names.renamed(state, _OURS)
    for part, prefix in zip(PARTS, tokenizer_names.prefixes(state), strict=True):
        for key, value in state.items():
            if key.startswith(f"{prefix}.encoder."):
                ours = tokenizer_names.rename(key.removeprefix(f"{prefix}."))
                found[f"encoders.{part}.{ours.removeprefix('encoder.')}"] = value
    return found


def views(
    text: Tensor, text_valid: Tensor, sign: Tensor, sign_valid: Tensor, scale: Tensor | float = 1.0
) -> tuple[Tensor, Tensor]:
    """:func:`madis_lib.siclip.views` of a batch of pairs, ``[B, B]`` each, with the release's mask.

    Row i's own signing says which tokens of *every* signing count in the sign view's mean.  On the
    diagonal that is right; elsewhere the length of the matching signing leaks into its row.
    """
    averaged = sign_valid[:, None].expand(len(text), len(sign), -1)
    return siclip.views(text, text_valid, sign, sign_valid, scale, averaged)
