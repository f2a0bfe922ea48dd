"""The same reverse process written as the authors' release writes its own: the benchmark's measure.

Ours in choice and order of tokens, so that the tokens are those of :func:`sampler.generate`; theirs
in what is computed (release §3.5, as described, not its code): logits over *all* rows of the
embedding at every place, a masked copy of them for each of three heads, a softmax tensor of each,
boolean indexing, and counts read back to the host at every step.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from madis_lib import utc
from madis_lib.model import MaDiS
from madis_lib.sampler import Generated


@torch.no_grad()
def generate(model: MaDiS, text_ids: Tensor, text_valid: Tensor, steps: int) -> Generated:
    """:func:`sampler.generate`, greedy, as a plain loop over the whole vocabulary."""
    vocab, size, device = model.vocab, model.config.max_tokens, text_ids.device
    ids = torch.full((len(text_ids), size, 3), vocab.mask, device=device)
    written = torch.full(ids.shape[:2], -1, device=device)
    everything = torch.ones(ids.shape[:2], dtype=torch.bool, device=device)
    step = 0
    for grid, counts in zip(utc.pivots(size), utc.stage_schedule(size, steps), strict=True):
        for count in counts:
            _, hidden = model(text_ids, text_valid, ids, everything, mop=True)
            logits = F.linear(hidden, model.embed.weight)
            triples, log_p = torch.empty_like(ids), torch.zeros_like(hidden[..., 0])
            ended = torch.zeros_like(everything)
            for part in range(3):
                blocked = torch.ones(vocab.size, dtype=torch.bool, device=device)
                blocked[vocab.head_ids(part, device)] = False
                head = logits.masked_fill(blocked, -torch.inf)
                if part == 0:
                    head[:, 0, vocab.eos] = -torch.inf  # a sentence has at least one sign
                p = torch.softmax(head, -1)
                codes = p.clone()
                codes[..., vocab.eos] = 0 if part else p[..., vocab.eos]
                triples[..., part] = codes.argmax(-1)
                if part == 0:
                    ended = triples[..., 0] == vocab.eos
                triples[ended] = vocab.eos
                log_p = log_p + p.gather(-1, triples[..., part : part + 1])[..., 0].log()
            blank = (ids == vocab.mask).all(-1)
            confidence = log_p.masked_fill(~(blank & grid.to(device)), -torch.inf)
            chosen = torch.zeros_like(blank)
            for row in range(len(ids)):
                left = int(blank[row].sum())
                chosen[row, confidence[row].topk(min(count, left)).indices] = True
            ids[chosen] = triples[chosen]
            written[chosen] = step
            step += 1
    eos = ids[..., 0] == vocab.eos
    lengths = torch.where(eos.any(1), eos.int().argmax(1), size)
    return Generated(vocab.to_codes(ids).masked_fill(eos[..., None], 0), lengths, written)
