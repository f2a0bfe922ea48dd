import numpy as np
import pytest

from madis_lib.render import strip
from madis_lib.render.strip import film_strip, pose_row, sample_times


def texts(figure):
    return [text.get_text() for text in figure.texts if text.get_text()]


def test_clips_of_one_length_share_one_time_axis(features):
    figure = film_strip({"truth": features, "generated": features[::-1]}, fps=10, frames=3)
    assert texts(figure) == ["truth", "generated", "0.00 s", "0.60 s", "1.10 s"]
    pictures = [axes.images[0].get_array() for axes in figure.axes]
    assert len(pictures) == 6
    np.testing.assert_array_equal(pictures[0], pictures[5])  # first frame = last one reversed
    assert (pictures[0] != pictures[1]).any()


def test_clips_of_other_lengths_have_their_own_times(features):
    figure = film_strip({"a": features, "b": features[:6]}, fps=10, frames=2, title="Cost: $5 & $6")
    assert texts(figure) == ["Cost: $5 & $6", "a", "0.00 s", "1.10 s", "b", "0.00 s", "0.50 s"]
    figure.canvas.draw()  # a dollar sign is no formula


@pytest.mark.parametrize("installed", [[], ["Noto Sans CJK SC"]])
def test_without_a_chinese_font_a_line_says_so_in_place_of_boxes(features, monkeypatch, installed):
    monkeypatch.setattr(strip, "fonts", lambda: ["DejaVu Sans", *installed])
    shown = texts(film_strip({"手 A": features}, fps=10, frames=1, title="你好！ (csl)"))
    if installed:
        assert shown[:2] == ["你好！ (csl)", "手 A"] and strip.NO_FONT not in shown
    else:
        assert shown[:2] == ["… (csl)", "… A"] and shown[-1] == strip.NO_FONT


def test_times_run_from_start_to_end():
    np.testing.assert_allclose(sample_times([1.0, 3.0], 3), [[0, 0.5, 1], [0, 1.5, 3]])
    np.testing.assert_allclose(sample_times([2.0], 1), [[0]])


def test_poses_fill_rows(features):
    poses = {f"shape {i}": f for i, f in enumerate(features[:5])}
    figure = pose_row(poses, columns=3)
    assert texts(figure) == list(poses)
    assert len(figure.axes) == 5
    lefts = [round(axes.get_position().x0, 3) for axes in figure.axes]
    assert lefts[:2] == lefts[3:] and len(set(lefts)) == 3


def test_bad_input_names_the_clip(features):
    with pytest.raises(ValueError, match="no clips"):
        film_strip({}, fps=10)
    with pytest.raises(ValueError, match="clip 'wrong': motion has shape"):
        film_strip({"good": features, "wrong": features[:, :100]}, fps=10)
    with pytest.raises(ValueError, match="fps=0"):
        film_strip({"good": features}, fps=0)
    with pytest.raises(ValueError, match="no poses"):
        pose_row({})
