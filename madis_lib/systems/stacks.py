"""The two backbones that write signs from left to right: a causal Qwen3, and mBART.

Both read a prompt once, and then predict a position from all before it.  :meth:`forward` does all
positions at the same time, for training; :meth:`step` one at a time, with the keys and values of
earlier ones kept.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache, MBartConfig, MBartModel
from transformers.models.mbart.modeling_mbart import MBartDecoder, MBartEncoder

from madis_lib.backbone import Backbone
from madis_lib.model import positions_of
from madis_lib.presets import ModelConfig

DROPOUTS = (
    "dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop", "decoder_layerdrop",
)  # fmt: skip
PROMPT = 256  # longest prompt, in tokens; SOKE truncates there


@dataclass(frozen=True)
class Memory:
    """What a stack keeps of a batch between two steps."""

    valid: Tensor  # of the prompt, bool [B, Lt]
    cache: DynamicCache | EncoderDecoderCache
    encoded: Tensor | None = None  # the prompt as the encoder left it, [B, Lt, d]


class Stack(nn.Module, ABC):
    """Embeddings to hidden states; the prompt ``[B, Lt, d]`` is padded on the right."""

    scale = 1.0  # of the embeddings it is given

    @abstractmethod
    def forward(self, prompt: Tensor, valid: Tensor, signs: Tensor) -> Tensor:
        """Hidden states ``[B, L, d]`` of ``signs [B, L, d]``, each of which sees the prompt and those
        before it.
        """

    @abstractmethod
    def read(self, prompt: Tensor, valid: Tensor) -> Memory:
        """Read the prompt."""

    @abstractmethod
    def step(self, memory: Memory, sign: Tensor) -> Tensor:
        """Hidden state ``[B, 1, d]`` of one more position ``[B, 1, d]``."""


class CausalStack(Stack):
    """Decoder only: prompt and signs are one sequence through a causal Qwen3."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.backbone = Backbone(config)

    def forward(self, prompt: Tensor, valid: Tensor, signs: Tensor) -> Tensor:
        size = signs.shape[1]
        whole = torch.cat([valid, valid.new_ones(len(signs), size)], 1)
        hidden = self.backbone(
            torch.cat([prompt, signs], 1), whole, positions_of(valid, size), causal=True
        )
        return hidden[:, -size:]

    def read(self, prompt: Tensor, valid: Tensor) -> Memory:
        cache = DynamicCache(config=self.backbone.qwen3.config)
        self.backbone(prompt, valid, positions_of(valid, 0), causal=True, cache=cache)
        return Memory(valid, cache)

    def step(self, memory: Memory, sign: Tensor) -> Tensor:
        size = memory.valid.shape[1]
        before = memory.cache.get_seq_length() - size
        seen = torch.cat([memory.valid, memory.valid.new_ones(len(sign), before + 1)], 1)
        positions = memory.valid.sum(1, keepdim=True) + before
        return self.backbone(sign, seen, positions, causal=True, cache=memory.cache)


