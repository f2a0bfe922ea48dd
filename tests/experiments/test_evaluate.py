import numpy as np
import pytest

from madis_lib import body as bodies
from madis_lib import metrics
from madis_lib.experiments import evaluate
from madis_lib.experiments.evaluate import METRICS, Reference, beats, difference, summary, value

PER_SENTENCE = ("dtw_body", "dtw_hands", "mm_body", "mm_hands")


def made_up(n: int = 30, seed: int = 0, worse: float = 0.0) -> dict:
    """Scores of ``n`` sentences; ``worse`` in [0, 1] spoils every metric."""
    rng = np.random.default_rng(seed)
    scores: dict = {k: (rng.uniform(4, 8, n) + worse).tolist() for k in PER_SENTENCE}
    reference = [rng.integers(0, 9, 12) for _ in range(n)]
    spoilt = [np.where(rng.random(12) < 0.3 + 0.7 * worse, 9, r) for r in reference]
    counts = metrics.sibleu_statistics(spoilt, reference).tolist()
    for key in ("bleu", "bleu_retokenised"):
        scores[key] = dict.fromkeys(("body", "left", "right"), counts)
    scores["gloss_length"] = rng.integers(2, 6, n).tolist()
    scores["gloss_edits"] = [
        int(x) for x in np.minimum(scores["gloss_length"], 1 + 3 * worse).astype(int)
    ]
    hits = (rng.random(n) < 0.9 - 0.8 * worse).astype(float).tolist()
    return scores | {"siclip_hits": hits, "siclip_hits_45": hits}


def every(scores: dict) -> np.ndarray:
    return np.arange(len(scores["dtw_body"]))


def test_values_by_hand():
    scores = {
        "dtw_body": [1.0, 2.0, 6.0],
        "bleu": {
            "body": metrics.sibleu_statistics([[1, 2, 3, 4, 5]] * 3, [[1, 2, 3, 4, 5]] * 3).tolist(),
            "left": metrics.sibleu_statistics([[1, 2, 3, 4, 5]] * 3, [[1, 2, 3, 4, 5]] * 3).tolist(),
            "right": metrics.sibleu_statistics([[7, 7, 7, 7, 7]] * 3, [[1, 2, 3, 4, 5]] * 3).tolist(),
        },
        "gloss_edits": [1, 0, 4],
        "gloss_length": [2, 2, 4],
        "siclip_hits": [0.0, 1.0, 0.5],
        "siclip_hits_45": [1.0, 1.0, 0.5],
    }  # fmt: skip
    all_three, repeated = np.arange(3), np.array([2, 2, 0])
    assert value(scores, "dtw_body", all_three) == 3.0
    assert value(scores, "dtw_body", repeated) == pytest.approx(13 / 3)
    assert value(scores, "gloss_error", all_three) == 62.5
    assert value(scores, "gloss_error", repeated) == 90.0
    assert value(scores, "sibleu_body", all_three) == pytest.approx(100)
    assert value(scores, "r1", all_three) == 50
    assert value(scores, "r1_45", repeated) == pytest.approx(200 / 3)
    apart = metrics.sibleu([[7, 7, 7, 7, 7]] * 3, [[1, 2, 3, 4, 5]] * 3)
    assert value(scores, "sibleu_hands", all_three) == pytest.approx((100 + apart) / 2)
    scores["bleu_retokenised"] = dict.fromkeys(("body", "left"), scores["bleu"]["right"])
    scores["bleu_retokenised"]["right"] = scores["bleu"]["left"]
    assert value(scores, "sibleu_re_body", all_three) == pytest.approx(apart)
    assert value(scores, "sibleu_re_hands", all_three) == pytest.approx((100 + apart) / 2)


@pytest.mark.parametrize("metric", METRICS)
def test_an_interval_holds_its_estimate(metric):
    scores = made_up()
    found = summary(scores, metric, resamples=200)
    assert found.low <= found.estimate <= found.high and found.low < found.high
    assert found.estimate == value(scores, metric, every(scores))
    assert found == summary(scores, metric, resamples=200)


@pytest.mark.parametrize("metric", METRICS)
def test_identical_systems_are_never_better(metric):
    scores = made_up()
    assert difference(scores, made_up(), metric, resamples=200) == (0, 0, 0)
    assert beats(scores, made_up(), metric) is None


@pytest.mark.parametrize("metric", METRICS)
def test_better_is_seen_in_the_right_direction(metric):
    good, bad = made_up(), made_up(worse=0.8)
    assert beats(good, bad, metric) is True
    assert beats(bad, good, metric) is False
    sign = METRICS[metric].better
    assert sign * difference(good, bad, metric, resamples=200).estimate > 0


def test_a_difference_is_paired():
    """Sentences differ far more than systems; only pairing sees the small constant difference."""
    scores = made_up()
    slightly = scores | {"dtw_body": [x + 0.01 for x in scores["dtw_body"]]}
    found = difference(scores, slightly, "dtw_body", resamples=200)
    assert found.low == pytest.approx(-0.01) and found.high == pytest.approx(-0.01)
    assert summary(scores, "dtw_body").high > summary(slightly, "dtw_body").low
    assert beats(scores, slightly, "dtw_body") is True


