"""The elements that a page's sections share: a table, links to files, a figure."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from madis_lib.reporting import figures

LARGE = 300_000  # bytes of SVG above which the page carries a WebP instead


def table(frame: pd.DataFrame, safe: bool = False) -> str:
    """A plain frame; its first column names the rows.  ``safe``: other cells are HTML already."""
    head = "".join(f'<th scope="col">{html.escape(c)}</th>' for c in frame.columns)
    rows = ""
    for first, *rest in frame.itertuples(index=False):
        told = (f"{v:.2f}" if isinstance(v, float) else str(v) for v in rest)
        cells = (cell if safe else html.escape(cell) for cell in told)
        rows += f'<tr><th scope="row">{html.escape(str(first))}</th>'
        rows += "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div>"
    )


def links(path: str, suffixes: Sequence[str] = ("csv", "md", "tex")) -> str:
    """To the files of a table or a figure; ``path`` is theirs without the suffix."""
    return " · ".join(f'<a href="{path}.{s}">{s}</a>' for s in suffixes)


def figure(folder: Path, name: str) -> str:
    """A figure inlined with its caption; nothing where it was not drawn."""
    svg = folder / "figures" / f"{name}.svg"
    if not svg.exists():
        return ""
    entry = next(f for f in figures.ALL if f.name == name)
    caption = f"<b>{html.escape(entry.title)}.</b> {html.escape(entry.notice)}"
    files = links(f"figures/{name}", ("svg", "png", "json"))
    return (
        f'<figure id="{name}"><div class="picture"><img src="{_picture(svg)}" '
        f'alt="{html.escape(entry.title)}"></div><figcaption>{caption} {files}</figcaption></figure>'
    )


def _picture(svg: Path) -> str:
    """A data URI: the SVG, or a WebP where rendered frames make the SVG large."""
    if svg.stat().st_size <= LARGE:
        return "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode()
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(svg.with_suffix(".png")) as picture:
        picture.convert("RGB").save(buffer, "WEBP", quality=86, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def inline(figure: Figure) -> str:
    """A data URI of a figure that is drawn for the page alone: its SVG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight")
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
