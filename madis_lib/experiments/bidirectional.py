"""Does the model read ahead?  The future-attention ratio over a test set (MaDiS §4.2, Fig. 7c).

The paper's one number, 41 % over all heads of the penultimate layer at the final sampling step,
has no yardstick beside it: attention that is spread evenly reads ahead nearly half of the time.
So the same is measured of the model before any training, and of the trained weights under a causal
mask, which is 0 by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from madis_lib import attention, metrics, sampler
from madis_lib.data.batches import valid_mask
from madis_lib.experiments.contrasts import sentence_estimate
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite
from madis_lib.model import MaDiS
from madis_lib.systems.madis import MaDiSSystem, encode_texts
from madis_lib.train import on_device

TRAINED, UNTRAINED, CAUSAL = "trained", "untrained", "trained, causal mask"
TOP = 3  # heads that the paper shows
SCOPES = {"signs": "written signs", "all": "text and written signs"}


def final_canvas(system: MaDiSSystem, ids: Tensor, valid: Tensor) -> tuple[Tensor, int]:
    """What the model reads at the last step ``[1, M, 3]`` (its own places still masks), and length."""
    model = system.model
    out = sampler.generate(model, ids, valid, system.steps)
    canvas = model.vocab.to_ids(out.codes)
    ended = ~valid_mask(out.lengths, canvas.shape[1])
    canvas = canvas.masked_fill(ended[..., None], model.vocab.eos)
    last = out.step == out.step.max()
    return canvas.masked_fill(last[..., None], model.vocab.mask), int(out.lengths[0])


def layer_of(model: MaDiS) -> int:
    """The penultimate layer, as in the paper, or the only one."""
    return max(attention.PENULTIMATE, -model.config.num_layers)


def ratios(
    model: MaDiS, ids: Tensor, valid: Tensor, canvas: Tensor, length: int, causal: bool = False
) -> dict[str, list[float]]:
    """The future-attention ratio of each head of the penultimate layer, by scope."""
    found = attention.maps(model, ids, valid, canvas, layer_of(model), causal)[0].cpu()
    text = ids.shape[1]
    place = torch.arange(found.shape[-1])
    chosen = {"signs": (place >= text) & (place < text + length), "all": place < text + length}
    return {scope: attention.future_ratio(found, chosen[scope]).tolist() for scope in SCOPES}


def future_attention(suite: Suite, corpus: str) -> Run:
    """Ratios by system and scope, ``[sentences][heads]``; the canvases are the trained model's.

    A sentence with one sign has no future among its signs and is left out of both scopes;
    ``sentences`` are the places of the others in the test set.
    """
    config = {"system": suite.named.finetuned(corpus), "corpus": corpus, "split": "test",
              "tokens_per_step": suite.preset.tokens_per_step}  # fmt: skip

    def work(folder: Path) -> dict[str, Any]:
        system = suite.system(corpus)
        untrained = MaDiSSystem.untrained(
            suite.preset, suite.tokenizer, suite.text_tokenizer, suite.seed
        ).model.eval()
        models = {TRAINED: (system.model, False), UNTRAINED: (untrained, False),
                  CAUSAL: (system.model, True)}  # fmt: skip
        rows: dict[str, dict[str, list[list[float]]]] = {
            name: {scope: [] for scope in SCOPES} for name in models
        }
        kept = []
        with on_device(system.model, untrained) as where:
            for i, text in enumerate(suite.texts(corpus, "test")):
                ids, valid = (x.to(where) for x in encode_texts(system.text, [text]))
                canvas, length = final_canvas(system, ids, valid)
                if length < 2:
                    continue
                kept.append(i)
                for name, (model, causal) in models.items():
                    for scope, of in ratios(model, ids, valid, canvas, length, causal).items():
                        rows[name][scope].append(of)
        return {"ratios": rows, "sentences": kept}

    return suite.store.run(f"attention-{corpus}", config, ("sampler",), work)


def average(run: Run, system: str = TRAINED, scope: str = "signs") -> metrics.Interval:
    """The mean over heads and sentences, with its 95 % bootstrap interval over sentences."""
    return metrics.bootstrap_interval(np.array(run.result["ratios"][system][scope]).mean(1))


def above_untrained(run: Run, scope: str = "signs") -> metrics.Interval:
    """Trained minus untrained on the same canvases, with its paired interval."""
    trained, before = (
        np.array(run.result["ratios"][name][scope]).mean(1) for name in (TRAINED, UNTRAINED)
    )
    return metrics.paired_interval(trained, before)


def estimate(run: Run, weights: Mapping[str, float]) -> metrics.Estimate:
    """Sum over rows of Fig. 7c of weight times the ratio among written signs, percent.

    ``top_heads`` are chosen on the same sentences, which flatters them a little.
    """
    of = {name: 100 * np.array(scopes["signs"]) for name, scopes in run.result["ratios"].items()}
    trained = of[TRAINED]
    top = attention.ranked_heads(torch.tensor(trained.mean(0)))[:TOP].numpy()
    rows = {"all_heads": trained, "top_heads": trained[:, top], "causal": of[CAUSAL]}
    chosen = [rows[row].mean(1) for row in weights]
    return sentence_estimate(list(weights.values()), chosen)
