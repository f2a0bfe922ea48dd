"""The numbers that need no training, against the rules and small cases by hand."""

import pytest

from madis_lib import metrics, paper, utc
from madis_lib.experiments import computed

EXACT = [key for key in computed.COMPUTED if key != "dtw.slower_than_sibleu"]
NEED_A_CORPUS = {"frames.coverage", "back_translation.has_its_own_errors"}


def test_every_computed_claim_has_its_number_or_needs_a_corpus():
    claims = {c.id for c in paper.CLAIMS if isinstance(c.rule, paper.Computed)}
    assert set(computed.COMPUTED) | NEED_A_CORPUS == claims
    assert all(computed.value(key) is None for key in NEED_A_CORPUS)


@pytest.mark.parametrize("key", EXACT)
def test_arithmetic_comes_out_and_repeats(key):
    rule, found = paper.claim(key).rule, computed.value(key)
    assert rule.low <= found <= rule.high
    assert computed.value(key) == found


def test_known_numbers():
    assert computed.order_reduction() == pytest.approx(1.063e42, rel=1e-3)
    assert computed.frames_from_tokens() == 400


def test_a_wrong_schedule_is_seen(monkeypatch):
    monkeypatch.setattr(utc, "stage_schedule", lambda m, steps: [[24], [26], [50]])
    assert computed.positions_off_pivots() == 1


def test_states_without_checkpoints_are_infeasible(monkeypatch):
    plain = utc.sample_visible
    monkeypatch.setattr(utc, "sample_visible", lambda t, m, g: plain(t, m, g, checkpoints=()))
    assert computed.infeasible_training_states(50) > 40


def test_timings_are_positive_and_ordered():
    found = computed.dtw_over_sibleu(sentences=3, repeats=3)
    assert isinstance(found, metrics.Interval)
    assert 0 < found.low <= found.estimate <= found.high