class EncoderDecoderStack(Stack):
    """mBART: an encoder reads the prompt in both directions, a decoder looks at it.

    Args:
        config: sizes; half as many layers in each, rounded up, so that it has about as many weights.
        checkpoint: folder or hub name of an mBART whose sizes it has instead, for
            :meth:`start_from_mbart`.
    """

    def __init__(self, config: ModelConfig, checkpoint: str | None = None) -> None:
        super().__init__()
        layers = (config.num_layers + 1) // 2
        if checkpoint is None:
            sizes = MBartConfig(
                vocab_size=1,  # embeddings are made outside
                pad_token_id=0,
                bos_token_id=None,
                eos_token_id=None,
                forced_eos_token_id=None,
                d_model=config.hidden_size,
                encoder_layers=layers,
                decoder_layers=layers,
                encoder_attention_heads=config.num_heads,
                decoder_attention_heads=config.num_heads,
                encoder_ffn_dim=config.intermediate_size,
                decoder_ffn_dim=config.intermediate_size,
                max_position_embeddings=PROMPT,
                dropout=0.0,  # as in every other row
            )
        else:
            sizes = MBartConfig.from_pretrained(checkpoint)
            for name in DROPOUTS:  # none, as in every other row
                setattr(sizes, name, 0.0)
            if sizes.d_model != config.hidden_size:
                raise ValueError(
                    f"{checkpoint}: its width is {sizes.d_model}, the preset's {config.hidden_size}; "
                    "use one that fits it"
                )
        if sizes.scale_embedding:
            self.scale = math.sqrt(sizes.d_model)
        self.encoder, self.decoder = MBartEncoder(sizes), MBartDecoder(sizes)
        del self.encoder.embed_tokens, self.decoder.embed_tokens

    @torch.no_grad()
    def start_from_mbart(self, checkpoint: str) -> Tensor:
        """Take encoder and decoder of an mBART checkpoint; its text rows ``[V, d]``."""
        source = MBartModel.from_pretrained(checkpoint, dtype=torch.float32)
        for mine, theirs in ((self.encoder, source.encoder), (self.decoder, source.decoder)):
            state = {k: v for k, v in theirs.state_dict().items() if k != "embed_tokens.weight"}
            mine.load_state_dict(state)
        return source.shared.weight

    def _encoded(self, prompt: Tensor, valid: Tensor) -> Tensor:
        return self.encoder(inputs_embeds=prompt, attention_mask=valid.long()).last_hidden_state

    def forward(self, prompt: Tensor, valid: Tensor, signs: Tensor) -> Tensor:
        return self.decoder(
            inputs_embeds=signs,
            encoder_hidden_states=self._encoded(prompt, valid),
            encoder_attention_mask=valid.long(),
            use_cache=False,
        ).last_hidden_state

    def read(self, prompt: Tensor, valid: Tensor) -> Memory:
        config = self.decoder.config
        cache = EncoderDecoderCache(DynamicCache(config=config), DynamicCache(config=config))
        return Memory(valid, cache, self._encoded(prompt, valid))

    def step(self, memory: Memory, sign: Tensor) -> Tensor:
        return self.decoder(
            inputs_embeds=sign,
            encoder_hidden_states=memory.encoded,
            encoder_attention_mask=memory.valid.long(),
            past_key_values=memory.cache,
            use_cache=True,
        ).last_hidden_state


def build(name: str, config: ModelConfig, mbart: str | None = None) -> Stack:
    """The stack called "qwen3" or "mbart"; the latter with the sizes of a checkpoint, where given."""
    return CausalStack(config) if name == "qwen3" else EncoderDecoderStack(config, mbart)


@torch.no_grad()
def decode(
    stack: Stack,
    prompt: Tensor,
    valid: Tensor,
    start: Tensor,
    choose: Callable[[Tensor, int], tuple[Tensor, Tensor]],
    embed: Callable[[Tensor], Tensor],
    most: int,
    cache: bool = True,
) -> tuple[Tensor, Tensor]:
    """Write positions from left to right, each sample until its own end.

    Args:
        prompt: ``[B, Lt, d]``; valid bool ``[B, Lt]``.
        start: what the first position is predicted from, ``[B, d]``.
        choose: hidden states ``[B, d]`` and the position's number to ids ``[B, ...]``, and which
            of them say the end, bool ``[B]``.
        embed: ids ``[B, ...]`` to ``[B, d]``.
        most: positions at most.
        cache: False reads everything again at each position, as SOKE's release does.

    Returns:
        ids ``[B, L, ...]``, of which those before a sample's end count, and these ends ``[B]``.
    """
    memory = stack.read(prompt, valid)
    written = start[:, None]
    ended = torch.zeros(len(start), dtype=torch.bool, device=start.device)
    lengths = torch.zeros(len(start), dtype=torch.int64, device=start.device)
    found: list[Tensor] = []
    while len(found) < most and not bool(ended.all()):
        hidden = stack.step(memory, written[:, -1:]) if cache else stack(prompt, valid, written)
        ids, end = choose(hidden[:, -1], len(found))
        ended = ended | end
        lengths += ~ended
        found.append(ids)
        written = torch.cat([written, embed(ids)[:, None]], 1)
    return torch.stack(found, 1), lengths
