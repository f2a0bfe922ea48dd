"""SiCLIP as it is trained and asked: rungs, galleries, and what it may not depend on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from madis_lib import metrics, paper
from madis_lib.experiments import embedding
from madis_lib.experiments.embedding import JointEmbedding
from madis_lib.experiments.suite import Suite
from tests import tiny


@pytest.fixture(scope="module")
def joint(suite) -> JointEmbedding:
    return embedding.load(suite)


def gallery(suite) -> tuple[list[str], list[np.ndarray]]:
    return suite.texts("csl", "test"), suite.clips("csl", "test")


def test_the_rungs_are_those_of_table_6(suite):
    assert list(embedding.RUNGS) == [row.key for row in paper.TABLE_6.rows]
    assert len({embedding.trained(suite, rung).key for rung in embedding.RUNGS}) == 3
    for rung, options in embedding.RUNGS.items():
        model = embedding.load(suite, rung).model
        assert (model.config.decoupled, model.config.fine_grained) == options
        assert ("whole" in model.encoders) != model.config.decoupled and not model.training
    with pytest.raises(ValueError, match="unknown rung 'best': choose one of baseline, decoupled"):
        embedding.trained(suite, "best")


def test_one_judge_for_every_tokenizer_and_seed(suite, home, monkeypatch):
    def refuse(self):
        raise AssertionError("the sign tokenizer was asked for")

    key = embedding.trained(suite).key
    monkeypatch.setattr(Suite, "tokenizer_run", property(refuse))
    p = tiny.preset()
    for changed in (p, replace(p, tokenizer=replace(p.tokenizer, width=24), tokenizer_window=20)):
        other = Suite(changed, home, seed=5)
        assert embedding.trained(other).key == key
        embedding.retrieved(other, "csl")
    longer = Suite(replace(p, train_siclip=replace(p.train_siclip, updates=5)), home)
    with pytest.raises(FileNotFoundError), longer.store.only_finding():
        embedding.trained(longer)


def test_training_moves_every_weight_and_is_the_same_again(suite, tmp_path):
    before = embedding.untrained(suite, "fine_grained").model.state_dict()
    trained = embedding.load(suite).model.state_dict()
    assert not [name for name in before if torch.equal(before[name], trained[name])]
    again = embedding.load(Suite(tiny.preset(), tmp_path)).model.state_dict()
    assert not [name for name in trained if not torch.equal(again[name], trained[name])]
    assert before["logit_scale"].exp().item() == pytest.approx(1 / 0.07)


def test_rows_are_signings_and_no_pair_depends_on_its_batch(suite, joint):
    texts, clips = gallery(suite)
    whole = joint.similarity(texts[:4], clips)
    assert whole.shape == (len(clips), 4) and whole.dtype == np.float32
    np.testing.assert_allclose(joint.similarity(texts[:4], clips, batch_size=2), whole, atol=1e-6)
    alone = joint.similarity(texts[2:3], clips[1:2])
    np.testing.assert_allclose(alone[0, 0], whole[1, 2], atol=1e-6)
    assert np.ptp(whole, axis=0).min() > 0 and np.ptp(whole, axis=1).min() > 0


@torch.no_grad()
def test_clips_of_any_length_do_not_depend_on_their_batch(joint):
    generator = np.random.default_rng(0)
    clips = [generator.normal(size=(n, 133)).astype(np.float32) for n in (42, 20, 47)]
    features, valid = joint.sign_features(clips)
    assert valid.sum(1).tolist() == [10, 5, 11]  # up to three last frames are left out
    for i, clip in enumerate(clips):
        for same in (clip, clip[: len(clip) // 4 * 4]):
            alone, _ = joint.sign_features([same])
            torch.testing.assert_close(alone[0], features[i][valid[i]], atol=1e-5, rtol=0)


def test_what_is_not_to_be_compared_is_refused(suite, joint):
    texts, clips = gallery(suite)
    with pytest.raises(ValueError, match="5 signings, 0 texts: give one of each"):
        joint.similarity([], clips)
    with pytest.raises(ValueError, match="0 signings"):
        joint.similarity(texts, [])
    with pytest.raises(ValueError, match="fewer than 4 frames"):
        joint.similarity(texts, [clips[0], clips[1][:3]])
    assert np.isfinite(joint.similarity([""], clips)).all()  # an empty text is its eos


def test_a_saved_embedding_is_the_same(suite, joint, tmp_path):
    texts, clips = gallery(suite)
    joint.save(tmp_path)
    again = JointEmbedding.load(tmp_path)
    np.testing.assert_array_equal(again.similarity(texts, clips), joint.similarity(texts, clips))
    with pytest.raises(FileNotFoundError, match=r"siclip\.safetensors: no SiCLIP here"):
        JointEmbedding.load(tmp_path / "text")
    path = tmp_path / "siclip.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"siclip\.safetensors: damaged or not safetensors"):
        JointEmbedding.load(tmp_path)


@pytest.mark.parametrize("rung", embedding.RUNGS)
def test_recall_of_true_signing(suite, rung):
    run = embedding.retrieved(suite, "phoenix", rung)
    texts = suite.texts("phoenix", "test")
    similarity = embedding.load(suite, rung).similarity(texts, suite.clips("phoenix", "test"))
    rows = run.result["rows"]
    assert len(rows) == 2 * 2 * 3 and run.result["sentences"] == len(texts)
    for row in rows:
        matrix = similarity if row["direction"] == "sign to text" else similarity.T
        found = metrics.retrieval(matrix, (row["k"],), row["pool"], texts)
        assert row["estimate"] == pytest.approx(found[f"R@{row['k']}"])
        assert row["estimate"] == pytest.approx(100 * np.mean(row["hits"]))
        assert 0 <= row["low"] <= row["estimate"] <= row["high"] <= 100
        chance = metrics.retrieval(np.zeros_like(matrix), (row["k"],), row["pool"], texts)
        assert row["chance"] == pytest.approx(chance[f"R@{row['k']}"])


def test_settings_are_chosen_on_val(suite):
    run = embedding.retrieved(suite, "csl", split="val")
    assert run.result["sentences"] == len(suite.texts("csl", "val"))
    assert run.key != embedding.retrieved(suite, "csl").key


def test_generated_signing_is_judged_by_it(suite):
    scores = suite.evaluated("csl").result["scores"]
    texts = suite.texts("csl", "test")
    joint = embedding.load(suite)
    for system, motions in suite.outputs("csl").items():
        similarity = joint.similarity(texts, motions)
        hits = metrics.retrieval_hits(similarity, 1, texts=texts)
        assert scores[system]["siclip_hits"] == pytest.approx(hits.tolist()), system
