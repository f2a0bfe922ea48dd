"""MaDiS put together (Fig. 2): embeddings, bidirectional Qwen3, three heads, three latent heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from madis_lib import fusion
from madis_lib.backbone import Backbone
from madis_lib.fusion import mean_of_rows
from madis_lib.presets import ModelConfig
from madis_lib.vocab import Vocab


def positions_of(text_valid: Tensor, sign_length: int) -> Tensor:
    """Rotary positions ``[B, Lt + Ls]``: signs follow their own text, whatever its padding."""
    text = torch.arange(text_valid.shape[1], device=text_valid.device).expand_as(text_valid)
    sign = torch.arange(sign_length, device=text_valid.device)
    return torch.cat([text, text_valid.sum(1, keepdim=True) + sign], 1)


def part_logits(hidden: Tensor, table: Tensor, vocab: Vocab) -> list[Tensor]:
    """Three heads over codes and, last, eos, tied to the embedding rows ``table [V, d]``.

    ``[..., d] -> 3 x [..., K_p + 1]``.
    """
    rows = (table[vocab.head_ids(p, hidden.device)] for p in range(3))
    return [F.linear(hidden, row) for row in rows]


@torch.no_grad()
def start_rows(embed: nn.Embedding, rows: Tensor, text_size: int) -> None:
    """Take the text rows ``[V, d]`` of a checkpoint; those it lacks are drawn close to their mean.

    Raises:
        ValueError: fewer rows than text tokens.
    """
    if len(rows) < text_size:
        raise ValueError(f"{len(rows)} embedding rows for {text_size} text tokens")
    embed.weight[:text_size] = rows[:text_size]
    new = torch.randn_like(embed.weight[text_size:])
    embed.weight[text_size:] = rows.mean(0) + 0.01 * rows.std(0) * new


class MaDiS(nn.Module):
    """The mask predictor p(x0 | xt) for a text followed by sign triples.

    Args:
        config: sizes.
        vocab: id layout.
        codebooks: the tokenizer's codes of the three parts, ``[K_p, code_dim]``.
    """

    def __init__(self, config: ModelConfig, vocab: Vocab, codebooks: Sequence[Tensor]) -> None:
        super().__init__()
        d, code_dim = config.hidden_size, codebooks[0].shape[1]
        self.config, self.vocab = config, vocab
        self.embed = nn.Embedding(vocab.size, d)
        nn.init.normal_(self.embed.weight, std=d**-0.5)  # rows are also the output layer
        self.backbone = Backbone(config)
        self.fusion = fusion.build(config.fusion, codebooks, d)
        self.latent_heads = nn.ModuleList(
            nn.Sequential(
                nn.Linear(d, config.intermediate_size),
                nn.SiLU(),
                nn.Linear(config.intermediate_size, code_dim),
            )
            for _ in codebooks
        )

    @property
    def blocks(self) -> list[nn.Module]:
        """The layers, which FSDP2 shards and gathers one at a time."""
        return list(self.backbone.qwen3.layers)

    @torch.no_grad()
    def start_from_qwen3(self, checkpoint: str) -> None:
        """Take the stack and the text rows of a Qwen3 checkpoint (MaDiS §4: Qwen3-0.6B-Base).

        The rows of mask and codes, which it lacks, are drawn close to the mean of its rows.

        Raises:
            ValueError: its sizes are not those of the configuration.
        """
        rows = self.backbone.start_from_qwen3(checkpoint)
        try:
            start_rows(self.embed, rows, self.vocab.text_size)
        except ValueError as error:
            raise ValueError(f"{checkpoint}: {error}") from None

    def change_fusion(self, name: str, seed: int) -> None:
        """Put a row of Table 4 in place of the fusion; it keeps what fits of the weights there."""
        old, device = self.fusion.state_dict(), self.embed.weight.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            new = fusion.build(name, self.fusion.codebooks, self.config.hidden_size).to(device)
        mine = new.state_dict()
        fits = {k: v for k, v in old.items() if k in mine and v.shape == mine[k].shape}
        new.load_state_dict(fits, strict=False)
        self.fusion, self.config = new, replace(self.config, fusion=name)

    def embed_signs(self, ids: Tensor, mop: bool) -> Tensor:
        """Sign ids ``[..., 3]`` to embeddings ``[..., d]``.

        With ``mop`` (fine-tuning, §3.3) full code triples go through the mixture of parts, or what
        ``config.fusion`` has in its place; every other triple (mask, eos), and all of them in
        pretraining, is the mean of its rows.
        """
        embedded = mean_of_rows(self.embed.weight, ids)
        if mop and self.config.fusion != "average":
            full = self.vocab.is_code_triple(ids)
            embedded[full] = self.fusion(self.vocab.to_codes(ids[full]))
        return embedded

    def forward(
        self,
        text_ids: Tensor,
        text_valid: Tensor,
        sign_ids: Tensor,
        sign_valid: Tensor,
        mop: bool,
        positions: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Hidden states of text ``[B, Lt, d]`` and signs ``[B, Ls, d]``.

        Args:
            text_ids: int ``[B, Lt]``, padded on the right; ``text_valid`` bool ``[B, Lt]``.
            sign_ids: int ``[B, Ls, 3]``; ``sign_valid`` bool ``[B, Ls]``.
            mop: see :meth:`embed_signs`.
            positions: rotary positions; default :func:`positions_of`.
        """
        if positions is None:
            positions = positions_of(text_valid, sign_ids.shape[1])
        embedded = torch.cat([self.embed(text_ids), self.embed_signs(sign_ids, mop)], 1)
        valid = torch.cat([text_valid, sign_valid], 1)
        prefix = 0 if self.config.text_reads_signs else text_ids.shape[1]
        hidden = self.backbone(embedded, valid, positions, prefix=prefix)
        return hidden.split([text_ids.shape[1], sign_ids.shape[1]], 1)

    def text_logits(self, hidden: Tensor) -> Tensor:
        """``[..., d] -> [..., text_size]``."""
        return F.linear(hidden, self.embed.weight[: self.vocab.text_size])

    def sign_logits(self, hidden: Tensor) -> list[Tensor]:
        """Three heads, each over its codes and, last, eos; ``[..., d] -> 3 x [..., K_p + 1]``."""
        return part_logits(hidden, self.embed.weight, self.vocab)

    def latents(self, hidden: Tensor) -> list[Tensor]:
        """H_p = MLP_p(H), predictions of the code vectors (§3.2); ``3 x [..., code_dim]``."""
        return [head(hidden) for head in self.latent_heads]
