"""The same tokens as :func:`madis_lib.sampler.generate`, faster: one idea at a time.

A step of the reverse process (MaDiS §3.3) needs, of all that the plain sampler computes, only what
the model says of the *open* places: blank and inside the current grid.  Each field of
:class:`Ideas` leaves out work that cannot change a token; with all of them off this is the plain
sampler again.  Equal means equal tokens up to the end of each sentence, in exact arithmetic: in
float32 sums round in another order, and a near tie may fall the other way.

The schedule is static: how many places are open at each step follows from M and the number of
steps alone, so that every shape is known beforehand.  With the ideas :data:`STATIC` and the paper's
mixture of parts nothing waits for the device, and the whole loop can be one CUDA graph
(:mod:`madis_lib.perf.cuda_graph`); ``early_stop`` and ``buckets`` look at the sentences, and
``unmasked`` asks once whether any text is padded.

Stopping early is a proof, not a guess: nothing written is written again, so an eos with no blank
before it ends the sentence for good.  Under UTC with uniform grids that happens in the last stage
only, where the odd places open.

Two shortcuts are *not* exact, and say so: ``coarse`` and :func:`generate_above`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from madis_lib import sampler, utc
from madis_lib.fusion import MixtureOfParts
from madis_lib.model import MaDiS, positions_of
from madis_lib.sampler import Generated
from madis_lib.vocab import CPU, on_device


@dataclass(frozen=True)
class Ideas:
    """What is left out of a step, each by itself."""

    unmasked: bool = True  # where no text is padded, attention needs no mask
    once: bool = True  # rotary angles, mask, head rows, projected codebooks: not every step anew
    incremental: bool = True  # only what was just written is embedded again
    open_heads: bool = True  # logits at open places only
    open_last_layer: bool = True  # so the last layer's queries and MLP too (its keys: everywhere)
    logsumexp: bool = True  # log p = logit - logsumexp: no tensor of probabilities
    text_once: bool = True  # keys and values of the text, where it does not read the signs
    early_stop: bool = True  # a sentence is done when all before its first eos is written
    buckets: bool = False  # only texts of one length together; pays where the buckets are full
    compiled: bool = False  # layers by torch.compile, for the first eight shapes it meets


ALL = Ideas()
NONE = Ideas(*[False] * 10)
STATIC = Ideas(unmasked=False, early_stop=False)  # in a CUDA graph


@dataclass(frozen=True)
class Step:
    """A pass through the model: which places may be written, and how many are."""

    grid: Tensor  # bool [M]
    shown: Tensor  # the grid's places, ascending
    open: int  # how many of these are blank before the step
    count: int  # how many of them it writes


@cache
def static_plan(
    size: int,
    steps: int,
    checkpoints: tuple[float, ...],
    layout: str,
    device: torch.device = CPU,
) -> list[Step]:
    """The steps of a canvas of ``size`` places; made once, as making it waits for the device."""
    plan = []
    for grid, counts in zip(
        utc.pivots(size, checkpoints, layout),
        utc.stage_schedule(size, steps, checkpoints, layout),
        strict=True,
    ):
        shown = grid.nonzero()[:, 0].to(device)
        plan += [
            Step(grid.to(device), shown, sum(counts[j:]), count) for j, count in enumerate(counts)
        ]
    return plan


def greedy_triples(logits: list[Tensor]) -> tuple[Tensor, Tensor]:
    """:func:`sampler.choose_triples` at temperature 0, by log p_i = z_i - logsumexp(z)."""
    body_eos = logits[0].new_empty(0, dtype=torch.bool)  # known after the body, which comes first
    picked, log_probs = [], []
    for part, z in enumerate(logits):
        if part == 0:
            best = z.argmax(-1)
            body_eos = best == z.shape[-1] - 1
        else:
            best = z[..., :-1].argmax(-1).masked_fill(body_eos, z.shape[-1] - 1)
        picked.append(best)
        log_probs.append(z.gather(-1, best[..., None])[..., 0] - z.logsumexp(-1))
    return torch.stack(picked, -1), torch.stack(log_probs, -1).mean(-1)


def take(x: Tensor, places: Tensor) -> Tensor:
    """``x [B, L, d]`` at ``places [B, n]``."""
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[-1]))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions: ``x [B, heads, L, head_dim]``, angles ``[B, L, head_dim]``."""
    first, second = x.chunk(2, -1)
    return x * cos[:, None] + torch.cat([-second, first], -1) * sin[:, None]


