import json

import numpy as np
import torch

from madis_lib import utc
from madis_lib.experiments import agreement, evaluate, panel
from madis_lib.reporting import ablation_tables, figures
from madis_lib.reporting.figures import examples, gates, metrics, pivots, style


def test_every_figure_is_kept_with_its_data_and_provenance(report):
    kept = [e for e in figures.ALL if e.name not in ("utc_map", "order")]  # not at smoke size
    for entry in kept:
        for suffix in ("svg", "png"):
            assert (report / "figures" / f"{entry.name}.{suffix}").stat().st_size > 5_000
        sidecar = json.loads((report / "figures" / f"{entry.name}.json").read_text())
        assert sidecar["data"] and sidecar["provenance"]["preset"] == "tiny"
        assert sidecar["provenance"]["runs"]["pretrained"]


def test_differences_are_drawn_as_the_table_has_them(suite, report):
    figure = figures.differences(suite, "table3")
    table = ablation_tables.differences(suite, "table3")
    assert figure.data["rows"] == table.to_dict("records")
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert len(panels) == table.metric.nunique()
    lower = {
        evaluate.METRICS[m].label for m in table.metric.unique() if evaluate.METRICS[m].better < 0
    }
    assert {a.get_title(loc="left") for a in panels if a.xaxis_inverted()} == lower
    assert "smoke" in figure.get_suptitle()
    drawn = [line for axes in panels for line in axes.lines if len(line.get_xdata()) > 0]
    assert not {line.get_color() for line in drawn} & {style.GOOD, style.BAD}  # one seed


def test_figures_are_the_same_each_time(suite, tmp_path):
    for folder in ("a", "b"):
        figures.save(figures.fig3(suite), tmp_path / folder, "fig3", {})
    first, second = ((tmp_path / f / "fig3.svg").read_bytes() for f in ("a", "b"))
    assert first == second


def test_the_median_sentence_has_half_the_errors_on_each_side():
    errors = np.array([0.9, 0.1, 0.5, 0.5, 0.2])
    assert evaluate.median_index(errors) == 2
    assert evaluate.median_index(np.array([3.0, 1.0, 2.0, 4.0])) == 2  # the lower of the middle two


def test_the_example_is_the_stored_result(suite):
    found = examples.median_example(suite, "phoenix")
    errors, _ = examples.sentence_errors(suite, "phoenix")
    assert (errors < errors[found.index]).sum() <= len(errors) / 2
    assert (errors > errors[found.index]).sum() <= len(errors) / 2
    assert len(found.generated) == 4 * len(found.tokens)
    again = suite.system("phoenix").generate([found.text])[0]
    np.testing.assert_array_equal(again.tokens, found.tokens)


def test_fig3_shows_traces_of_the_sampler(suite):
    data = figures.fig3(suite).data
    size, steps = suite.preset.model.max_tokens, suite.preset.model.max_tokens // 4
    for name in ("vanilla", "utc"):
        written = np.array(data[name]["step"])
        assert len(written) == size and set(written) == set(range(steps))
    quarter, half = utc.grids(size)
    stages = [len(s) for s in utc.stage_schedule(size, steps)]
    step = torch.as_tensor(data["utc"]["step"])
    assert torch.equal(step < stages[0], quarter)
    assert torch.equal(step < stages[0] + stages[1], half)


def test_the_releases_pivots_are_drawn_from_its_schedule(golden, tmp_path):
    figure = pivots.release_pivots(sizes=(40, 64, 100))
    figures.save(figure, tmp_path, "release", {})
    measured = golden.json("schedule")
    assert [n for _, n in figure.data["plan"]] == measured["M100_steps25"]["counts"]
    assert figure.data["off_grid"] == measured["M100_steps25"]["off_grid_per_step"]
    for name, error in figure.data["errors"].items():
        if name in measured:
            grid = len(range(0, int(name[1:].split("_")[0]), 4))
            assert error == measured[name]["unmasked_after_quarter"] - grid


def test_gate_weights_follow_the_truth_about_hands(suite):
    found = gates.signs(suite, "csl")
    truth = suite.truth("csl", "test")
    assert len(found) == sum(len(examples.truth_of(suite, "csl", i)["glosses"]) for i in range(5))
    assert len(truth) == 5
    for sign in found:
        of = examples.truth_of(suite, "csl", sign.sentence)
        hands = of["handedness"][of["glosses"].index(sign.gloss)]
        expected = {"one": "left" if of["left_dominant"] else "right"}.get(hands, hands)
        assert sign.kind == expected
        np.testing.assert_allclose(sign.weights.sum(1), 1, atol=1e-5)
    for row in gates.mean_by_category(found):
        assert row["low"] <= row["weight"] <= row["high"]


def test_telling_triples():
    codes = np.arange(12).reshape(4, 3)
    weights = np.array([[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.34, 0.33, 0.33], [0.2, 0.2, 0.6]])
    assert list(gates.telling_triples(codes, weights).values()) == [0, 1, 3, 2]


def test_equal_codes_have_equal_shades():
    shades = style.code_colours(np.array([3, 3, 5]), "left", 10)
    assert (shades[0] == shades[1]).all() and (shades[0] != shades[2]).any()
    assert shades.min() >= 0 and shades.max() <= 1


def test_every_condition_and_metric_of_the_panel_is_drawn(suite):
    made = panel.graded(suite, "csl").result
    drawn = [c for *_, conditions in metrics.KINDS.values() for c in conditions]
    assert len(drawn) == len(set(drawn))
    assert set(made["conditions"]) - set(drawn) == {
        "MaDiS", "shuffled text", *panel.stages(suite, "csl"),
    }  # fmt: skip
    assert set(metrics.SHORT) == set(agreement.MEASURES)


def test_fig7b_tells_the_papers_words_from_our_numbers(suite):
    data = figures.fig7b(suite).data
    assert "real CSL-Daily" in data["paper"] and "not printed" in data["paper"]
    assert not any(letter.isdigit() for letter in data["paper"])
    assert {row["corpus"] for row in data["rho"]} == set(suite.corpora)
