"""Weight names of the release's language model, and ours."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

_OURS = {  # embed_tokens before the prefix that it begins with
    "lm.language_model.main_lm.embed_tokens.": "embed.",
    "lm.language_model.main_lm.": "backbone.qwen3.",
    "lm.language_model.body_codebook": "fusion.codebook0",
    "lm.language_model.lhand_codebook": "fusion.codebook1",
    "lm.language_model.rhand_codebook": "fusion.codebook2",
    "lm.language_model.body_emb_mapper.": "fusion.fc.0.",
    "lm.language_model.lhand_emb_mapper.": "fusion.fc.1.",
    "lm.language_model.rhand_emb_mapper.": "fusion.fc.2.",
    "lm.language_model.gate_net.linear1.": "fusion.gate.0.",
    "lm.language_model.gate_net.linear2.": "fusion.gate.2.",
    "mlp_body.linear1.": "latent_heads.0.0.",
    "mlp_body.linear2.": "latent_heads.0.2.",
    "mlp_lhand.linear1.": "latent_heads.1.0.",
    "mlp_lhand.linear2.": "latent_heads.1.2.",
    "mlp_rhand.linear1.": "latent_heads.2.0.",
    "mlp_rhand.linear2.": "latent_heads.2.2.",
}


def from_release_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The release's language-model tensors under our names; keys of other modules are left out."""
    return renamed(state, _OURS)


def renamed(state: Mapping[str, Tensor], prefixes: Mapping[str, str]) -> dict[str, Tensor]:
    """Tensors with the first of ``prefixes`` (theirs: ours) that fits replaced; others are left out."""
    found = {}
    for key, value in state.items():
        for theirs, ours in prefixes.items():
            if key.startswith(theirs):
                found[ours + key.removeprefix(theirs)] = value
                break
    return found
