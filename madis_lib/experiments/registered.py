"""A row of your own: a fusion or an unmasking rule from a notebook cell, beside the paper's.

>>> from madis_lib import experiments
>>> experiments.register("left to right", left_to_right)
>>> suite.row(rule="left to right")
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

from madis_lib import fusion, sampler

SOURCES: dict[str, str] = {}  # of what was registered, as a digest: it counts in the keys of runs


def register(name: str, thing: Callable[..., Any]) -> None:
    """Make ``thing`` known as ``name``; to register it again, changed, is to replace it.

    Args:
        name: for ``Suite.row(fusion=name)`` or ``Suite.row(rule=name)``.
        thing: a class derived from :class:`fusion.Codebooks` whose ``forward`` maps code triples
            ``[..., 3]`` to embeddings ``[..., d]``, as the rows of Table 4 do; or a function of
            (confidence ``[B, M]``, blank ``[B, M]``, grid ``[M]``, count) that returns the
            positions to write, int ``[B, count]``, as :func:`sampler.surest`.

    The source of the thing is part of a run's key, what it calls is not: after a change in a
    function it calls, register it under another name.

    Raises:
        ValueError: a name of the paper's own rows, or a thing of neither kind.
    """
    if isinstance(thing, type) and issubclass(thing, fusion.Codebooks):
        known: dict[str, Any] = fusion.FUSIONS
    elif inspect.isfunction(thing):
        known = sampler.RULES
    else:
        raise ValueError(
            f"{name!r} is neither a class derived from fusion.Codebooks nor a function: "
            "a fusion needs the codebooks, an unmasking rule is a function"
        )
    if name in known and name not in SOURCES:
        raise ValueError(f"{name!r} is one of the paper's rows: choose another name")
    known[name] = thing
    SOURCES[name] = _digest(thing)


def _digest(thing: Callable[..., Any]) -> str:
    """Of the source; a class of a notebook cell has none, its methods have."""
    parts = [thing]
    if isinstance(thing, type):
        parts = [f for f in vars(thing).values() if inspect.isfunction(f)]
    source = "\n".join(inspect.getsource(part) for part in parts)
    return hashlib.sha256(source.encode()).hexdigest()[:16]
