"""An interactive 3D player as one HTML page: no library, no network, opens from disk."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from madis_lib.parts import JOINT, PARENTS
from madis_lib.render.look import (
    HANDS,
    PALETTE,
    default_body,
    local_rotations,
    mesh_of,
    require_clips,
    require_fps,
)
from madis_lib.render.raster import BODY_DISTANCE, FIELD_OF_VIEW, chest

if TYPE_CHECKING:
    from madis_lib.body import Body

Gloss = tuple[str, float, float]  # gloss, start and end in seconds


def player_html(
    clips: Mapping[str, Any],
    fps: float,
    title: str = "",
    caption: Sequence[str] = (),
    glosses: Mapping[str, Sequence[Gloss]] | None = None,
    hands: str = "both",
    body: Body | None = None,
) -> str:
    """A page that plays clips side by side, in step.

    Args:
        clips: motion by label, features [T, 133] or axis-angles [T, 55, 3]; lengths may differ
            (a shorter clip holds its last frame).
        fps: frames per second of all of them.
        title: heading of the page.
        caption: lines of text under it, such as the spoken sentence.
        glosses: for some labels, (gloss, start, end) in seconds, shown under the clip with the
            current one highlighted.
        hands: "none" starts with uncoloured hands.
        body: the default body unless given.

    Raises:
        ValueError: no clips, a bad shape or rate, or glosses for a label that is not a clip.
    """
    motions = require_clips(clips)
    glosses = glosses or {}
    if unknown := sorted(set(glosses) - set(motions)):
        raise ValueError(f"glosses for {unknown[0]!r}, which is not among the clips")
    if hands not in HANDS:
        raise ValueError(f"hands={hands!r}: choose one of {', '.join(HANDS)}")
    scene, arrays = packed_scene(list(motions.values()), fps, hands, body)
    scene["clips"] = [
        {
            "label": label,
            "frames": len(motion),
            "glosses": [[str(g), float(a), float(b)] for g, a, b in glosses.get(label, ())],
        }
        for label, motion in motions.items()
    ]
    values = {
        "TITLE": html.escape(title or "Signing"),
        "CAPTION": "".join(f'<p class="caption">{html.escape(line)}</p>' for line in caption),
        "SCENE": json_in_html(scene),
        "ARRAYS": arrays,
        "SCRIPT": resource("figure.js") + resource("player.js"),
    }
    return fill(resource("player.html"), values)


def packed_scene(
    motions: Sequence[np.ndarray], fps: float, hands: str, body: Body | None
) -> tuple[dict[str, Any], str]:
    """What figure.js draws: the scene but for its clips, and its arrays, gzipped, in base64.

    ``motions`` are axis-angles [T, 55, 3].  All share one scale and one list of moving joints, so
    nothing but its frames tells one clip from another.
    """
    body = default_body(body)
    mesh = mesh_of(body)
    rotations = [local_rotations(body, motion) for motion in motions]
    moving = np.flatnonzero(np.max([np.abs(motion).max(axis=(0, 2)) for motion in rotations], 0))
    rows = np.full(len(PARENTS), -1)
    rows[moving] = np.arange(len(moving))
    position_scale = float(np.abs(mesh.rest).max()) / 32767
    rotation_scale = max(float(np.abs(m).max()) for m in rotations) / 32767 or 1.0

    arrays = {
        "positions": np.round(mesh.rest / position_scale).astype("<i2"),
        "faces": mesh.faces.astype("<u2"),
        "joints": mesh.influences.astype("u1"),
        "weights": mesh.byte_weights(),
        "isEye": mesh.is_eye.astype("u1"),
        "restJoints": mesh.rest_joints.astype("<f4"),
    }
    for i, motion in enumerate(rotations):
        arrays[f"clip{i}"] = np.round(motion[:, moving] / rotation_scale).astype("<i2")
    packed, layout = _pack(arrays)
    scene = {
        "arrays": layout,
        "parents": PARENTS,
        "moving": moving.tolist(),
        "movingRow": rows.tolist(),
        "positionScale": position_scale,
        "rotationScale": rotation_scale,
        "outfit": [round(float(x), 5) for x in mesh.outfit.numbers()],
        "palette": list(PALETTE.values()),
        "tint": hands != "none",
        "hands": {"left": JOINT["left_middle1"], "right": JOINT["right_middle1"]},
        "target": chest(mesh.rest_joints).round(5).tolist(),
        "distance": BODY_DISTANCE,
        "fieldOfView": float(np.radians(FIELD_OF_VIEW)),
        "fps": require_fps(fps),
    }
    return scene, base64.b64encode(packed).decode()


class Iframe:
    """A page that a notebook shows in place, apart from the notebook's own styles and scripts."""

    def __init__(self, document: str, height: int = 640) -> None:
        self.document = document
        self.height = height

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.document)}" title="Sign language player" '
            f'loading="lazy" '
            f'style="width:100%;height:{int(self.height)}px;border:0"></iframe>'
        )


def iframe(document: str, height: int = 640) -> Iframe:
    """``document``, a whole HTML page, for display in a notebook; ``height`` in pixels."""
    return Iframe(document, height)


def resource(name: str) -> str:
    """A template or script of this package."""
    return resources.files("madis_lib.render").joinpath(name).read_text(encoding="utf-8")


def fill(template: str, values: Mapping[str, str]) -> str:
    """``__NAME__`` replaced by its value, in one pass: a value that holds one stays as it is."""
    return re.sub(r"__([A-Z]+)__", lambda m: values[m[1]], template)


def json_in_html(value: object) -> str:
    """JSON that no text in it can break out of a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)  # all ASCII
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _pack(arrays: dict[str, np.ndarray]) -> tuple[bytes, dict[str, dict[str, Any]]]:
    """One gzipped buffer and where each array lies in it; each starts at a multiple of four."""
    buffer, layout = bytearray(), {}
    for name, array in arrays.items():
        buffer += b"\0" * (-len(buffer) % 4)
        layout[name] = {"type": array.dtype.str[1:], "offset": len(buffer), "length": array.size}
        buffer += array.tobytes()
    return gzip.compress(bytes(buffer), 9, mtime=0), layout
