import json

import numpy as np
import pytest
from scipy import stats

from madis_lib.data import signworld
from madis_lib.experiments import agreement, back_translation, corruptions, embedding, panel
from madis_lib.experiments.agreement import HARMLESS, ORACLE, TRUTH

NAMES = [TRUTH, HARMLESS, "bad", "worse", "useless", "MaDiS"]


def made_up(seed: int = 0, n: int = 30) -> dict[str, np.ndarray]:
    """Accuracy that falls, a metric that follows it, one that follows loosely, one that is blind."""
    rng = np.random.default_rng(seed)
    truth = np.array([1.0, 0.97, 0.7, 0.4, 0.05, 0.5])[:, None] + 0.02 * rng.normal(size=(6, n))
    return {
        ORACLE: truth,
        "sibleu": 100 * truth + rng.normal(size=truth.shape),
        "dtw": 10 - 5 * truth + 3 * rng.normal(size=truth.shape),
        "procrustes": np.array([0, 5, 5, 9, 12, 3])[:, None] + 0.1 * rng.normal(size=truth.shape),
    }


def test_rho_is_spearmans_and_right_is_positive():
    scores = made_up()
    found = agreement.agreement(scores, NAMES, resamples=50)
    for level, seen in (
        ("clips", np.ravel),
        ("conditions", lambda v: v.mean(1)),
        ("MaDiS", lambda v: v[NAMES.index("MaDiS")]),
    ):
        for metric, sign in (("sibleu", 1), ("dtw", -1)):
            expected = sign * stats.spearmanr(seen(scores[metric]), seen(scores[ORACLE])).statistic
            assert found.rho[metric, level].estimate == pytest.approx(expected)
    flipped = {**scores, "sibleu": -scores["sibleu"]}
    assert agreement.agreement(flipped, NAMES, resamples=10).rho["sibleu", "clips"].estimate < -0.9


def test_errors_of_content_are_those_of_no_other_kind():
    names = [TRUTH, HARMLESS, "noise 5°", "one sign dropped", "wrong sentence", "mirrored"]
    scores, kept = made_up(), [0, 1, 3, 4]
    found = agreement.agreement(scores, names, resamples=5).rho["dtw", "content"].estimate
    expected = stats.spearmanr(scores["dtw"][kept].ravel(), scores[ORACLE][kept].ravel())
    assert found == pytest.approx(-expected.statistic)


def test_a_slip_of_the_oracle_is_no_fall():
    scores = made_up()
    scores[ORACLE][2] = scores[ORACLE][1] - 0.01
    assert not agreement.blindness(scores, NAMES)["bad", "dtw"].oracle_falls
    scores[ORACLE][2] = scores[ORACLE][1] - 0.05
    assert agreement.blindness(scores, NAMES)["bad", "dtw"].oracle_falls


def test_the_better_metric_is_told_from_the_worse_on_the_same_draws():
    found = agreement.agreement(made_up(), NAMES, resamples=200)
    gap = found.over_dtw["sibleu", "clips"]
    assert 0 < gap.low < gap.estimate < gap.high
    rho = found.rho
    assert gap.estimate == pytest.approx(
        rho["sibleu", "clips"].estimate - rho["dtw", "clips"].estimate
    )
    same = {**made_up(), "mm": made_up()["dtw"]}
    assert agreement.agreement(same, NAMES, resamples=50).over_dtw["mm", "clips"] == (0, 0, 0)


def test_intervals_are_over_sentences():
    """Twice the same sentences say no more: rho stays, and draws of conditions are not made."""
    few, many = (agreement.agreement(made_up(n=n), NAMES, resamples=200) for n in (6, 200))
    width = [a.rho["dtw", "clips"].high - a.rho["dtw", "clips"].low for a in (few, many)]
    assert width[1] < width[0] / 2
    again = agreement.agreement(made_up(n=6), NAMES, resamples=200)
    assert again.rho == few.rho


def test_leaving_a_condition_out_cannot_leave_the_range():
    scores = made_up()
    found = agreement.agreement(scores, NAMES, resamples=5)
    low, high = found.without["dtw"]
    kept = [i for i in range(len(NAMES)) if NAMES[i] != "useless"]
    one = stats.spearmanr(-scores["dtw"][kept].ravel(), scores[ORACLE][kept].ravel()).statistic
    assert low <= one <= high and low < high


def test_equal_values_have_no_rank():
    scores = {ORACLE: np.zeros((6, 4)), "dtw": made_up(n=4)["dtw"]}
    assert np.isnan(agreement.agreement(scores, NAMES, resamples=10).rho["dtw", "clips"]).all()


def test_blind_and_alarmed():
    scores = made_up()
    found = agreement.blindness(scores, NAMES)
    assert found["bad", "procrustes"].blind  # it puts "bad" where it puts another signer
    assert found["bad", "procrustes"].seen == pytest.approx(0.5, abs=0.2)
    assert not found["bad", "sibleu"].blind and found["bad", "sibleu"].seen == 1
    assert not found["worse", "procrustes"].blind
    assert (TRUTH, "sibleu") not in found and (HARMLESS, "sibleu") not in found
    legible = {**scores, ORACLE: np.ones_like(scores[ORACLE])}
    sight = agreement.blindness(legible, NAMES)["worse", "sibleu"]
    assert sight.false_alarm and not sight.blind and sight.drop > 1


