"""One rater's page of a human study: clips one at a time, a rating for each, no library, no network."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from madis_lib.render.look import as_clip
from madis_lib.render.player import fill, json_in_html, packed_scene, resource

if TYPE_CHECKING:
    from madis_lib.body import Body


def study_page(
    study: str,
    rater: str,
    question: str,
    clips: Sequence[tuple[str, Any]],
    fps: float,
    language: str,
    body: Body | None = None,
) -> str:
    """The page; it holds nothing but what the rater sees.

    Args:
        study, rater: ids, part of what the page exports and of where it keeps answers.
        question: what to judge, shown above the scale.
        clips: text and motion, features [T, 133] or axis-angles [T, 55, 3], in the order shown;
            the first is for practice.
        fps: frames per second of all of them.
        language: of the texts, such as zh.

    Raises:
        ValueError: fewer than two clips, a bad shape or rate.
    """
    if len(clips) < 2:
        raise ValueError(f"{len(clips)} clips: give one for practice and at least one to rate")
    motions = [as_clip(motion) for _, motion in clips]
    scene, arrays = packed_scene(motions, fps, "none", body)
    scene |= {
        "study": study,
        "rater": rater,
        "clips": [
            {"text": text, "frames": len(motion)}
            for (text, _), motion in zip(clips, motions, strict=True)
        ],
    }
    values = {
        "QUESTION": html.escape(question),
        "LANGUAGE": html.escape(language),
        "RATER": html.escape(rater),
        "COUNT": str(len(clips) - 1),
        "SCENE": json_in_html(scene),
        "ARRAYS": arrays,
        "SCRIPT": resource("figure.js") + resource("study.js"),
    }
    return fill(resource("study.html"), values)