def keys_values(attention: Any, x: Tensor, rotary: tuple[Tensor, Tensor]) -> list[Tensor]:
    """Keys and values ``[B, heads, L, head_dim]`` of normalised ``x [B, L, d]``."""
    k, v = (
        project(x).unflatten(-1, (-1, attention.head_dim))
        for project in (attention.k_proj, attention.v_proj)
    )
    return [rotate(attention.k_norm(k).transpose(1, 2), *rotary), v.transpose(1, 2)]


def layer_at(
    layer: Any,  # Qwen3DecoderLayer
    x: Tensor,
    rotary: tuple[Tensor, Tensor],
    mask: Tensor | None,
    places: Tensor | None = None,
    text: list[Tensor] | None = None,
) -> Tensor:
    """One Qwen3 layer ``[B, L, d] -> [B, n, d]``, at ``places [B, n]`` only (default: everywhere).

    Args:
        mask: which keys a query may read, bool ``[B, 1, 1 or n, keys]``; None is all.
        text: keys and values that come before those of ``x``.
    """
    attention, normed = layer.self_attn, layer.input_layernorm(x)
    k, v = keys_values(attention, normed, rotary)
    if text is not None:
        k, v = (torch.cat(pair, 2) for pair in zip(text, (k, v), strict=True))
    if places is not None:
        x, normed = take(x, places), take(normed, places)
        rotary = take(rotary[0], places), take(rotary[1], places)
    q = attention.q_proj(normed).unflatten(-1, (-1, attention.head_dim))
    q = rotate(attention.q_norm(q).transpose(1, 2), *rotary)
    if q.is_cuda and q.dtype == torch.float32:  # there only the slowest kernel shares keys
        k, v = (of.repeat_interleave(q.shape[1] // of.shape[1], 1) for of in (k, v))
    read = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
    x = x + attention.o_proj(read.transpose(1, 2).flatten(2))
    return x + layer.mlp(layer.post_attention_layernorm(x))


@cache
def compiled_layer() -> Callable[..., Tensor]:
    """:func:`layer_at` by torch.compile: the weights of a layer are arguments, so that all share one
    program for each shape.
    """
    return torch.compile(layer_at, dynamic=False)


class Constants:
    """What no step changes: rotary angles, masks, head rows, and the mixture of parts as tables."""

    def __init__(self, model: MaDiS, text_valid: Tensor, padded: bool) -> None:
        size, table = model.config.max_tokens, model.embed.weight
        device, text = table.device, text_valid.shape[1]
        positions = positions_of(text_valid, size)
        self.rotary: tuple[Tensor, Tensor] = model.backbone.qwen3.rotary_emb(table, positions)
        self.heads = [table[model.vocab.head_ids(p, device)] for p in range(3)]
        fusion = model.fusion
        # the paper's alone: a row of Table 4 that derives from it has another gate
        self.mixture = fusion if type(fusion) is MixtureOfParts else None
        if self.mixture is not None:
            books = self.mixture.codebooks
            first: Any = self.mixture.gate[0]
            self.experts = [fc(b) for fc, b in zip(self.mixture.fc, books, strict=True)]
            # the gate's first layer reads three codes side by side: a table for each, summed
            columns = first.weight.chunk(3, 1)
            self.gate = [F.linear(book, w) for book, w in zip(books, columns, strict=True)]
        everything = torch.ones(len(text_valid), size, dtype=torch.bool, device=device)
        keys = torch.cat([text_valid, everything], 1)[:, None, None]
        self.keys = keys if padded else None  # which ones may be read, [B, 1, 1, L]
        self.prefix = None  # what each place may read where the text does not read signs, [L, L]
        if not model.config.text_reads_signs:
            of_text = torch.arange(text + size, device=device) < text
            self.prefix = of_text | ~of_text[:, None]


class Canvas:
    """Sentences being signed: ids ``[B, M, 3]``, when each was written, embeddings, constants."""

    def __init__(
        self, model: MaDiS, text_ids: Tensor, text_valid: Tensor | None, ideas: Ideas
    ) -> None:
        full = text_valid is None
        if text_valid is None:
            text_valid = torch.ones_like(text_ids, dtype=torch.bool)
        self.model, self.ideas, self.text_valid = model, ideas, text_valid
        self.text, device = text_ids.shape[1], text_ids.device
        size, vocab = model.config.max_tokens, model.vocab
        self.ids = torch.full((len(text_ids), size, 3), vocab.mask, device=device)
        self.written = torch.full(self.ids.shape[:2], -1, device=device)
        self.padded = not (full or (ideas.unmasked and bool(text_valid.all())))
        self.constants = Constants(model, text_valid, self.padded)
        self.layer = compiled_layer() if ideas.compiled else layer_at
        self.embedded = torch.cat([model.embed(text_ids), self.embed(self.ids)], 1)
        self.cache: list[list[Tensor]] | None = None
        if ideas.text_once and not model.config.text_reads_signs:
            self.cache = self.read_text()

    def embed(self, ids: Tensor) -> Tensor:
        """``MaDiS.embed_signs``, ``[..., 3] -> [..., d]``; of the mixture of parts from tables, without
        a look at the values.
        """
        model, made = self.model, self.constants
        if made.mixture is None:  # another row of Table 4
            return model.embed_signs(ids, mop=True)
        gate = made.mixture.gate
        codes = model.vocab.to_codes(ids)
        codes = codes.clamp(min=0).minimum(on_device(model.vocab.codes, codes.device) - 1)
        parts = codes.unbind(-1)
        first: Any = gate[0]
        by_part = [F.embedding(c, t) for c, t in zip(parts, made.gate, strict=True)]
        weights = torch.softmax(gate[1:](sum(by_part, first.bias)), -1)
        experts = [F.embedding(c, t) for c, t in zip(parts, made.experts, strict=True)]
        mixture = (weights[..., None] * torch.stack(experts, -2)).sum(-2)
        plain = F.embedding(ids, model.embed.weight).mean(-2)
        return torch.where(model.vocab.is_code_triple(ids)[..., None], mixture, plain)

    def read_text(self) -> list[list[Tensor]]:
        """Keys and values of the text in every layer."""
        x, found = self.embedded[:, : self.text], []
        rotary = self._angles(slice(None, self.text))
        mask = None if self.constants.keys is None else self.constants.keys[..., : self.text]
        layers: Any = self.model.backbone.qwen3.layers
        for layer in layers:
            found.append(keys_values(layer.self_attn, layer.input_layernorm(x), rotary))
            x = self.layer(layer, x, rotary, mask)
        return found

    def _angles(self, columns: slice | Tensor) -> tuple[Tensor, Tensor]:
        cos, sin = self.constants.rotary
        return cos[:, columns], sin[:, columns]

    def predict(self, places: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
        """A triple of ids for each of ``places [B, n]`` and how sure the model is, ``[B, n]``.

        ``shown`` are the places of the canvas that the model sees, ascending, ``[m]``.
        """
        model, ideas = self.model, self.ideas
        if not ideas.once:
            self.constants = Constants(model, self.text_valid, self.padded)
        if not ideas.incremental:
            self.embedded[:, self.text :] = self.embed(self.ids)
        among = torch.searchsorted(shown, places).clamp(max=len(shown) - 1)  # shown[among] = places
        everywhere = not (ideas.open_last_layer or ideas.open_heads)
        hidden = self.read(among, shown)
        logits = [F.linear(hidden, rows) for rows in self.constants.heads]
        start = (shown if everywhere else places) == 0
        logits[0][..., -1] = logits[0][..., -1].masked_fill(start, -torch.inf)  # at least one sign
        if ideas.logsumexp:
            codes, confidence = greedy_triples(logits)
        else:
            codes, confidence = sampler.choose_triples(logits, 0.0, None)
        if everywhere:
            codes, confidence = take(codes, among), confidence.gather(1, among)
        is_eos = (codes[..., :1] == model.vocab.codes[0]).expand_as(codes)
        return model.vocab.to_ids(codes).masked_fill(is_eos, model.vocab.eos), confidence

    def read(self, among: Tensor, shown: Tensor) -> Tensor:
        """Hidden states of the ``shown`` places, or of the open ones ``among [B, n]`` them."""
        made, text, qwen3 = self.constants, self.text, self.model.backbone.qwen3
        cached: Sequence[list[Tensor] | None] = self.cache or [None] * len(qwen3.layers)
        first = text if self.cache else 0  # text that was read before is not read again
        keys = torch.cat([torch.arange(text, device=shown.device), text + shown])
        columns = keys[first:]
        of_signs = mask = None if made.keys is None else made.keys[..., keys]
        if made.prefix is not None and not self.cache:
            prefix = made.prefix[columns][:, keys]
            mask = prefix if of_signs is None else prefix & of_signs
        x, rotary, at = self.embedded[:, columns], self._angles(columns), among + text - first
        *layers, last = qwen3.layers
        for layer, of_text in zip(layers, cached[:-1], strict=True):
            x = self.layer(layer, x, rotary, mask, text=of_text)
        if self.ideas.open_last_layer:  # of another shape at each step
            return qwen3.norm(layer_at(last, x, rotary, of_signs, at, cached[-1]))
        x = self.layer(last, x, rotary, mask, text=cached[-1])
        return qwen3.norm(take(x, at) if self.ideas.open_heads else x[:, text - first :])

    def write(self, rows: Tensor, places: Tensor, triples: Tensor, step: int) -> None:
        """Put ``triples [..., 3]`` at ``places [...]`` of ``rows``, which may be broadcast."""
        self.ids[rows, places] = triples
        self.written[rows, places] = torch.full_like(places, step)
        if self.ideas.incremental:
            self.embedded[rows, self.text + places] = self.embed(triples)

    @property
    def finished(self) -> Tensor:
        """Of which sentences nothing can change any more, bool ``[B]``: nothing written is written
        again, so an eos with no blank before it is the first for good."""
        eos = self.ids[..., 0] == self.model.vocab.eos
        first = (eos | (self.written < 0)).int().argmax(1, keepdim=True)
        return eos.gather(1, first)[:, 0]

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the sentences, int ``[b]``."""
        self.ids, self.written, self.embedded, self.text_valid = (
            x[rows] for x in (self.ids, self.written, self.embedded, self.text_valid)
        )
        self.constants = Constants(self.model, self.text_valid, self.padded)
        if self.cache:
            self.cache = [[x[rows] for x in pair] for pair in self.cache]


def open_places(is_open: Tensor, count: int) -> Tensor:
    """The ``count`` open places of every row, ascending: bool ``[B, M]`` to int ``[B, count]``."""
    return is_open.int().argsort(dim=1, descending=True, stable=True)[:, :count].contiguous()


@torch.no_grad()
def generate(
    model: MaDiS,
    text_ids: Tensor,
    text_valid: Tensor | None,
    steps: int,
    checkpoints: tuple[float, ...] = utc.CHECKPOINTS,
    layout: str = "uniform",
    ideas: Ideas = ALL,
    coarse: bool = False,
) -> Generated:
    """:func:`sampler.generate`, greedy; places behind the end that were never written have step -1.

    Args:
        text_valid: None where no text is padded.
        ideas: what to leave out.
        coarse: **not exact**: show the model only the places that the current grid may write, M/4,
            then M/2, then all (under UTC the others hold nothing but masks).
    """
    size, device = model.config.max_tokens, text_ids.device
    plan = static_plan(size, steps, checkpoints, layout, device)
    everywhere = torch.arange(size, device=device)
    ids = torch.full((len(text_ids), size, 3), model.vocab.eos, device=device)
    written = torch.full((len(text_ids), size), -1, device=device)
    for rows, longest in _groups(text_ids, text_valid, ideas.buckets):
        valid = None if text_valid is None else text_valid[rows, :longest]
        canvas = Canvas(model, text_ids[rows, :longest], valid, ideas)
        for number, step in enumerate(plan):
            places = open_places(step.grid & (canvas.written < 0), step.open)
            triples, confidence = canvas.predict(places, step.shown if coarse else everywhere)
            best = confidence.topk(step.count).indices
            each = torch.arange(len(rows), device=device)[:, None]
            canvas.write(each, places.gather(1, best), take(triples, best), number)
            if ideas.early_stop:
                going = (~canvas.finished).nonzero()[:, 0]
                if len(going) < len(rows):
                    ids[rows], written[rows] = canvas.ids, canvas.written
                    rows = rows[going]
                    if not len(rows):
                        break
                    canvas.keep(going)
        else:
            ids[rows], written[rows] = canvas.ids, canvas.written
    return _generated(model, ids, written)


def _groups(
    text_ids: Tensor, text_valid: Tensor | None, by_length: bool
) -> list[tuple[Tensor, int]]:
    """Rows that are signed together, int ``[b]`` each, and the length of their longest text."""
    if not by_length or text_valid is None:
        return [(torch.arange(len(text_ids), device=text_ids.device), text_ids.shape[1])]
    lengths = text_valid.sum(1)
    return [((lengths == n).nonzero()[:, 0], int(n)) for n in lengths.unique()]


def _generated(model: MaDiS, ids: Tensor, written: Tensor) -> Generated:
    """Codes, 0 where there is an eos or still a blank."""
    blank = written < 0
    ended = ids[..., 0] == model.vocab.eos
    lengths = torch.where(ended.any(1), ended.int().argmax(1), ids.shape[1])
    codes = model.vocab.to_codes(ids).masked_fill((ended | blank)[..., None], 0)
    return Generated(codes, lengths, written)


# -- not exact ------------------------------------------------------------------------------------


@torch.no_grad()
def generate_above(
    model: MaDiS,
    text_ids: Tensor,
    text_valid: Tensor,
    threshold: float,
    checkpoints: tuple[float, ...] = utc.CHECKPOINTS,
    layout: str = "uniform",
    coarse: bool = False,
) -> tuple[Generated, int]:
    """**Not exact**: write every open place whose triple is surer than ``threshold``, at least one.

    The rule of Fast-dLLM (arXiv 2505.22618) inside the grids of UTC; pivots still hold exactly.
    How sure: the geometric mean of the three parts' probabilities.  Sentences of a batch take each
    step together, so that a batch takes as many as its slowest sentence.

    Returns:
        what was generated, and the number of passes through the model.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold}: give a probability above 0, at most 1")
    size, device = model.config.max_tokens, text_ids.device
    canvas = Canvas(model, text_ids, text_valid, ALL)
    passes = 0
    for pivot in utc.pivots(size, checkpoints, layout):
        grid = pivot.to(device)
        shown = grid.nonzero()[:, 0] if coarse else torch.arange(size, device=device)
        while bool((is_open := grid & (canvas.written < 0)).any()):
            for_all = int(is_open.sum(1).max())  # rows with fewer open places get others too
            places = open_places(is_open, for_all)
            mine = is_open.gather(1, places)
            triples, confidence = canvas.predict(places, shown)
            confidence = confidence.masked_fill(~mine, -torch.inf)
            surest = confidence == confidence.amax(1, keepdim=True)
            chosen = mine & (surest | (confidence > math.log(threshold)))
            rows, at = chosen.nonzero(as_tuple=True)
            canvas.write(rows, places[rows, at], triples[rows, at], passes)
            passes += 1
    return _generated(model, canvas.ids, canvas.written), passes
