"""Speed against quality: how many tokens a step (MaDiS Fig. 6b-d).

Each system signs the test set with 1, 2, 4, 10 ... tokens a step, one sentence at a time; a system
that writes token after token has one point.  What comes out is scored, and the signing, without the
decoder, is timed in the same run, on the GPU where there is one: for each sentence all systems and
settings take their turns, so that a busy machine slows them alike.  A token is a triple.  Two ways of
counting: all places of the canvas, as the paper's 132 tokens/s (100 tokens in 0.76 s) seem to, and
those before the end only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from madis_lib import body as bodies
from madis_lib import fast_sampler, metrics, sampler, utc
from madis_lib.experiments.evaluate import SYSTEM, score
from madis_lib.experiments.sign_tokenizer import encode
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite
from madis_lib.model import MaDiS
from madis_lib.perf.floors import now
from madis_lib.sampler import Generated
from madis_lib.systems.madis import encode_texts
from madis_lib.train import device, one_thread

TOKENS_PER_STEP = (1, 2, 3, 4, 6, 10, 17)
Sign = Callable[[str, int], np.ndarray]  # a sentence, tokens a step: tokens [L, 3]


@dataclass(frozen=True)
class Contestant:
    """A system of the sweep."""

    name: str
    trained: Run
    load: Callable[[], Sign]
    tokens_per_step: tuple[int, ...]
    canvas: int | None = None  # places that are always written; None: it stops at the end


def madis(
    suite: Suite,
    corpus: str,
    wanted: Sequence[int] = TOKENS_PER_STEP,
    coarse: bool = False,
    name: str = SYSTEM,
) -> Contestant:
    """MaDiS by the fast sampler, of ``wanted`` the numbers that leave a step to every stage.

    ``coarse`` canvases are a shortcut,
    and not exact (:func:`fast_sampler.generate`) unless the model was trained so.
    """
    size, method = suite.preset.model.max_tokens, suite.preset.method

    def write(model: MaDiS, ids: Tensor, valid: Tensor, k: int) -> Generated:
        return fast_sampler.generate(
            model,
            ids,
            valid,
            utc.steps_for(size, k),
            method.checkpoints,
            method.layout,
            coarse=coarse,
        )

    stages = len(method.checkpoints) + 1
    possible = tuple(k for k in sorted(wanted) if utc.steps_for(size, k) >= stages)
    trained, load = suite.named.finetuned(corpus), partial(_signer, suite, corpus, write)
    return Contestant(name, trained, load, possible, size)


def madis_plain(suite: Suite, corpus: str, wanted: Sequence[int], name: str) -> Contestant:
    """MaDiS by the plain sampler: the same tokens, and nothing made faster, as a rival's step is.

    Of ``wanted`` the numbers of tokens a step that leave a step to every stage.
    """
    size, method = suite.preset.model.max_tokens, suite.preset.method

    def write(model: MaDiS, ids: Tensor, valid: Tensor, k: int) -> Generated:
        return sampler.generate(
            model, ids, valid, utc.steps_for(size, k), method.checkpoints, method.layout
        )

    fast = madis(suite, corpus, wanted)
    return replace(fast, name=name, load=partial(_signer, suite, corpus, write))


def madis_above(suite: Suite, corpus: str, threshold: float) -> Contestant:
    """MaDiS that writes whatever it is surer of than ``threshold``, at least a token a step.

    Not exact (:func:`fast_sampler.generate_above`).
    """
    method = suite.preset.method

    def write(model: MaDiS, ids: Tensor, valid: Tensor, k: int) -> Generated:
        out, _ = fast_sampler.generate_above(
            model, ids, valid, threshold, method.checkpoints, method.layout
        )
        return out

    name, load = f"MaDiS, also all above {threshold:g}", partial(_signer, suite, corpus, write)
    trained = suite.named.finetuned(corpus)
    return Contestant(name, trained, load, (1,), suite.preset.model.max_tokens)


def _signer(
    suite: Suite, corpus: str, write: Callable[[MaDiS, Tensor, Tensor, int], Generated]
) -> Sign:
    system = suite.system(corpus)
    model = system.model.to(device())

    def sign(sentence: str, k: int) -> np.ndarray:
        ids, valid = (x.to(device()) for x in encode_texts(system.text, [sentence]))
        out = write(model, ids, valid, k)
        return out.codes[0, : int(out.lengths[0])].cpu().numpy()

    return sign


def steps_sweep(suite: Suite, corpus: str, systems: Sequence[Contestant]) -> Run:
    """Scores and times of each system at each number of tokens a step.

    Returns:
        a run whose ``points`` are, in order, ``system``, ``tokens_per_step``, ``scores`` (as of
        :func:`evaluate.score`), and lists over sentences: ``seconds`` (by :func:`floors.now`),
        ``places`` written at most, and ``tokens`` before the end.
    """
    body = bodies.load()
    config = {
        "systems": [(s.name, s.trained, s.tokens_per_step) for s in systems], "corpus": corpus,
        "split": "test", "body": body.fingerprint(),
    }  # fmt: skip

    def work(folder: Path) -> dict[str, Any]:
        reference, oracle = suite.reference(corpus), suite.oracle(corpus)
        texts, points = suite.texts(corpus, "test"), []
        with one_thread():
            signed = _sign(systems, texts)
        for (s, k), (clips, seconds) in signed.items():
            with torch.no_grad():
                motion = [suite.tokenizer.decode(torch.tensor(t)[None])[0].numpy() for t in clips]
            scores = score(
                motion, clips, reference, body, oracle, suite.protocol.max_order,
                suite.protocol.betas, retokenised=encode(suite.tokenizer, motion),
            )  # fmt: skip
            tokens, canvas = [len(t) for t in clips], systems[s].canvas
            points.append({
                "system": systems[s].name, "tokens_per_step": k, "scores": scores,
                "seconds": seconds, "tokens": tokens,
                "places": tokens if canvas is None else [canvas] * len(tokens),
            })  # fmt: skip
        return {"points": points}

    return suite.store.run(f"steps-{corpus}", config, ("sampler", "metrics", "signworld"), work)


def _sign(
    systems: Sequence[Contestant], texts: Sequence[str]
) -> dict[tuple[int, int], tuple[list[np.ndarray], list[float]]]:
    """Tokens and seconds of every sentence by (system, tokens a step); the first sentence twice."""
    found: dict[tuple[int, int], tuple[list[np.ndarray], list[float]]] = {
        (i, k): ([], []) for i, s in enumerate(systems) for k in s.tokens_per_step
    }
    loaded = [s.load() for s in systems]
    for i, k in found:
        loaded[i](texts[0], k)  # warms up
    for text in texts:
        for (i, k), (tokens, seconds) in found.items():
            start = now(device())
            tokens.append(loaded[i](text, k))
            seconds.append(now(device()) - start)
    return found


def speed(point: dict[str, Any], count: str = "tokens") -> metrics.Interval:
    """Median over sentences of tokens per second, with its 95 % bootstrap interval.

    Args:
        count: "tokens" before the end, or "places".
    """
    each = np.array(point[count]) / np.array(point["seconds"])
    draws = np.median(each[metrics.bootstrap_draws(len(each))], axis=-1)
    return metrics.percentile_interval(np.median(each), draws)
