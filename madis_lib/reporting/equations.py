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

    # The namespace is implied in HTML, and its URL would be the only one of the page.
    return re.sub(r' xmlns="[^"]*"', "", convert(latex, display="block"))


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
