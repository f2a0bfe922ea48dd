"""Read pickles that hold plain data, and nothing else.

A pickle is a program: the ordinary reader imports and calls whatever the file names.  Here only
numpy arrays, numpy scalars and ordered dicts may be named, and each name leads to a small stand-in
below, never to numpy's own reconstruction code.  Everything else a plain pickle needs (dict, list,
tuple, str, numbers, None) has opcodes of its own and needs no name.
"""

from __future__ import annotations

import gzip
import io
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from madis_lib.data.errors import DataError, MissingDataError

GZIP_MAGIC = b"\x1f\x8b"
_PLAIN_KINDS = "biufcSU"  # bool, integers, floats, complex, fixed-width bytes and text
_LEAVES = (str, bytes, bytearray, int, float, type(None), np.ndarray, np.generic)


def load(path: str | Path) -> Any:
    """The plain data in a pickle, gzipped or not.

    Raises MissingDataError (also a FileNotFoundError) when there is no such file, and DataError (a
    ValueError) when the file is cut short, is no pickle, or names a class that is not allowed.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        fix = "check the path, or put the file there"
        raise MissingDataError(path, "file", "cannot be read", fix) from error
    again = "copy or make the file again"
    if not raw:
        raise DataError(path, "file", "is empty", again)
    if raw.startswith(GZIP_MAGIC):
        try:
            raw = gzip.decompress(raw)
        except (EOFError, zlib.error, OSError) as error:
            raise DataError(path, "gzip", f"cut short or damaged ({error})", again) from error
    try:
        return _with_arrays(_Reader(io.BytesIO(raw)).load(), {})
    except _ForbiddenError as error:
        fix = "only arrays, dicts, lists, text and numbers are read; save it as these"
        raise DataError(path, "pickle", f"names {error}, which could run code", fix) from None
    except _RefusedError as error:
        raise DataError(path, "pickle", str(error), "save plain arrays and lists") from None
    except Exception as error:  # damaged bytes can make any opcode fail in any way
        raise DataError(path, "pickle", f"cut short or damaged ({error})", again) from error


class _ForbiddenError(Exception):
    """A pickle named something outside the allow-list."""


class _RefusedError(Exception):
    """An array that is no plain block of numbers or text."""


class _Dtype:
    """Stands in for ``numpy.dtype`` while a pickle is read."""

    def __init__(self, code: str, *_: Any) -> None:
        try:
            self.dtype = np.dtype(code if isinstance(code, str) else "O")
        except TypeError:
            raise _RefusedError(f"unknown number type {code!r}") from None
        if self.dtype.kind not in _PLAIN_KINDS or self.dtype.names or self.dtype.shape:
            raise _RefusedError(f"holds {self.dtype}, not plain numbers")

    def __setstate__(self, state: tuple) -> None:
        order, parts, fields = state[1], state[2], state[4]
        if parts is not None or fields is not None or order not in ("<", ">", "|", "="):
            raise _RefusedError("holds a structured type, not plain numbers")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands in for an array between its creation and the arrival of its contents."""

    __hash__ = None  # type: ignore[assignment]
    value: np.ndarray | None = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        self.value = _from_bytes(data, dtype, shape, "F" if fortran else "C")


def _from_bytes(
    data: Any, dtype: Any, shape: Any, order: str, axes: tuple[int, ...] | None = None
) -> np.ndarray:
    if not isinstance(dtype, _Dtype):
        raise _RefusedError("has no number type")
    if isinstance(data, str):  # Python 2 wrote bytes as text
        data = data.encode("latin1")
    if not isinstance(data, (bytes, bytearray)):
        raise _RefusedError("holds objects, not plain numbers")
    flat = np.frombuffer(data, dtype.dtype).astype(dtype.dtype.newbyteorder("="))
    if order == "K":
        return flat.reshape(shape).transpose(axes)
    return flat.reshape(shape, order=order)  # type: ignore[call-overload]


def _reconstruct(kind: Any, *_: Any) -> _Array:
    if kind is not _ALLOWED["numpy", "ndarray"]:
        raise _RefusedError("is not an ordinary array")
    return _Array()


def _scalar(dtype: _Dtype, data: Any) -> np.generic:
    return _from_bytes(data, dtype, (1,), "C")[0]


def _encode(text: str, encoding: str = "") -> bytes:
    """Protocol 2 writes bytes as ``_codecs.encode(text, 'latin1')``."""
    if encoding != "latin1":
        raise _RefusedError(f"bytes in encoding {encoding!r}")
    return text.encode("latin1")


def _empty_bytes() -> bytes:
    """Protocol 2 writes ``b""`` as the call ``bytes()``."""
    return b""


class StandIn:
    """What a pickle may call in the place of what it names, but not alter."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise _RefusedError("a pickle tried to alter its reader")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): StandIn(_Array),
    ("numpy", "dtype"): StandIn(_Dtype),
    ("_codecs", "encode"): StandIn(_encode),
    ("builtins", "bytes"): StandIn(_empty_bytes),
    ("__builtin__", "bytes"): StandIn(_empty_bytes),
    ("collections", "OrderedDict"): dict,  # dicts keep their order
}
for _core in ("numpy.core", "numpy._core"):  # numpy 1 and numpy 2
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = StandIn(_reconstruct)
    _ALLOWED[f"{_core}.multiarray", "scalar"] = StandIn(_scalar)
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = StandIn(_from_bytes)


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _ForbiddenError(f"{module}.{name}") from None

    def persistent_load(self, pid: Any) -> Any:
        raise _ForbiddenError("an object outside the file")


def _with_arrays(value: Any, seen: dict[int, Any]) -> Any:
    """Put the arrays in the place of their stand-ins; dicts and lists are changed in place."""
    if isinstance(value, _Array):
        if value.value is None:
            raise _RefusedError("has no contents")
        return value.value
    if isinstance(value, _LEAVES):
        return value
    if not isinstance(value, (dict, list, tuple)):
        raise _RefusedError(f"is a {type(value).__name__.strip('_')}, not plain data")
    if id(value) in seen:
        return seen[id(value)][1]
    if isinstance(value, tuple):
        new = tuple(_with_arrays(item, seen) for item in value)
        seen[id(value)] = value, new  # keeping the old one alive keeps its id taken
        return new
    seen[id(value)] = value, value
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        value[key] = _with_arrays(value[key], seen)
    return value
