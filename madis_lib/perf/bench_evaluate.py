"""How long does scoring a system take?  All of it, on a test set of the ``laptop`` preset.

The system is one that signs every sentence with the next one's true signing, so nothing needs to be
trained; the sign tokenizer has random weights, which cost what trained ones do.  Signing itself is
not timed.  A profile of the library's own evaluation says where the time goes.
``madis bench evaluate`` prints it.
"""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Callable

import numpy as np
import torch

from madis_lib import body as bodies
from madis_lib import metrics, presets
from madis_lib.body import Body
from madis_lib.data import signworld
from madis_lib.experiments import evaluate
from madis_lib.experiments.sign_tokenizer import encode
from madis_lib.experiments.suite import fit_canvas
from madis_lib.presets import Preset
from madis_lib.tokenizer import Tokenizer

TARGET = 20.0  # seconds of two cores
PIECES: dict[str, Callable] = {
    "tokens": encode,
    "landmarks": Body.landmarks,
    "DTW": metrics.dtw_path,
    "SiBLEU": metrics.sibleu_statistics,
    "oracle": signworld.Oracle.read,
    "intervals": evaluate.summary,
}


def run(preset: Preset | None = None, corpus: str = "csl") -> dict[str, float]:
    """Wall-clock seconds of the whole evaluation ("all") and of each piece; prints them.

    Args:
        preset: of the corpus and the tokenizer; default ``laptop``.
        corpus: csl, phoenix or how2sign.
    """
    preset = preset or presets.laptop()
    world = signworld.build(corpus, preset.corpus)
    said = list(world.utterances("test"))
    true = [fit_canvas(u.features, preset.model.max_tokens) for u in said]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mean, std = (f(np.concatenate(true), axis=0) for f in (np.mean, np.std))
        tokenizer = Tokenizer(preset.tokenizer, torch.tensor(mean), torch.tensor(std)).eval()
    body = bodies.load()
    reference = evaluate.Reference(true, encode(tokenizer, true), [u.glosses for u in said])
    metrics.dtw_path(*np.zeros((2, 1, 1, 3)))  # compiled
    world.oracle.read(true[0])

    def whole() -> None:
        others = true[1:] + true[:1]
        tokens = encode(tokenizer, others)
        scores = evaluate.score(others, tokens, reference, body, world.oracle, retokenised=tokens)
        for metric in evaluate.available(scores):
            evaluate.summary(scores, metric)

    profile = cProfile.Profile()
    began, cpu_began = time.perf_counter(), time.process_time()
    profile.runcall(whole)
    seconds = {"all": time.perf_counter() - began}
    cpu = time.process_time() - cpu_began
    seconds |= {name: _cumulative(profile, piece) for name, piece in PIECES.items()}
    print(f"scoring one system, preset {preset.name}, {corpus}: {len(true)} sentences")
    for name in PIECES:
        print(f"{name:12s}{seconds[name]:8.2f} s{100 * seconds[name] / seconds['all']:6.0f} %")
    print(f"{'all':12s}{seconds['all']:8.2f} s, {cpu:.2f} s of CPU (target: {TARGET:.0f} s)")
    return seconds


def _cumulative(profile: cProfile.Profile, function: Callable) -> float:
    """Seconds inside a function and all it calls."""
    code = function.__code__
    entry = pstats.Stats(profile).stats[code.co_filename, code.co_firstlineno, code.co_name]  # type: ignore[attr-defined]
    return entry[3]


if __name__ == "__main__":
    run()