def test_noise_is_not_separated():
    scores = made_up()
    rng = np.random.default_rng(1)
    noisy = scores | {"dtw_body": (np.array(scores["dtw_body"]) + rng.normal(size=30)).tolist()}
    assert beats(scores, noisy, "dtw_body") is None


def test_gloss_error_only_where_there_is_truth_and_recall_where_there_is_siclip():
    scores = made_up()
    assert evaluate.available(scores) == list(METRICS)
    del scores["gloss_edits"]
    assert evaluate.available(scores) == [m for m in METRICS if m != "gloss_error"]
    del scores["siclip_hits"], scores["siclip_hits_45"]
    assert not {"r1", "r1_45"} & set(evaluate.available(scores))
    del scores["bleu_retokenised"]
    assert not [m for m in evaluate.available(scores) if m.startswith("sibleu_re")]


@pytest.fixture(scope="module")
def body():
    return bodies.load()


def motion(frames: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (0.2 * rng.normal(size=(1, 133)) + 0.05 * rng.normal(size=(frames, 133))).astype("f4")


def test_scores_without_an_oracle(body):
    true = [motion(8, 0), motion(12, 1)]
    tokens = [np.arange(6).reshape(2, 3), np.arange(9).reshape(3, 3)]
    scores = evaluate.score(true, tokens, Reference(true, tokens, None), body, None)
    assert all(scores[k] == [0.0, 0.0] for k in PER_SENTENCE)
    assert scores["length_ratio"] == [1.0, 1.0]
    assert set(scores) == {*PER_SENTENCE, "length_ratio", "bleu"}

    other = [motion(4, 2), motion(24, 3)]
    scores = evaluate.score(other, tokens[::-1], Reference(true, tokens, None), body, None)
    assert scores["length_ratio"] == [0.5, 2.0]
    for part, index in (("body", 0), ("left", 1), ("right", 2)):
        streams = [[t[:, index] for t in side] for side in (tokens[::-1], tokens)]
        assert scores["bleu"][part] == metrics.sibleu_statistics(*streams).tolist()
    g, r = (
        {k: np.asarray(v) for k, v in body.landmarks(side[0]).items()} for side in (other, true)
    )
    hands = [metrics.dtw_jpe(g[side], r[side]) for side in ("left", "right")]
    assert scores["dtw_hands"][0] == pytest.approx(np.mean(hands), rel=1e-5)
    bare = metrics.dtw_jpe(g["body"], r["body"], joints=range(1, 13))
    assert scores["dtw_body"][0] == pytest.approx(bare, rel=1e-5)
    total, steps = metrics.dtw_path(g["body"], r["body"], range(1, 13))
    assert scores["mm_body"][0] == pytest.approx(1000 * total / steps, rel=1e-5)


class Parrot:
    """Reads the same glosses off everything."""

    def read(self, features):
        return ["A", "B"]


def test_what_the_oracle_reads_is_counted(body):
    true, tokens = [motion(8)] * 2, [np.zeros((2, 3), int)] * 2
    reference = Reference(true, tokens, [["A", "B"], ["B", "C", "D"]])
    scores = evaluate.score(true, tokens, reference, body, Parrot())
    assert scores["read"] == [["A", "B"]] * 2
    assert (scores["gloss_edits"], scores["gloss_length"]) == ([0, 3], [2, 3])


def test_retokenised_motion_is_counted_beside_the_systems_own_tokens(body):
    true, tokens = [motion(8)], [np.arange(6).reshape(2, 3)]
    reference = Reference(true, tokens, None)
    again = [np.array([[0, 9, 2], [9, 9, 5]])]
    scores = evaluate.score(true, tokens, reference, body, None, retokenised=again)
    assert scores["bleu"] == evaluate.bleu_counts(tokens, tokens, 4)
    assert scores["bleu_retokenised"] == evaluate.bleu_counts(again, tokens, 4)
    unigrams = [scores["bleu_retokenised"][p][0][2] for p in ("body", "left", "right")]
    assert unigrams == [1, 0, 2]


def test_every_sentence_needs_an_answer(body):
    true, tokens = [motion(8)] * 2, [np.zeros((2, 3), int)] * 2
    with pytest.raises(ValueError, match="zip"):
        evaluate.score(true[:1], tokens, Reference(true, tokens, None), body, None)


def test_signings_search_the_texts(body):
    """Rows are signings; pools are consecutive; an equal text is an answer too."""
    n = 47
    true, tokens = [motion(4)] * n, [np.zeros((1, 3), int)] * n
    texts = [f"text {i}" for i in range(n - 1)] + ["text 0"]
    found = np.eye(n)
    found[3, 46] = 2.0  # finds the last text instead of its own: only outside its pool
    found[46] = np.eye(n)[0]  # finds the first text, which says the same

    def similarity(asked, clips):
        assert list(asked) == texts and len(clips) == n
        return found

    reference = Reference(true, tokens, None, texts)
    scores = evaluate.score(true, tokens, reference, body, None, similarity=similarity)
    assert [i for i in range(n) if scores["siclip_hits"][i] != 1] == [3]
    assert scores["siclip_hits_45"][:45] == [1.0] * 45
    assert scores["siclip_hits_45"][45:] == [1.0, 0.5]  # the last pool has two, and no first text
    with pytest.raises(ValueError, match="no texts"):
        evaluate.score(
            true, tokens, Reference(true, tokens, None), body, None, similarity=similarity
        )
