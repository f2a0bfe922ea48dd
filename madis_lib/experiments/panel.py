"""Are the metrics right?  Fig. 7b with an oracle in the place of five signers.

Motions from perfect to useless are scored by every metric, sentence by sentence, and by the share
of glosses that SignWorld's oracle reads off them.  A metric is good when it ranks motions as the
oracle does.  The oracle knows lexicon and order of synthetic signing: it is not a signer, and says
nothing of grace, rhythm or grammar.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats
from tqdm import tqdm

from madis_lib import body as bodies
from madis_lib import metrics
from madis_lib.body import Body
from madis_lib.data import signworld
from madis_lib.data.signworld.motion import stable_seed
from madis_lib.experiments import corruptions
from madis_lib.experiments.corruptions import Clip, resample
from madis_lib.experiments.evaluate import BODY_JOINTS, landmarks
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite, encode, fit_canvas
from madis_lib.metrics import Interval
from madis_lib.parts import PARTS

Motions = Sequence[np.ndarray]  # [T, 133] for every sentence of the panel
Scores = Mapping[str, np.ndarray]  # [conditions, sentences] by metric

TRUTH, ROUND_TRIP, OTHER_SIGNER = "truth", "tokenizer round trip", "other signer"
HARMLESS = OTHER_SIGNER  # what a metric should not mind: the same signs by another person
SYSTEM = "MaDiS"
MATERIAL = 0.02  # of gloss accuracy: what falls by less is as legible
ORACLE = "oracle"  # its column holds gloss accuracy
SENTENCES, QUICK_SENTENCES = 200, 16  # first ones of the test split, at most


@dataclass(frozen=True)
class Measure:
    """A column of the panel."""

    label: str
    unit: str
    better: int  # +1 higher, -1 lower


MEASURES = {
    "dtw": Measure("DTW-JPE, body and hands averaged", "m", -1),
    "dtw_body": Measure("DTW-JPE body", "m", -1),
    "dtw_hands": Measure("DTW-JPE hands", "m", -1),
    "mm": Measure("DTW error per aligned pair", "mm", -1),
    "unaligned": Measure("error without warping", "mm", -1),
    "procrustes": Measure("DTW error after Procrustes", "mm", -1),
    "sibleu": Measure("SiBLEU, body and hands averaged", "", 1),
    "siclip": Measure("SiCLIP, similarity", "", 1),
    "siclip_r1": Measure("SiCLIP, R@1", "", 1),
}


@dataclass(frozen=True)
class Judge:
    """A trained model that scores signing sentence by sentence, such as SiCLIP.

    ``key`` names its run; ``read(texts, clips)`` gives columns ``[n]``, each in :data:`MEASURES`.
    """

    key: str
    read: Callable[[Sequence[str], Motions], Mapping[str, np.ndarray]]


def siclip(key: str, similarity: Callable[[Sequence[str], Motions], np.ndarray]) -> Judge:
    """SiCLIP as a judge: the matching pair's entry of ``[signings, texts]``, and R@1 (MaDiS §3.4)."""

    def read(texts: Sequence[str], clips: Motions) -> dict[str, np.ndarray]:
        found = np.asarray(similarity(texts, clips))
        return {"siclip": np.diagonal(found), "siclip_r1": metrics.retrieval_hits(found, 1)}

    return Judge(key, read)


def judges(suite: Suite) -> dict[str, Judge]:
    """The trained judges that a suite has, by name; a back-translator's place is here too."""
    return {}


# -- conditions ---------------------------------------------------------------------------------


def timeline_in(clip: np.ndarray, truth: Mapping[str, Any]) -> corruptions.Timeline:
    """The gloss timeline in frames of a clip that may have been sampled to fit the canvas."""
    scale = len(clip) / truth["frames"]
    return [(gloss, round(a * scale), round(b * scale)) for gloss, a, b in truth["timeline"]]


