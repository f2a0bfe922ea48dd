"""The release's names for a VQ-VAE's tensors, in ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

# A release name is a path through nested Sequentials; (\d) is a stage (2 or 3) or a block.
_NAMES = (
    (r"encoder\.model\.0", "encoder.input"),
    (r"encoder\.model\.([23])\.0", "encoder.stages.{stage}.resample"),
    (r"encoder\.model\.([23])\.1\.model\.(\d+)\.conv([12])", "encoder.stages.{stage}.{block}"),
    (r"encoder\.model\.4", "encoder.output"),
    (r"decoder\.model\.0", "decoder.input"),
    (r"decoder\.model\.([23])\.0\.model\.(\d+)\.conv([12])", "decoder.stages.{stage}.{block}"),
    (r"decoder\.model\.([23])\.2", "decoder.stages.{stage}.resample"),
    (r"decoder\.model\.4", "decoder.hidden"),
    (r"decoder\.model\.6", "decoder.output"),
)


def rename(name: str) -> str:
    """Our name of an encoder's or decoder's tensor; ValueError where the release has no such."""
    module, _, kind = name.rpartition(".")
    for pattern, ours in _NAMES:
        if kind in ("weight", "bias") and (match := re.fullmatch(pattern, module)):
            groups = match.groups()
            stage = int(groups[0]) - 2 if groups else ""
            block = ""
            if len(groups) == 3:
                block = f"blocks.{groups[1]}.{('dilated', 'pointwise')[int(groups[2]) - 1]}"
            return f"{ours.format(stage=stage, block=block)}.{kind}"
    raise ValueError(f"{name!r} is no tensor of the release's VQ-VAE: is this another checkpoint?")


def prefixes(names: Iterable[str]) -> tuple[str, str, str]:
    """Prefixes of body, left and right hand; the release has two names for the body's."""
    old = any(key.startswith("motion_vae.") for key in names)
    return "motion_vae" if old else "vae", "hand_vae", "rhand_vae"


def from_release_names(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The state dict of one :class:`madis_lib.tokenizer.VQVAE` from the release's checkpoint.

    ``prefix`` is the part: "vae" or "motion_vae" (body), "hand_vae" (left), "rhand_vae" (right).
    The release keeps neither sums nor counts of its codebook; they start as for fresh codes.
    Raises ValueError where the prefix has no codebook or a name is unknown.
    """
    start = prefix.rstrip(".") + "."
    tensors = {k[len(start) :]: v for k, v in state.items() if k.startswith(start)}
    codes = tensors.pop("quantizer.codebook", None)
    if codes is None:
        raise ValueError(
            f"checkpoint has no '{start}quantizer.codebook': no tokenizer under {prefix!r}"
        )
    return {rename(name): value for name, value in tensors.items()} | {
        "codebook.embedding": codes,
        "codebook.code_sum": codes.clone(),
        "codebook.code_count": codes.new_ones(len(codes)),
        "codebook.initialised": torch.tensor(True),
    }
