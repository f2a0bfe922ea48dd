"""The sweep scores what it timed, and any system can enter it."""

import numpy as np

from madis_lib.experiments import bidirectional, efficiency, sweep
from madis_lib.experiments.sweep import Contestant
from madis_lib.reporting import speed_tables
from madis_lib.reporting.figures import speed as figures
from madis_lib.systems.madis import encode_texts


def test_every_point_is_scored_and_timed(suite):
    systems = [sweep.madis(suite, "csl")]
    run = sweep.steps_sweep(suite, "csl", systems)
    points = run.result["points"]
    size = suite.preset.model.max_tokens
    assert [p["tokens_per_step"] for p in points] == [1, 2, 3, 4, 6, 10]  # 17 leaves 2 steps for 3
    for p in points:
        n = len(suite.texts("csl", "test"))
        assert len(p["seconds"]) == len(p["scores"]["dtw_body"]) == n and min(p["seconds"]) > 0
        assert p["places"] == [size] * n and all(0 < t <= size for t in p["tokens"])
        both = [sweep.speed(p, count).estimate for count in ("tokens", "places")]
        assert 0 < both[0] <= both[1]
    assert sweep.steps_sweep(suite, "csl", systems).key == run.key


def test_at_the_presets_own_step_the_scores_are_those_of_the_table(suite):
    points = sweep.steps_sweep(suite, "csl", [sweep.madis(suite, "csl")]).result["points"]
    mine = next(p for p in points if p["tokens_per_step"] == suite.preset.tokens_per_step)
    table = suite.evaluated("csl").result["scores"]["MaDiS"]
    np.testing.assert_allclose(mine["scores"]["dtw_body"], table["dtw_body"], rtol=1e-4)
    assert mine["scores"]["bleu"] == table["bleu"]


def test_a_system_that_stops_at_the_end_counts_no_canvas(suite):
    truth = dict(zip(suite.texts("csl", "test"), suite.tokens("csl", "test"), strict=True))
    rival = Contestant("truth", suite.tokens_run, lambda: lambda text, k: truth[text], (1,))
    above = sweep.madis_above(suite, "csl", 0.5)
    systems = [
        sweep.madis(suite, "csl", (4,)),
        rival,
        above,
        sweep.madis(suite, "csl", (4,), True, "coarse"),
    ]
    found = sweep.steps_sweep(suite, "csl", systems).result["points"]
    assert [(p["system"], p["tokens_per_step"]) for p in found] == [
        ("MaDiS", 4), ("truth", 1), ("MaDiS, also all above 0.5", 1), ("coarse", 4),
    ]  # fmt: skip
    assert found[1]["places"] == found[1]["tokens"] == [len(t) for t in truth.values()]
    assert found[1]["scores"]["bleu"]["body"] != found[0]["scores"]["bleu"]["body"]


def test_the_plain_sampler_signs_the_same(suite):
    systems = [sweep.madis(suite, "csl", (4,)), sweep.madis_plain(suite, "csl", (4, 99), "plain")]
    fast, plain = sweep.steps_sweep(suite, "csl", systems).result["points"]
    assert plain["system"] == "plain" and plain["places"] == fast["places"]
    assert plain["tokens"] == fast["tokens"] and plain["scores"]["bleu"] == fast["scores"]["bleu"]


def test_the_figure_shows_what_the_table_holds(suite):
    efficiency.swept(suite, "csl")
    found = speed_tables.frame(suite)
    assert figures.fig6(suite).data["points"] == found.to_dict("records")
    points = efficiency.swept(suite, "csl").result["points"]
    assert set(found.measure) == set(speed_tables.HEADINGS)
    assert len(found) == len(points) * len(speed_tables.HEADINGS)
    first = found[(found.system == "MaDiS") & (found.tokens_per_step == 4)].set_index("measure")
    mine = next(p for p in points if (p["system"], p["tokens_per_step"]) == ("MaDiS", 4))
    assert tuple(first.loc["places", ["estimate", "low", "high"]]) == sweep.speed(mine, "places")
    dtw = np.mean([mine["scores"]["dtw_body"], mine["scores"]["dtw_hands"]])
    assert abs(first.estimate["dtw"] - dtw) < 1e-9
    assert (found.low <= found.estimate).all() and (found.estimate <= found.high).all()


def test_another_quality_is_measured_and_not_missed(suite, monkeypatch):
    efficiency.swept(suite, "csl")
    assert "mm_body" not in set(speed_tables.frame(suite).measure)
    monkeypatch.setattr(speed_tables, "QUALITY", ("mm_body",))
    monkeypatch.setitem(speed_tables.HEADINGS, "mm_body", "aligned error body (mm) ↓")
    assert "mm_body" in set(speed_tables.frame(suite).measure)


def test_a_causal_model_reads_nothing_ahead_on_any_sentence(suite):
    run = bidirectional.future_attention(suite, "csl")
    ratios = run.result["ratios"]
    heads = suite.preset.model.num_heads
    for scope in bidirectional.SCOPES:
        assert set(np.ravel(ratios[bidirectional.CAUSAL][scope])) == {0.0}
        for name in (bidirectional.TRAINED, bidirectional.UNTRAINED):
            found = np.array(ratios[name][scope])
            assert found.shape == (len(run.result["sentences"]), heads)
            assert (found > 0).all() and (found < 1).all()
    mean = bidirectional.average(run)
    assert mean.low <= mean.estimate <= mean.high
    gap = bidirectional.above_untrained(run).estimate
    before = bidirectional.average(run, bidirectional.UNTRAINED).estimate
    assert abs(mean.estimate - before - gap) < 1e-9


def test_the_last_step_still_sees_masks_where_it_writes(suite):
    system = suite.system("csl")
    canvas, length = bidirectional.final_canvas(
        system, *encode_texts(system.text, suite.texts("csl", "test")[:1])
    )
    masked = (canvas == system.model.vocab.mask).all(-1)
    assert 1 <= int(masked.sum()) <= suite.preset.tokens_per_step and length >= 1
    known = system.model.vocab.is_code_triple(canvas[0, :length])
    assert (known | masked[0, :length]).all()


def test_fig7c_ranks_heads_by_what_it_draws(suite):
    data = figures.fig7c(suite, "csl").data
    ahead = data["per_head"][bidirectional.TRAINED]
    assert [ahead[h] for h in data["heads"]] == sorted(ahead, reverse=True)[: bidirectional.TOP]
    assert data["averages"][bidirectional.CAUSAL]["signs"]["estimate"] == 0
    assert len(data["maps"]) == min(bidirectional.TOP, suite.preset.model.num_heads)