def conditions(suite: Suite, corpus: str, count: int) -> dict[str, list[np.ndarray]]:
    """Motion of the first ``count`` test sentences by condition; see ``corruptions.GRADED``."""
    clips, truths = suite.clips(corpus, "test"), suite.truth(corpus, "test")
    if truths is None:
        raise ValueError(f"{corpus}: the panel needs gloss timelines, which real corpora lack")
    outputs = suite.outputs(corpus)
    made = {
        TRUTH: clips[:count],
        ROUND_TRIP: outputs[ROUND_TRIP][:count],
        OTHER_SIGNER: _by_other_signers(suite, corpus, count),
    }
    for corruption in corruptions.GRADED:
        made[corruption.name] = []
        for i in range(count):
            clip = Clip(clips[i], timeline_in(clips[i], truths[i]), clips[(i + 1) % count])
            rng = np.random.default_rng(stable_seed(corpus, truths[i]["name"], "corrupted"))
            made[corruption.name].append(corruption.make(clip, rng))
    return made | {name: outputs[name][:count] for name in ("mean pose", "shuffled text", SYSTEM)}


def _by_other_signers(suite: Suite, corpus: str, count: int) -> list[np.ndarray]:
    """The same glosses by another signer of the same dominance."""
    world = signworld.read_world(suite.root, corpus)
    sentences = dict(world.sentences["test"])
    names = suite.names(corpus, "test")[:count]
    again = [world.utterance(name, sentences[name], other=True).features for name in names]
    return [fit_canvas(clip, suite.preset.model.max_tokens) for clip in again]


# -- scores -------------------------------------------------------------------------------------


