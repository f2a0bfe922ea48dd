"""The Qwen3 stack, read in both directions (MaDiS §4: a non-causal mask in every layer)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import Cache, Qwen3Config, Qwen3Model

from madis_lib.presets import ModelConfig


def attention_mask(
    valid: Tensor, dtype: torch.dtype, causal: bool = False, prefix: int = 0
) -> Tensor:
    """Additive mask ``[B, 1, L, L]``: 0 between valid positions, the least number elsewhere.

    Args:
        valid: bool ``[B, L]``, False at padding.
        causal: hide the future instead, for a model that reads forwards; padding then sees the
            valid positions before it, as in transformers' own causal mask.
        prefix: so many first positions attend to themselves only.
    """
    keys = valid[:, None, None, :]
    if causal:
        past = torch.ones(valid.shape[1:] * 2, dtype=torch.bool, device=valid.device).tril()
        allowed = keys & past
    else:
        allowed = keys & valid[:, None, :, None]
    if prefix:
        inside = torch.arange(valid.shape[1], device=valid.device) < prefix
        allowed = allowed & (inside | ~inside[:, None])
    return torch.zeros(allowed.shape, dtype=dtype, device=valid.device).masked_fill(
        ~allowed, torch.finfo(dtype).min
    )


class Backbone(nn.Module):
    """Embeddings in, hidden states out; every transformers Qwen3 weight fits."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.qwen3 = Qwen3Model(
            Qwen3Config(
                vocab_size=1,  # embeddings are made outside
                hidden_size=config.hidden_size,
                intermediate_size=config.intermediate_size,
                num_hidden_layers=config.num_layers,
                num_attention_heads=config.num_heads,
                num_key_value_heads=config.num_kv_heads,
                head_dim=config.head_dim,
                rms_norm_eps=1e-6,
                rope_parameters={"rope_type": "default", "rope_theta": 1e6},
                use_cache=False,
                pad_token_id=None,
            )
        )
        del self.qwen3.embed_tokens

    @torch.no_grad()
    def start_from_qwen3(self, checkpoint: str, first_layers: bool = False) -> Tensor:
        """Take the stack of a Qwen3 checkpoint; its text rows ``[V, d]``.

        Args:
            checkpoint: folder or hub name.
            first_layers: it may have more layers; the others are left out.

        Raises:
            ValueError: its sizes are not those of the configuration.
        """
        source = Qwen3Model.from_pretrained(checkpoint, dtype=torch.float32)
        weights, mine = source.state_dict(), self.qwen3.state_dict()
        rows = weights.pop("embed_tokens.weight")
        if first_layers:
            weights = {k: v for k, v in weights.items() if k in mine}
        shapes = [{k: v.shape for k, v in state.items()} for state in (weights, mine)]
        if shapes[0] != shapes[1] or rows.shape[1:] != mine["norm.weight"].shape:
            raise ValueError(f"{checkpoint}: sizes differ from the preset's; use one that fits it")
        if source.config.rope_parameters != self.qwen3.config.rope_parameters:
            raise ValueError(f"{checkpoint}: its rotary positions are not those of Qwen3-0.6B")
        self.qwen3.load_state_dict(weights)
        return rows

    def forward(
        self,
        embeddings: Tensor,
        valid: Tensor,
        positions: Tensor,
        causal: bool = False,
        prefix: int = 0,
        cache: Cache | None = None,
    ) -> Tensor:
        """Hidden states ``[B, L, d]`` of ``embeddings [B, L, d]``.

        Args:
            valid: bool ``[B, L]``, with a cache also of what is in it; padding is attended to by
                nothing.
            positions: rotary positions, int ``[B, L]``.
            causal: read forwards only, as SiCLIP's text tower does.
            prefix: so many first positions attend to themselves only.
            cache: keys and values of the positions before; those of ``embeddings`` are added.
        """
        mask = attention_mask(valid, embeddings.dtype, causal, prefix)[:, :, -embeddings.shape[1] :]
        return self.qwen3(
            inputs_embeds=embeddings,
            attention_mask={"full_attention": mask},
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state
