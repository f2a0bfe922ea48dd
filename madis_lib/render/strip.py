"""Still figures for papers and notebooks: a film strip of clips, and a row of handshapes."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from madis_lib.render.look import default_body, require_clips, require_fps, to_numpy
from madis_lib.render.raster import draw, draw_frames

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from madis_lib.body import Body

DPI = 200
_INK, _SOFT, _LINE = "#1c2430", "#5d6878", "#dfe4ec"
_CELL = (1.22, 1.30)  # inches
_PIXELS = (int(_CELL[0] * DPI), int(_CELL[1] * DPI))
_CHINESE = re.compile("[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]+")
NO_FONT = "…: Chinese text. No font here has it; install one, such as Noto Sans CJK SC."


def sample_times(durations: Sequence[float], frames: int) -> np.ndarray:
    """Seconds to show of each clip ``[clips, frames]``, from its start to its end.

    Clips of one length share their times, so that a column is one moment; others are each
    sampled over their own length, since signing at another pace is not wrong.
    """
    return np.stack([np.linspace(0.0, duration, frames) for duration in durations])


def film_strip(
    clips: Mapping[str, Any],
    fps: float,
    frames: int = 8,
    title: str = "",
    view: str = "front",
    hands: str = "both",
    body: Body | None = None,
) -> Figure:
    """One row a clip, one column a moment; a matplotlib figure.

    Args:
        clips: motion by label, such as truth and generated: features [T, 133] or axis-angles
            [T, 55, 3].
        fps: frames per second.
        frames: columns.
        title: line above the strip, such as the sentence.
        view, hands: as in :func:`madis_lib.render.raster.draw`.
        body: the default body unless given.

    Raises:
        ValueError: no clips, fewer than one column, or a bad shape or rate.
    """
    if frames < 1:
        raise ValueError(f"frames={frames}: a strip needs at least one")
    body, fps = default_body(body), require_fps(fps)
    lengths = [len(motion) for motion in require_clips(clips).values()]
    times = sample_times([(length - 1) / fps for length in lengths], frames)
    pictures: list[Sequence[np.ndarray]] = []
    for motion, seconds in zip(clips.values(), times, strict=True):
        rows = np.round(seconds * fps).astype(int)
        seconds[:] = rows / fps  # the times of the frames shown
        poses = to_numpy(motion)[rows]
        pictures.append(list(draw_frames(body, poses, size=_PIXELS, view=view, hands=hands)))
    captions = [[f"{s:.2f} s" for s in seconds] for seconds in times]
    if len(set(lengths)) == 1:  # one time axis, under the last row
        captions[:-1] = [[""] * frames] * (len(captions) - 1)
    return _figure(pictures, list(clips), captions, title)


def pose_row(
    poses: Mapping[str, Any],
    view: str = "right_palm",
    columns: int = 8,
    title: str = "",
    hands: str = "both",
    body: Body | None = None,
) -> Figure:
    """Labelled pictures of single poses, features [133] or axis-angles [55, 3], such as handshapes.

    Raises ``ValueError`` without poses or on a bad shape.
    """
    if not poses:
        raise ValueError("no poses: give at least one, {label: features [133]}")
    body = default_body(body)
    drawn = [draw(body, pose, size=_PIXELS, view=view, hands=hands) for pose in poses.values()]
    columns = min(columns, len(drawn))
    starts = range(0, len(drawn), columns)
    labels = list(poses)
    return _figure(
        [drawn[s : s + columns] for s in starts],
        [""] * len(starts),
        [labels[s : s + columns] for s in starts],
        title,
        caption_colour=_INK,
    )


def _figure(
    rows: Sequence[Sequence[np.ndarray]],
    labels: Sequence[str],
    captions: Sequence[Sequence[str]],
    title: str,
    caption_colour: str = _SOFT,
) -> Figure:
    """A grid of pictures with row labels at the left and a caption under each picture."""
    import matplotlib.pyplot as plt

    width, height = _CELL
    columns = max(len(row) for row in rows)
    wrapped = [textwrap.fill(label, 16) for label in labels]
    longest = max((len(line) for label in wrapped for line in label.split("\n")), default=0)
    margin = 0.085 * longest + 0.12 if longest else 0.0
    room = max(24, int((margin + columns * width) * 9))  # bold capitals are wide
    title_lines = [part for line in title.splitlines() for part in textwrap.wrap(line, room)]
    head = 0.24 * len(title_lines) + (0.08 if title_lines else 0.0)
    gaps = [0.26 if any(caption) else 0.06 for caption in captions]
    size = (margin + columns * width, head + len(rows) * height + math.fsum(gaps))

    with plt.rc_context({"font.family": fonts()}):
        figure = plt.figure(figsize=size, dpi=DPI, facecolor="white")
        plt.close(figure)  # shown by whoever displays it, not a second time by pyplot

        def at(x: float, y: float) -> tuple[float, float]:  # inches from the upper left corner
            return x / size[0], 1 - y / size[1]

        figure.text(
            *at(0.04, 0.04),
            "\n".join(title_lines),
            size=12,
            weight="bold",
            color=_INK,
            va="top",
            parse_math=False,
        )
        top = head
        for row, (pictures, label, caption, gap) in enumerate(
            zip(rows, wrapped, captions, gaps, strict=True)
        ):
            if row:
                figure.add_artist(_line(at(0.04, top), at(size[0] - 0.04, top)))
            figure.text(
                *at(0.04, top + height / 2),
                label,
                size=11,
                weight="bold",
                color=_INK,
                va="center",
                parse_math=False,
            )
            for column, (picture, text) in enumerate(zip(pictures, caption, strict=True)):
                x, y = at(margin + column * width, top + height)
                axes = figure.add_axes((x, y, width / size[0], height / size[1]))
                axes.imshow(picture, interpolation="none", aspect="auto")
                axes.set_axis_off()
                figure.text(
                    *at(margin + (column + 0.5) * width, top + height + 0.05),
                    text,
                    size=9.5,
                    color=caption_colour,
                    ha="center",
                    va="top",
                    parse_math=False,
                )
            top += height + gap
    return legible(figure)


def _line(start: tuple[float, float], end: tuple[float, float]) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([start[0], end[0]], [start[1], end[1]], color=_LINE, linewidth=0.8)


def fonts() -> list[str]:
    """matplotlib's own font, then installed ones that have Chinese characters."""
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    chinese = ("Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", "SimHei")
    return ["DejaVu Sans", *(name for name in chinese if name in installed)]


def legible(figure: Figure) -> Figure:
    """Where no font has Chinese characters, "…" stands for them, and a line in the figure says so.

    matplotlib would draw an empty box for each.
    """
    from matplotlib.text import Text

    if len(fonts()) > 1:
        return figure
    texts = [t for t in figure.findobj(Text) if _CHINESE.search(t.get_text())]
    for text in texts:
        text.set_text(_CHINESE.sub("…", text.get_text()))
    if texts:
        figure.text(0.01, 0.005, NO_FONT, size=7.5, color=_SOFT, va="bottom")
    return figure