class _Clock:
    """Seconds spent in each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def run(self, stage: str, work: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        found = work(*arguments)
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started
        return found


def joint_errors(
    generated: Mapping[str, np.ndarray], true: Mapping[str, np.ndarray], clock: _Clock | None = None
) -> dict[str, float]:
    """The joint errors of one clip in four ways, from landmarks ``[T, J, 3]`` by part.

    ``dtw``: MaDiS §4.  ``mm``: the same per aligned pair.  ``unaligned``: frame by frame, after
    the clip was stretched evenly to the reference's length.  ``procrustes``: over DTW's own pairs,
    each pair rigidly aligned.  Hands are the mean of left and right, all but ``dtw_body`` and
    ``dtw_hands`` the mean of body and hands.
    """
    clock = clock or _Clock()
    found: dict[str, list[float]] = {"dtw": [], "mm": [], "unaligned": [], "procrustes": []}
    for part in PARTS:
        joints = BODY_JOINTS if part == "body" else None
        g, r = generated[part], true[part]
        total, steps = clock.run("dtw", metrics.dtw_path, g, r, joints)
        found["dtw"].append(total)
        found["mm"].append(1000 * total / steps)
        found["unaligned"].append(clock.run("unaligned", _unaligned, g, r, joints))
        found["procrustes"].append(clock.run("procrustes", _procrustes, g, r, joints))
    errors = {name: (v[0] + (v[1] + v[2]) / 2) / 2 for name, v in found.items()}
    body, left, right = found["dtw"]
    return errors | {"dtw_body": body, "dtw_hands": (left + right) / 2}


def _unaligned(generated: np.ndarray, true: np.ndarray, joints: Any) -> float:
    stretched = resample(generated.reshape(len(generated), -1), len(true)).reshape(true.shape)
    return metrics.mpjpe_mm(stretched, true, joints)


def _procrustes(generated: np.ndarray, true: np.ndarray, joints: Any) -> float:
    chosen = slice(None) if joints is None else list(joints)
    g, r = metrics.dtw_pairs(generated, true, joints).T
    return float(
        1000 * metrics.procrustes_error(generated[g][:, chosen], true[r][:, chosen]).mean()
    )


def sentence_sibleu(tokens: Motions, reference: Motions) -> np.ndarray:
    """SiBLEU-4 of every sentence by itself, body and hands averaged; ``[n]``, 0 to 100.

    BLEU's exponential smoothing stands in where a sentence shares no 4-gram with its reference.
    """
    by_part = [
        [metrics.sibleu([g[:, part]], [r[:, part]]) for g, r in zip(tokens, reference, strict=True)]
        for part in range(len(PARTS))
    ]
    body, left, right = np.array(by_part)
    return (body + (left + right) / 2) / 2


def gloss_accuracy(read: Sequence[Sequence[str]], glosses: Sequence[Sequence[str]]) -> np.ndarray:
    """1 - edits / glosses of every sentence, at least 0; ``[n]``."""
    return np.maximum(0, 1 - metrics.sentence_gloss_error_rates(read, glosses) / 100)


def graded(
    suite: Suite,
    corpus: str,
    judged: Mapping[str, Judge] | None = None,
    extra: Mapping[str, Motions] | None = None,
) -> Run:
    """Every condition of a corpus, scored per sentence by every metric and by the oracle.

    Args:
        suite: of the tokenizer, the model and the corpus.
        corpus: one with gloss timelines.
        judged: trained judges beside the joint errors and SiBLEU; None takes :func:`judges`.
        extra: more conditions, such as outputs of other stages of training: motion of the first
            test sentences, as many as the panel has or more.

    Returns:
        a run whose result holds ``conditions``, ``sentences`` (names), ``scores``
        (metric to ``[conditions, sentences]``, gloss accuracy under "oracle") and ``seconds`` per
        sentence of each stage.
    """
    judged = judges(suite) if judged is None else judged
    extra = extra or {}
    body = bodies.load()
    names = suite.names(corpus, "test")
    count = QUICK_SENTENCES if suite.preset.name == "quick" else SENTENCES
    count = min(count, len(names))
    config = {
        "scores": suite.evaluated(corpus), "sentences": count, "body": body.fingerprint(),
        "corruptions": [corruption.name for corruption in corruptions.GRADED],
        "judges": {name: judge.key for name, judge in judged.items()},
        "extra": {name: _digest(motions[:count]) for name, motions in extra.items()},
    }  # fmt: skip

    def work(_: Any) -> dict[str, Any]:
        made = conditions(suite, corpus, count)
        made |= {name: list(motions[:count]) for name, motions in extra.items()}
        scores, seconds = _scored(suite, corpus, body, made, judged)
        return {
            "conditions": list(made), "sentences": names[:count], "scores": scores,
            "seconds": {stage: s / (count * len(made)) for stage, s in seconds.items()},
        }  # fmt: skip

    return suite.store.run(f"panel-{corpus}", config, ("metrics", "signworld"), work)


def _digest(motions: Motions) -> str:
    digest = hashlib.sha256()
    for clip in motions:
        digest.update(np.ascontiguousarray(clip, np.float32).tobytes())
    return digest.hexdigest()


def _scored(
    suite: Suite,
    corpus: str,
    body: Body,
    made: Mapping[str, list[np.ndarray]],
    judged: Mapping[str, Judge],
) -> tuple[dict[str, list[list[float]]], dict[str, float]]:
    clock, oracle, tokenizer = _Clock(), suite.oracle(corpus), suite.tokenizer
    truths = suite.truth(corpus, "test")
    assert oracle is not None and truths is not None  # conditions() has asked
    count = len(made[TRUTH])
    texts, glosses = suite.texts(corpus, "test")[:count], [t["glosses"] for t in truths[:count]]
    true_points = [landmarks(body, clip) for clip in made[TRUTH]]
    true_tokens = encode(tokenizer, made[TRUTH])
    metrics.dtw_path(true_points[0]["left"], true_points[0]["left"])  # compiled before the clock
    metrics.dtw_pairs(true_points[0]["left"], true_points[0]["left"])
    oracle.read(made[TRUTH][0])
    scores: dict[str, list[list[float]]] = {}
    for clips in tqdm(made.values(), f"panel {corpus}", leave=False):
        points = [clock.run("landmarks", landmarks, body, clip) for clip in clips]
        rows = [joint_errors(g, r, clock) for g, r in zip(points, true_points, strict=True)]
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        tokens = clock.run("encoding", encode, tokenizer, clips)
        columns["sibleu"] = clock.run("sibleu", sentence_sibleu, tokens, true_tokens)
        for name, judge in judged.items():
            columns |= clock.run(name, judge.read, texts, clips)
        read = clock.run(ORACLE, oracle.read_many, clips)
        columns[ORACLE] = gloss_accuracy(read, glosses)
        for name, column in columns.items():
            scores.setdefault(name, []).append(column.tolist())
    return scores, clock.seconds


# -- analysis -----------------------------------------------------------------------------------


def table(run: Run) -> dict[str, np.ndarray]:
    """The scores of :func:`graded` as arrays ``[conditions, sentences]`` by metric."""
    return {name: np.array(values) for name, values in run.result["scores"].items()}


def measured(scores: Scores) -> list[str]:
    """The metrics of a table, in the order of :data:`MEASURES`."""
    return [name for name in MEASURES if name in scores]


@dataclass(frozen=True)
class Agreement:
    """How far metrics rank motions as the oracle does, oriented so that right is positive.

    ``rho`` and ``over_dtw`` (ρ of the metric minus ρ of DTW-JPE) by (metric, level).  Level "clips"
    ranks every clip of every condition, "content" those in which nothing but the signs or their
    order is wrong, "MaDiS" the model's own alone, and "conditions" the conditions' means.  ``without``: least and most ρ over all clips when one condition is left out, and
    ``over_without`` the same of the difference, by metric: conditions are chosen, not drawn.
    """

    rho: Mapping[tuple[str, str], Interval]
    over_dtw: Mapping[tuple[str, str], Interval]
    without: Mapping[str, tuple[float, float]]
    over_without: Mapping[str, tuple[float, float]]


def agreement(
    scores: Scores, names: Sequence[str], seed: int = 0, resamples: int = 1000
) -> Agreement:
    """Spearman's ρ of each metric with the oracle's accuracy (Fig. 7b).

    The paper prints |ρ|; this is the same where a metric points the right way, and negative where
    it does not.  Intervals are 95 % bootstraps over sentences with all conditions kept, and metrics
    are compared on the same draws.
    """
    found = measured(scores)
    better = np.array([MEASURES[name].better for name in found])
    values = np.stack([scores[name] for name in (*found, ORACLE)])  # [metrics + 1, C, n]
    form = {corruption.name for corruption in corruptions.GRADED if not corruption.content}
    content = [i for i, name in enumerate(names) if name not in form]
    levels: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "clips": lambda drawn: drawn.reshape(len(drawn), -1),
        "content": lambda drawn: drawn[:, content].reshape(len(drawn), -1),
        "conditions": lambda drawn: drawn.mean(-1),
    }
    if SYSTEM in names:
        levels[SYSTEM] = lambda drawn: drawn[:, list(names).index(SYSTEM)]
    n, rng = values.shape[-1], np.random.default_rng(seed)
    choices = [rng.integers(n, size=n) for _ in range(resamples)]
    rho, over = {}, {}
    for level, seen in levels.items():
        estimate = better * _rho(seen(values))
        draws = np.array([better * _rho(seen(values[..., chosen])) for chosen in choices])
        base = found.index("dtw")
        for m, name in enumerate(found):
            rho[name, level] = _interval(estimate[m], draws[:, m])
            if m != base:
                gap = draws[:, m] - draws[:, base]
                over[name, level] = _interval(estimate[m] - estimate[base], gap)
    left = np.array(
        [better * _rho(levels["clips"](np.delete(values, c, 1))) for c in range(len(names))]
    )
    gaps = left - left[:, [found.index("dtw")]]
    return Agreement(rho, over, _ranges(found, left), _ranges(found, gaps))


def _rho(values: np.ndarray) -> np.ndarray:
    """Spearman's ρ of every row with the last one; ``[m + 1, n] -> [m]``, NaN where all are equal."""
    ranks = stats.rankdata(values, axis=1)
    ranks -= ranks.mean(1, keepdims=True)
    norm = np.linalg.norm(ranks, axis=1)
    scale = norm[:-1] * norm[-1]
    return np.where(scale > 0, ranks[:-1] @ ranks[-1] / np.maximum(scale, 1e-12), np.nan)


