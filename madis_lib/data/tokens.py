"""Sign tokens on disk: one integer array ``(1, L, 3)`` per clip, and whose tokenizer made them.

All corpora keep their tokens in one folder below How2Sign.  Beside them lies ``tokenizer.json``
with the fingerprint of the tokenizer; files from elsewhere have none and can be verified by
encoding a few clips again.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from madis_lib.data.errors import DataError, MissingDataError
from madis_lib.files import atomic_write
from madis_lib.parts import PARTS

FOLDER = Path("How2Sign") / "TOKENS_h2s_csl_phoenix"
SIDECAR = "tokenizer.json"
_ENCODE = "encode the corpus again"


class HasTokens(Protocol):
    """A clip with its features ``[T, 133]`` and stored tokens ``[L, 3]``."""

    @property
    def name(self) -> str: ...
    @property
    def features(self) -> np.ndarray: ...
    @property
    def tokens(self) -> np.ndarray | None: ...


def places(root: str | Path, corpus: str, split: str, name: str) -> list[Path]:
    """Where a clip's tokens may be, first choice first; new files go to the first."""
    folder = Path(root) / FOLDER
    found = [folder / corpus / f"{name}.npy", folder / f"{name}.npy"]
    if corpus == "phoenix":
        # names usually carry their split folder, so that this is what the release looks up first
        disk_split = {"val": "dev"}.get(split, split)
        inside = [folder / corpus / s / f"{name}.npy" for s in dict.fromkeys((disk_split, split))]
        found = found + inside if name.startswith(f"{disk_split}/") else inside + found
    return found


def read(root: str | Path, corpus: str, split: str, name: str) -> np.ndarray:
    """A clip's tokens (body, left, right); int64 ``[L, 3]``.

    MissingDataError names every place that was looked at; DataError says what is wrong in a file.
    """
    candidates = places(root, corpus, split, name)
    path = next((p for p in candidates if p.is_file()), None)
    if path is None:
        others = ", nor ".join(map(str, candidates[1:]))
        raise MissingDataError(candidates[0], "tokens", f"no such file, nor {others}", _ENCODE)
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(path, "tokens", f"not a plain .npy file ({error})", _ENCODE) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu":
        raise DataError(path, "tokens", "are no integers", _ENCODE)
    if array.ndim != 3 or array.shape[0] != 1 or array.shape[1] < 1 or array.shape[2] != 3:
        raise DataError(path, "tokens", f"shape {array.shape}, not (1, L, 3)", _ENCODE)
    if array.min() < 0:
        raise DataError(path, "tokens", "are negative", _ENCODE)
    return array[0].astype(np.int64)


def write(
    root: str | Path,
    corpus: str,
    split: str,
    items: Iterable[tuple[str, np.ndarray]],
    fingerprint: str,
) -> int:
    """Store ``(name, tokens [L, 3])`` pairs made by the tokenizer ``fingerprint``; how many.

    DataError when the folder already holds tokens of another tokenizer, or of an unknown one.
    """
    folder = Path(root) / FOLDER
    stored = read_fingerprint(root)
    if stored is None and next(folder.rglob("*.npy"), None) is not None:
        fix = "move the folder away before writing your own"
        raise DataError(folder, "tokens", "are of an unknown tokenizer", fix)
    check_fingerprint(root, fingerprint)
    if stored is None:
        with atomic_write(folder / SIDECAR) as temporary:
            temporary.write_text(json.dumps({"fingerprint": fingerprint}) + "\n")
    count = 0
    for name, tokens in items:
        path = places(root, corpus, split, name)[0]
        array = np.asarray(tokens)
        if array.dtype.kind not in "iu" or array.ndim != 2 or array.shape[1:] != (len(PARTS),):
            problem = f"{array.dtype} {list(array.shape)}, not integers [L, 3]"
            raise DataError(path, "tokens", problem, "pass the three streams side by side")
        with atomic_write(path) as temporary:
            np.save(temporary, array[None].astype(np.int64), allow_pickle=False)
        count += 1
    return count


def read_fingerprint(root: str | Path) -> str | None:
    """The fingerprint of the tokenizer that made the tokens; None when nobody noted it."""
    path = Path(root) / FOLDER / SIDECAR
    if not path.is_file():
        return None
    try:
        fingerprint = json.loads(path.read_text())["fingerprint"]
    except (ValueError, KeyError, TypeError):
        fingerprint = None
    if not isinstance(fingerprint, str) or not fingerprint:
        raise DataError(path, "fingerprint", "is not readable", _ENCODE)
    return fingerprint


def check_fingerprint(root: str | Path, expected: str) -> str | None:
    """The stored fingerprint, or None; DataError when it is another than ``expected``."""
    stored = read_fingerprint(root)
    if stored not in (None, expected):
        problem = f"{stored}, but the tokenizer in use is {expected}"
        fix = "use the tokenizer that made them, or delete the folder and encode again"
        raise DataError(Path(root) / FOLDER / SIDECAR, "fingerprint", problem, fix)
    return stored


def verify(
    samples: Sequence[HasTokens],
    encode: Callable[[np.ndarray], np.ndarray],
    how_many: int = 8,
    tolerance: float = 0.05,
) -> float:
    """The share of stored tokens that ``encode`` gives again on ``how_many`` spread-out clips.

    ``encode`` maps raw features ``[T, 133]`` to tokens ``[T/4, 3]``.  Warns that the tokens carry
    no fingerprint; ValueError when lengths differ or more than ``tolerance`` of the tokens do (some
    may, since nearly equal distances fall differently on other processors).
    """
    chosen = np.linspace(0, len(samples) - 1, min(how_many, len(samples))).astype(int)
    equal = total = 0
    for sample in (samples[i] for i in chosen):
        if sample.tokens is None:
            raise ValueError(f"{sample.name}: tokens: not read; read the corpus with tokens=True")
        again = np.asarray(encode(sample.features))
        if again.shape != sample.tokens.shape:
            problem = f"{len(again)} when encoded again, {len(sample.tokens)} stored"
            raise ValueError(f"{sample.name}: tokens: {problem}; {_ENCODE}")
        equal += int((again == sample.tokens).sum())
        total += again.size
    agreement = equal / total if total else 0.0
    if agreement < 1 - tolerance:
        problem = f"only {agreement:.1%} of the tokens of {len(chosen)} clips are the tokenizer's"
        raise ValueError(f"stored tokens: {problem}; {_ENCODE} or use the tokenizer that made them")
    warnings.warn(
        f"the stored tokens name no tokenizer; {agreement:.1%} of those of {len(chosen)} clips "
        "agree with the one in use",
        stacklevel=2,
    )
    return agreement
