"""Are the metrics right?  Fig. 7b with an oracle in the place of five signers.

Motions from perfect to useless are scored by every metric, sentence by sentence, and by the share
of glosses that SignWorld's oracle reads off them.  A metric is good when it ranks motions as the
oracle does.  The oracle knows lexicon and order of synthetic signing: it is not a signer, and says
nothing of grace, rhythm or grammar.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from tqdm import tqdm

from madis_lib import body as bodies
from madis_lib import metrics
from madis_lib.body import Body
from madis_lib.data import signworld
from madis_lib.data.signworld.motion import stable_seed
from madis_lib.experiments import back_translation, corruptions, embedding
from madis_lib.experiments.agreement import (
    CONTENT,
    MEDIUM,
    ORACLE,
    OTHER_SIGNER,
    ROUND_TRIP,
    SYSTEM,
    TRUTH,
    agreement,
    blindness,
    measured,
    share_removed,
)
from madis_lib.experiments.corruptions import Clip
from madis_lib.experiments.evaluate import BODY_JOINTS, landmarks
from madis_lib.experiments.sign_tokenizer import encode
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite, fit_canvas
from madis_lib.metrics import Interval
from madis_lib.parts import PARTS

Motions = Sequence[np.ndarray]  # [T, 133] for every sentence of the panel

STAGES = (1 / 16, 1 / 4)  # of fine-tuning: how long models that sign worse are trained


@dataclass(frozen=True)
class Judge:
    """A trained model that scores signing sentence by sentence, such as SiCLIP.

    ``key`` names its run; ``read(texts, clips)`` gives columns ``[n]``, each in :data:`MEASURES`.
    """

    key: str
    read: Callable[[Sequence[str], Motions], Mapping[str, np.ndarray]]


def judges(suite: Suite, corpus: str) -> dict[str, Judge]:
    """SiCLIP and the sign-to-text model of back-translation (MaDiS §3.4)."""

    embedded = cache(lambda: embedding.load(suite))  # loaded when first needed

    def siclip(texts: Sequence[str], clips: Motions) -> dict[str, np.ndarray]:
        """The matching pair's similarity, and R@1 among the texts of the panel."""
        found = embedded().similarity(texts, clips)
        hits = metrics.retrieval_hits(found, 1, texts=texts)
        return {"siclip": np.diagonal(found), "siclip_r1": hits}

    def translator(texts: Sequence[str], clips: Motions) -> dict[str, np.ndarray]:
        read = back_translation.translate(suite, encode(suite.tokenizer, list(clips)))
        language = suite.preset.languages[corpus]
        return {"back_translation": back_translation.sentence_bleu(read, texts, language)}

    return {
        "siclip": Judge(embedding.trained(suite).key, siclip),
        "back-translation": Judge(back_translation.trained(suite).key, translator),
    }


def stages(suite: Suite, corpus: str) -> dict[str, Suite]:
    """MaDiS fine-tuned for a part of its updates, by the name of the condition.

    Each is a training of its own, with the whole schedule of the learning rate in fewer updates.
    """
    tuned = suite.preset.finetune.counted(len(suite.texts(corpus, "train")))
    short = {share: max(1, round(share * tuned.updates)) for share in STAGES}
    return {
        f"MaDiS, {share:.0%} trained": suite.variant(
            replace(suite.preset, finetune=replace(tuned, updates=n, warmup=min(n, tuned.warmup)))
        )
        for share, n in short.items()
    }


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
    made |= {name: outputs[name][:count] for name in ("mean pose", "shuffled text", SYSTEM)}
    for name, stage in stages(suite, corpus).items():
        texts = suite.texts(corpus, "test")[:count]
        signed = stage.protocol.sign(stage.system(corpus), texts, stage.preset.method)
        made[name] = [signing.features for signing in signed]
    return made


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
        found["unaligned"].append(
            1000 * clock.run("unaligned", metrics.unaligned_jpe, g, r, joints)
        )
        found["procrustes"].append(clock.run("procrustes", _procrustes, g, r, joints))
    errors = {name: (v[0] + (v[1] + v[2]) / 2) / 2 for name, v in found.items()}
    body, left, right = found["dtw"]
    return errors | {"dtw_body": body, "dtw_hands": (left + right) / 2}


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


def graded(suite: Suite, corpus: str) -> Run:
    """Every condition of a corpus, scored per sentence by every metric and by the oracle.

    The result holds ``conditions``, ``sentences`` (names), ``scores`` (metric to
    ``[conditions, sentences]``, gloss accuracy under "oracle") and ``seconds`` per sentence of each
    stage.  ValueError for a corpus without gloss timelines.
    """
    if not suite.synthetic:
        raise ValueError(f"{corpus}: the panel needs gloss timelines, which real corpora lack")
    judged, body = judges(suite, corpus), bodies.load()
    names = suite.names(corpus, "test")
    count = min(suite.preset.panel_sentences, len(names))
    config = {
        "scores": suite.evaluated(corpus), "sentences": count, "body": body.fingerprint(),
        "corruptions": [corruption.name for corruption in corruptions.GRADED],
        "judges": {name: judge.key for name, judge in judged.items()},
        "stages": {name: stage.finetuned(corpus) for name, stage in stages(suite, corpus).items()},
    }  # fmt: skip

    def work(_: Any) -> dict[str, Any]:
        made = conditions(suite, corpus, count)
        scores, seconds = _scored(suite, corpus, body, made, judged)
        return {
            "conditions": list(made), "sentences": names[:count], "scores": scores,
            "seconds": {stage: s / (count * len(made)) for stage, s in seconds.items()},
        }  # fmt: skip

    return suite.store.run(f"panel-{corpus}", config, ("metrics", "signworld", "sampler"), work)


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
    for judge in judged.values():
        judge.read(texts[:1], made[TRUTH][:1])
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


def table(run: Run) -> dict[str, np.ndarray]:
    """The scores of :func:`graded` as arrays ``[conditions, sentences]`` by metric."""
    return {name: np.array(values) for name, values in run.result["scores"].items()}


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
                | {"oracle_falls": sight.oracle_falls}
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

    config = {"panel": panel, "content": CONTENT, "medium": MEDIUM}
    return suite.store.run(f"panel-analysis-{corpus}", config, ("metrics",), work)


def _row(key: tuple[str, str], interval: Interval) -> dict[str, Any]:
    return {"metric": key[0], "level": key[1], **interval._asdict()}