def _ranges(found: Sequence[str], values: np.ndarray) -> dict[str, tuple[float, float]]:
    return {
        name: (float(column.min()), float(column.max()))
        for name, column in zip(found, values.T, strict=True)
    }


def _interval(estimate: float, draws: np.ndarray) -> Interval:
    kept = draws[~np.isnan(draws)]
    if len(kept) < len(draws) / 2:
        return Interval(float(estimate), np.nan, np.nan)
    low, high = np.quantile(kept, [0.025, 0.975])
    return Interval(float(estimate), float(low), float(high))


@dataclass(frozen=True)
class Sight:
    """What a metric makes of a condition, beside the same signs by another signer.

    ``seen``: share of sentences ranked below the other signer's, ties half.  ``drop``: mean
    worsening in standard deviations of its paired differences.  ``worse``: the interval of the mean
    worsening lies above zero.  ``oracle_falls``: that of the oracle's accuracy lies above
    :data:`MATERIAL`.
    """

    seen: float
    drop: float
    worse: bool
    oracle_falls: bool

    @property
    def blind(self) -> bool:
        """The signs got worse, and the metric minds no more than it minds another signer."""
        return self.oracle_falls and not self.worse

    @property
    def false_alarm(self) -> bool:
        """The signs are as legible as another signer's, and the metric minds more."""
        return self.worse and not self.oracle_falls