def test_what_warping_removes():
    scores = {
        "unaligned": np.full((6, 3), 8.0),
        "mm": np.full((6, 3), 2.0),
        ORACLE: np.ones((6, 3)),
    }
    found = agreement.share_removed(scores, NAMES, "unaligned", "mm", "bad")
    assert tuple(found) == pytest.approx((0.75, 0.75, 0.75))


def test_gloss_accuracy_ends_at_zero():
    read = [["A", "B"], ["A"], ["X", "Y", "Z", "W"], []]
    np.testing.assert_allclose(panel.gloss_accuracy(read, [["A", "B"]] * 4), [1, 0.5, 0, 0])


def test_sibleu_of_a_sentence():
    reference = [np.arange(24).reshape(8, 3), np.arange(30).reshape(10, 3)]
    other = [reference[0].copy(), reference[1].copy()]
    other[1][:, 1:] = 99  # hands that share nothing
    found = panel.sentence_sibleu(other, reference)
    assert found == pytest.approx([100, 50])


def test_errors_of_a_clip():
    rng = np.random.default_rng(0)
    true = {
        p: rng.normal(size=(9, 13 if p == "body" else 21, 3)) for p in ("body", "left", "right")
    }
    assert max(panel.joint_errors(true, true).values()) == pytest.approx(0, abs=1e-9)
    slow = {p: np.repeat(v, [1] * 4 + [3] * 5, axis=0) for p, v in true.items()}
    found = panel.joint_errors(slow, true)
    assert found["dtw"] == pytest.approx(0, abs=1e-6) and found["unaligned"] > 100
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    found = panel.joint_errors({p: v @ turn.T for p, v in true.items()}, true)
    assert found["procrustes"] < found["mm"]
    assert found["dtw"] == pytest.approx((found["dtw_body"] + found["dtw_hands"]) / 2)


def test_the_timeline_follows_a_clip_that_was_cut_to_the_canvas():
    truth = {"frames": 80, "timeline": [("A", 4, 40), ("B", 40, 72)]}
    assert panel.timeline_in(np.zeros((40, 133)), truth) == [("A", 2, 20), ("B", 20, 36)]
    assert panel.timeline_in(np.zeros((80, 133)), truth) == [("A", 4, 40), ("B", 40, 72)]


@pytest.fixture(scope="module")
def graded(suite):
    return panel.graded(suite, "csl")


def test_the_panel_of_a_suite(suite, graded):
    result, scores = graded.result, panel.table(graded)
    n, wanted = 5, [c.name for c in corruptions.GRADED]
    assert set(wanted) < set(result["conditions"]) and len(result["sentences"]) == n
    at = {name: i for i, name in enumerate(result["conditions"])}
    for values in scores.values():
        assert values.shape == (len(at), n) and np.isfinite(values).all()
    np.testing.assert_allclose(scores["dtw"][at[TRUTH]], 0, atol=1e-6)
    np.testing.assert_allclose(scores["sibleu"][at[TRUTH]], 100)
    assert scores[ORACLE][at[TRUTH]].mean() > 0.8 > scores[ORACLE][at["wrong sentence"]].mean()
    assert scores[ORACLE][at[HARMLESS]].mean() > 0.8
    assert 0 < scores["dtw"][at[HARMLESS]].mean() < scores["dtw"][at["wrong sentence"]].mean()
    assert {"landmarks", "dtw", "encoding", "sibleu", "oracle"} <= set(result["seconds"])
    np.testing.assert_allclose(
        scores["dtw_body"][at["MaDiS"]],
        suite.evaluated("csl").result["scores"]["MaDiS"]["dtw_body"],
        rtol=1e-4,
    )  # as the results table has it


def test_other_signers_sign_the_same_with_the_same_hand(suite):
    world = signworld.read_world(suite.root, "csl")
    clips = suite.clips("csl", "test")
    for (name, sentence), clip in zip(world.sentences["test"], clips, strict=True):
        first, again = world.utterance(name, sentence), world.utterance(name, sentence, other=True)
        np.testing.assert_allclose(first.features, clip, atol=1e-6)  # the world that wrote them
        assert again.signer != first.signer and again.glosses == first.glosses
        assert again.left_dominant == first.left_dominant


def test_trained_judges_and_stages_of_training_are_in_the_panel(suite, graded):
    scores, made = panel.table(graded), graded.result["conditions"]
    similarity = embedding.load(suite).similarity(
        suite.texts("csl", "test"), suite.clips("csl", "test")
    )
    np.testing.assert_allclose(scores["siclip"][0], np.diagonal(similarity), rtol=1e-4)
    read = back_translation.evaluated(suite, "csl").result["sentence_bleu"]
    np.testing.assert_allclose(
        scores["back_translation"][made.index("MaDiS")], read["MaDiS"], atol=1e-3
    )
    stages = panel.stages(suite, "csl")
    assert len(stages) == 2 and set(stages) < set(made)
    for stage in stages.values():
        history = stage.finetuned("csl").result["history"]
        assert history[-1]["update"] == 1  # of tiny's four, a sixteenth and a quarter
        assert stage.pretrained.key == suite.pretrained.key


def test_the_analysis_is_kept(suite, graded):
    run = panel.analysed(suite, "csl")
    assert panel.analysed(suite, "csl").folder == run.folder
    rows = json.loads((run.folder / "result.json").read_text())
    conditions = set(graded.result["conditions"])
    assert {row["condition"] for row in rows["sight"]} == conditions - {TRUTH, HARMLESS}
    assert {row["condition"] for row in rows["means"]} == conditions
    assert {row["level"] for row in rows["rho"]} == {"clips", "content", "conditions", "MaDiS"}
