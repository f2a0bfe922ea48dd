"""Does the gate follow the signing hand? (MaDiS §4.2, Table 5, Fig. 10)

Handedness is known twice: SignWorld's truth, and the paper's rule, which looks where the wrists are
relative to the joint spine 01.  The paper gives no threshold; ours: a hand signs when its wrist is
above that joint in more than half of a sign's frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from madis_lib import body as bodies
from madis_lib import metrics, parts
from madis_lib.body import Body
from madis_lib.experiments.contrasts import RESAMPLES
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite
from madis_lib.fusion import MixtureOfParts
from madis_lib.parts import FRAMES_PER_TOKEN, JOINT, PARTS

KINDS = {
    "left": "one-handed, left",
    "right": "one-handed, right",
    "symmetric": "two-handed, symmetric",
    "base": "two-handed, base hand",
}
OF = ("weights", "shares", "even_shares")
CATEGORIES = {"left": ("left",), "right": ("right",), "two": ("symmetric", "base")}


@dataclass(frozen=True)
class SignToken:
    """One sign of the test set; gate weights, and shares of the embedding, over its tokens."""

    gloss: str
    kind: str
    sentence: int
    start: int  # tokens
    end: int
    frame: int  # where it is held
    weights: np.ndarray  # [n, 3]
    shares: np.ndarray  # [n, 3], of MixtureOfParts.shares
    even_shares: np.ndarray  # [n, 3]
    ruled: str  # "left", "right", "two" or "none", by the wrists


def mixture_of(suite: Suite, corpus: str) -> MixtureOfParts:
    """The mixture of parts of the fine-tuned model (MaDiS §3.3)."""
    mixture = suite.system(corpus).model.fusion
    assert isinstance(mixture, MixtureOfParts)
    return mixture


@torch.no_grad()
def gate_weights(suite: Suite, corpus: str, codes: np.ndarray) -> np.ndarray:
    """G of the fine-tuned model (MaDiS §3.3) for triples ``[..., 3]``."""
    return mixture_of(suite, corpus).gate_weights(torch.as_tensor(codes)).numpy()


def signs(suite: Suite, corpus: str) -> list[SignToken]:
    """Every sign of the test set with SignWorld's handedness."""
    found, fusion, body = [], mixture_of(suite, corpus), bodies.load()
    truths = suite.truth(corpus, "test")
    if truths is None:
        raise ValueError("gate weights by handedness need SignWorld's truth")
    for index, (codes, clip) in enumerate(
        zip(suite.tokens(corpus, "test"), suite.clips(corpus, "test"), strict=True)
    ):
        truth = truths[index]
        with torch.no_grad():
            triples = torch.as_tensor(codes)
            weights, shares, even = (
                of(triples).numpy()
                for of in (fusion.gate_weights, fusion.shares, fusion.even_shares)
            )
        raised = wrists_raised(body, clip)
        scale = len(clip) / truth["frames"]  # a clip longer than the canvas was sampled
        for (gloss, a, b), hands in zip(truth["timeline"], truth["handedness"], strict=True):
            start, end = (round(scale * f / FRAMES_PER_TOKEN) for f in (a, b))
            end = min(max(end, start + 1), len(codes))
            kind = ("left" if truth["left_dominant"] else "right") if hands == "one" else hands
            frame = min(round(scale * (a + 0.8 * (b - a))), len(clip) - 1)
            ruled = by_rule(raised[FRAMES_PER_TOKEN * start : FRAMES_PER_TOKEN * end])
            found.append(
                SignToken(
                    gloss, kind, index, start, end, frame,
                    weights[start:end], shares[start:end], even[start:end], ruled,
                )
            )  # fmt: skip
    return found


def wrists_raised(body: Body, features: np.ndarray) -> np.ndarray:
    """Whether the left and the right wrist are above spine 01, bool ``[T, 2]`` of ``[T, 133]``."""
    with torch.no_grad():
        pose = parts.axis_angles(torch.as_tensor(features, dtype=torch.float32))
        height = np.asarray(body.joints(pose))[..., 1]
    wrists = height[:, [JOINT["left_wrist"], JOINT["right_wrist"]]]
    return wrists > height[:, [JOINT["spine1"]]]


def by_rule(raised: np.ndarray) -> str:
    """Which hand signs, of :func:`wrists_raised` over a sign's frames."""
    left, right = raised.mean(0) > 0.5
    return "two" if left and right else "left" if left else "right" if right else "none"


def category(kind: str) -> str:
    """The column of Table 5 that a kind of sign belongs to."""
    (found,) = (name for name, kinds in CATEGORIES.items() if kind in kinds)
    return found


def mean_by_category(found: list[SignToken]) -> list[dict]:
    """Table 5: mean weights per part by which hand signs, with 95 % intervals over signs."""
    rows = []
    for category, kinds in CATEGORIES.items():
        values = np.array([s.weights.mean(0) for s in found if s.kind in kinds])
        for p, part in enumerate(PARTS):
            if len(values):
                mean, low, high = metrics.bootstrap_interval(values[:, p])
                rows.append({"category": category, "part": part, "n": len(values)}
                            | {"weight": mean, "low": low, "high": high})  # fmt: skip
    return rows


def measured(suite: Suite, corpus: str) -> Run:
    """Mean gate weights of every sign of the test set (Table 5), and shares of its embeddings.

    The result holds, sign by sign, ``truth`` and ``rule`` (left, right, two; the rule also none),
    ``weights``, ``shares`` and ``even_shares`` (body, left, right) and the ``sentence`` it is in.
    """
    config = {"system": suite.named.finetuned(corpus), "corpus": corpus, "of": OF,
              "body": bodies.load().fingerprint()}  # fmt: skip

    def work(_: Path) -> dict[str, Any]:
        found = signs(suite, corpus)
        return {
            "truth": [category(s.kind) for s in found], "rule": [s.ruled for s in found],
            **{of: [getattr(s, of).mean(0).tolist() for s in found] for of in OF},
            "sentence": [s.sentence for s in found],
        }  # fmt: skip

    return suite.store.run(f"gates-{corpus}", config, ("model", "signworld"), work)


def estimate(
    runs: Mapping[int, Run],
    weights: Mapping[str, float],
    hand: str,
    by: str = "truth",
    of: str = "weights",
) -> metrics.Estimate | None:
    """Sum over parts of weight times mean gate weight, in the signs of a category of Table 5.

    Args:
        runs: of :func:`measured` by seed, on the same sentences.
        hand: "left", "right" or "two"; ``by`` SignWorld's "truth" or the paper's "rule".
        of: the gate's "weights", which the paper prints, or a kind of shares of the embedding.
    """
    columns = []
    for run in runs.values():
        r = run.result
        chosen = np.array(r[by]) == hand
        values = np.array(r[of]) @ [weights.get(part, 0.0) for part in PARTS]
        sentence, n = np.array(r["sentence"]), 1 + max(r["sentence"])
        total = np.bincount(sentence[chosen], values[chosen], minlength=n)
        count = np.bincount(sentence[chosen], minlength=n)
        if not chosen.any():
            return None
        drawn = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))
        drawn = np.concatenate([np.arange(n)[None], drawn])
        columns.append(total[drawn].sum(1) / np.maximum(1, count[drawn].sum(1)))
    if not columns:
        return None
    table = np.stack(columns, 1)
    return metrics.nested_estimate(table[0], table[1:], n)