def blindness(scores: Scores, names: Sequence[str], seed: int = 0) -> dict[tuple[str, str], Sight]:
    """Which condition each metric fails to see, by (condition, metric).

    Reference-based metrics put anything below the truth itself, so that would test nothing.  The
    yardstick is the harmless change: the same signs by another signer.
    """
    yardstick = list(names).index(HARMLESS)
    n = scores[ORACLE].shape[1]
    draws = np.random.default_rng(seed).integers(n, size=(1000, n))

    def above(worsening: np.ndarray, least: float) -> bool:
        """Whether the 95 % interval of the mean over sentences lies above ``least``."""
        return bool(np.quantile(worsening[draws].mean(1), 0.025) > least)

    found = {}
    for c, condition in enumerate(names):
        if condition in (TRUTH, HARMLESS):
            continue
        fall = scores[ORACLE][yardstick] - scores[ORACLE][c]
        falls = above(fall, MATERIAL)
        for name in measured(scores):
            loss = MEASURES[name].better * (scores[name][yardstick] - scores[name][c])
            spread = loss.std(ddof=1) if len(loss) > 1 else 0.0
            found[condition, name] = Sight(
                float(((loss > 0) + 0.5 * (loss == 0)).mean()),
                float(loss.mean() / spread) if spread else 0.0,
                above(loss, 0.0),
                falls,
            )
    return found


def share_removed(
    scores: Scores, names: Sequence[str], before: str, after: str, condition: str, seed: int = 0
) -> Interval:
    """1 - (mean error ``after``) / (mean error ``before``) of a condition, with its interval.

    ``unaligned`` to ``mm`` is what warping forgives, ``mm`` to ``procrustes`` what rotation does.
    Warping that undid differences of timing alone would remove the error of time-stretched truth
    and little of a wrong sentence's: what it removes there is over-optimism (MaDiS §3.4).
    """
    c = list(names).index(condition)
    first, second = scores[before][c], scores[after][c]
    return metrics.bootstrap_statistic(
        lambda chosen: 1 - second[chosen].mean() / max(first[chosen].mean(), 1e-12),
        len(first), seed, resamples=1000,
    )  # fmt: skip


REMOVED = (  # what warping or rotation forgives: before, after, conditions
    ("unaligned", "mm", ("uneven tempo", OTHER_SIGNER, "wrong sentence", SYSTEM)),
    ("mm", "procrustes", (
        "palms turned 30°", "palms turned 90°", "body turned 15°", "body turned 45°",
        OTHER_SIGNER, "wrong sentence", SYSTEM,
    )),
)  # fmt: skip


def analysed(suite: Suite, corpus: str) -> Run:
    """What :func:`graded` says, as rows with intervals.

    The result holds ``rho`` and ``over_dtw`` (metric, level and interval), ``without_one`` (metric
    and :class:`Agreement`'s ranges), ``sight`` (condition,
    metric and :class:`Sight`), ``removed`` (before, after, condition and interval) and ``means``
    (condition, metric and the mean over sentences, the oracle's too).
    """
    panel = graded(suite, corpus)

    def work(_: Any) -> dict[str, Any]:
        scores, names = table(panel), panel.result["conditions"]
        found = agreement(scores, names)
        sights = blindness(scores, names)
        return {
            "rho": [_row(key, interval) for key, interval in found.rho.items()],
            "over_dtw": [_row(key, interval) for key, interval in found.over_dtw.items()],
            "without_one": [
                {"metric": m, "low": low, "high": high}
                | dict(zip(("over_dtw_low", "over_dtw_high"), found.over_without[m], strict=True))
                for m, (low, high) in found.without.items()
            ],
            "sight": [
                {"condition": c, "metric": m, **asdict(sight)}
                | {"blind": sight.blind, "false_alarm": sight.false_alarm}
                for (c, m), sight in sights.items()
            ],
            "removed": [
                {"before": before, "after": after, "condition": c}
                | share_removed(scores, names, before, after, c)._asdict()
                for before, after, chosen in REMOVED
                for c in chosen
            ],
            "means": [
                {"condition": c, "metric": m, "mean": float(scores[m][i].mean())}
                for i, c in enumerate(names)
                for m in (ORACLE, *measured(scores))
            ],
        }

    return suite.store.run(f"panel-analysis-{corpus}", {"panel": panel}, ("metrics",), work)


def _row(key: tuple[str, str], interval: Interval) -> dict[str, Any]:
    return {"metric": key[0], "level": key[1], **interval._asdict()}
