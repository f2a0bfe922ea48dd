"""The five numbered equations of the paper, each beside the code that computes it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from madis_lib import diffusion, paper, utc

ROOT = Path(__file__).parents[2]
CODE: dict[int, Callable[..., Any]] = {
    1: diffusion.mask_independently,
    2: diffusion.reverse_kernel,
    3: diffusion.token_loss,
    4: utc.order_count,
    5: utc.order_count_utc,
}


@dataclass(frozen=True)
class Shown:
    """An equation for the page: MathML, what it says, and where its code is."""

    equation: paper.Equation
    mathml: str
    name: str  # such as "madis_lib.diffusion.token_loss"
    place: str  # file and line
    source: str


def mathml(latex: str) -> str:
    """LaTeX as MathML, which browsers lay out without any script or font from elsewhere."""
    from latex2mathml.converter import convert

    text = convert(latex, display="block")
    text = re.sub(r' xmlns="[^"]*"', "", text)  # implied in HTML, and it holds a URL
    # What MathML Core says in CSS, and what the converter leaves out:
    text = re.sub(r' columnalign="(\w+)"', r' style="text-align:\1"', text)
    text = text.replace("<mtable>", '<mtable displaystyle="true">')
    return re.sub(r"<msub><mo>(&#x02211;)</mo>(.*?)</msub></mrow></msub>", _limits_below, text)


def _limits_below(found: re.Match[str]) -> str:
    return f"<munder><mo>{found[1]}</mo>{found[2]}</msub></mrow></munder>"


def shown() -> list[Shown]:
    """Eq. 1-5 in order."""
    found = []
    for equation in paper.EQUATIONS:
        if equation.number is None:
            continue
        function = CODE[equation.number]
        lines, first = inspect.getsourcelines(function)
        file = Path(inspect.getsourcefile(function) or "").relative_to(ROOT)
        name = f"{function.__module__}.{function.__name__}"
        place = f"{file}:{first}"
        found.append(Shown(equation, mathml(equation.latex), name, place, "".join(lines)))
    return sorted(found, key=lambda s: s.equation.number or 0)
