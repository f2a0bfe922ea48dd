"""Motion to files: .html (player), .npz (Blender), .glb (3D viewers), .webp (moving picture)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from madis_lib.files import atomic_write, write_text
from madis_lib.render.glb import glb
from madis_lib.render.look import (
    as_clip,
    default_body,
    expression_of,
    local_rotations,
    mesh_of,
    require_fps,
)
from madis_lib.render.player import Gloss, player_html
from madis_lib.render.raster import Camera, draw_frames

if TYPE_CHECKING:
    from madis_lib.body import Body

SUFFIXES = (".html", ".npz", ".glb", ".webp")


def check_path(path: str | Path) -> Path:
    """``path`` when :func:`write` can write it, so that a long run may ask before it starts.

    Raises ``ValueError`` naming the four suffixes.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: cannot write {path.suffix or 'a file without suffix'}; "
                         f"use one of {', '.join(SUFFIXES)}")  # fmt: skip
    return path


def write(
    path: str | Path,
    features: Any,
    fps: float,
    title: str = "",
    caption: Sequence[str] = (),
    glosses: Sequence[Gloss] = (),
    body: Body | None = None,
) -> None:
    """Write one clip, features [T, 133] or axis-angles [T, 55, 3], as the suffix says.

    ``title``, ``caption`` and ``glosses`` (gloss, start, end in seconds) show in .html only.

    Raises:
        ValueError: another suffix (the message names the four), a bad shape or a bad rate.
        OSError: the file cannot be written; the message names it and nothing partial is left.
    """
    path = check_path(path)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        write_npz(path, features, fps)
    elif suffix == ".glb":
        write_glb(path, features, fps, body=body)
    elif suffix == ".webp":
        write_webp(path, features, fps, body=body)
    else:
        write_html(path, {"": features}, fps, title, caption, {"": glosses}, body=body)


def write_html(
    path: str | Path,
    clips: Mapping[str, Any],
    fps: float,
    title: str = "",
    caption: Sequence[str] = (),
    glosses: Mapping[str, Sequence[Gloss]] | None = None,
    hands: str = "both",
    body: Body | None = None,
) -> None:
    """Write the page of :func:`madis_lib.render.player.player_html`; some 250 KB."""
    page = player_html(clips, fps, title, caption, glosses, hands, body)
    write_text(path, page)


def write_npz(path: str | Path, features: Any, fps: float) -> None:
    """Write an AMASS-style motion, as the Blender SMPL-X add-on reads it.

    ``poses`` [T, 165] are axis-angles in SMPL-X order (root, body, jaw, eyes, left hand, right
    hand), ``trans`` [T, 3] and ``betas`` [10] are zero, ``gender`` is neutral, ``mocap_frame_rate``
    is ``fps``; ``expression`` [T, 10] is ours, and the add-on ignores it.  In the add-on choose
    format "SMPL-X" (y is up), hand reference "flat" for hands relative to a flat hand, and a
    target rate not above ``fps``.
    """
    poses = as_clip(features)
    frames = len(poses)
    with atomic_write(path) as temporary:
        np.savez_compressed(
            temporary,
            poses=poses.reshape(frames, 165),
            trans=np.zeros((frames, 3), np.float32),
            betas=np.zeros(10, np.float32),
            gender=np.array("neutral"),
            mocap_frame_rate=np.array(require_fps(fps)),
            expression=expression_of(features),
        )


def write_glb(
    path: str | Path, features: Any, fps: float, hands: str = "both", body: Body | None = None
) -> None:
    """Write a skinned mesh with one animation, named sign."""
    poses, body = as_clip(features), default_body(body)
    data = glb(mesh_of(body), local_rotations(body, poses), require_fps(fps), hands)
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def write_webp(
    path: str | Path,
    features: Any,
    fps: float,
    size: int | tuple[int, int] = 384,
    view: str | Camera = "front",
    hands: str = "both",
    body: Body | None = None,
) -> None:
    """Write an endlessly looping picture; every image viewer and every notebook host plays it."""
    from PIL import Image

    as_clip(features)
    # Rounding the frames' ends, not their lengths, keeps the whole clip's duration right.
    ends = np.round(np.arange(len(features) + 1) * 1000 / require_fps(fps)).astype(int)
    pictures = draw_frames(default_body(body), features, size=size, view=view, hands=hands)
    first, *others = (Image.fromarray(picture) for picture in pictures)
    with atomic_write(path) as temporary:
        first.save(
            temporary,
            format="WEBP",
            save_all=True,
            append_images=others,
            duration=np.diff(ends).tolist(),
            loop=0,
            quality=82,
            method=3,
        )
