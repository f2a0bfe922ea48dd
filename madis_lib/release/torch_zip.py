"""Tensors out of a torch checkpoint, without running anything the file names.

A checkpoint is a zip of raw numbers and one pickle that says how they form tensors.  A pickle is a
program, and Lightning's hold configurations and optimisers besides tensors.  Here a name in it
leads to one of the stand-ins below: tensors and plain containers are understood, everything else
becomes an object that takes whatever it is given and does nothing.  Numbers are read only for the
tensors that are asked for, so optimiser states cost nothing.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from madis_lib.data.errors import DataError, MissingDataError
from madis_lib.data.safe_pickle import StandIn

_AGAIN = "copy or download the file again"
_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class Storage:
    """A block of numbers in the zip."""

    key: str
    dtype: torch.dtype
    count: int


@dataclass(frozen=True)
class Stored:
    """A tensor that has not been read yet: where its numbers are and how they lie."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Inert:
    """In the place of every object a checkpoint holds besides tensors and plain containers."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Inert:
        return Inert()

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Ignore what a list-like object would take up."""

    def extend(self, items: Any) -> None:
        """Ignore what a list-like object would take up."""

    def add(self, item: Any) -> None:
        """Ignore what a set-like object would take up."""


class _Dict(dict):
    """In the place of an ordered dict, whose attributes (torch keeps versions there) are ignored."""

    def __setstate__(self, state: Any) -> None:
        pass


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Stored:
    numbers = (offset, *shape, *stride)
    whole = all(type(n) is int and n >= 0 for n in numbers) and len(shape) == len(stride)
    if not isinstance(storage, Storage) or not whole:
        raise ValueError("a tensor without a storage or with odd sizes")
    return Stored(storage, offset, tuple(shape), tuple(stride))


def _rebuild_parameter(data: Any, *_: Any) -> Any:
    return data


_ALLOWED: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): StandIn(_rebuild_tensor),
    ("torch._utils", "_rebuild_parameter"): StandIn(_rebuild_parameter),
    ("collections", "OrderedDict"): StandIn(_Dict),
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return name
        return _ALLOWED.get((module, name), Inert)

    def persistent_load(self, pid: Any) -> Storage:
        kind, storage, key, _, count = pid
        if kind != "storage" or storage not in _STORAGES or not re.fullmatch(r"\w+", key):
            raise ValueError(f"an object outside the file ({str(pid)[:60]})")
        return Storage(key, _STORAGES[storage], int(count))


class TorchZip:
    """The ``state_dict`` of a Lightning checkpoint, tensor by tensor.

    Raises MissingDataError where there is no file, and DataError (a ValueError) naming it where it
    is no torch zip, is damaged, or has no ``state_dict`` of tensors.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise MissingDataError(path, "checkpoint", "no such file", "give the path of a .ckpt")
        try:
            with zipfile.ZipFile(self.path) as archive:
                index = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
                content = archive.read(self._plain(archive, index))
                self._folder = index.removesuffix("data.pkl")
                order = f"{self._folder}byteorder"
                little = order not in archive.namelist()
                little = little or archive.read(self._plain(archive, order)) == b"little"
        except DataError:
            raise
        except Exception as error:  # a damaged archive can make any step fail in any way
            raise DataError(path, "file", "is no torch zip checkpoint", _AGAIN) from error
        if not little:
            raise DataError(path, "byteorder", "is not little", "save it on another machine")
        try:
            saved = _Reader(io.BytesIO(content)).load()
        except Exception as error:  # damaged bytes can make any opcode fail in any way
            raise DataError(path, "pickle", f"cut short or damaged ({error})", _AGAIN) from error
        state = saved.get("state_dict") if isinstance(saved, dict) else None
        if not isinstance(state, dict) or not state:
            fix = "give a Lightning checkpoint such as sft_csl.ckpt"
            raise DataError(path, "state_dict", "is missing or empty", fix)
        for name, value in state.items():
            if not isinstance(name, str) or not isinstance(value, Stored):
                raise DataError(path, f"state_dict[{str(name)[:80]!r}]", "is no tensor", _AGAIN)
        self.tensors: dict[str, Stored] = dict(state)

    def _plain(self, archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
        """An entry that is not compressed, as torch writes them; so nothing inflates."""
        try:
            entry = archive.getinfo(name)
        except KeyError:
            raise DataError(self.path, name, "is missing", _AGAIN) from None
        if entry.compress_type != zipfile.ZIP_STORED:
            raise DataError(self.path, name, "is compressed", "use the file as torch wrote it")
        return entry

    def read(self, names: list[str]) -> dict[str, Tensor]:
        """The named tensors; floating-point ones in float32.  DataError where one is damaged."""
        with zipfile.ZipFile(self.path) as archive:
            return {name: self._tensor(archive, name, self.tensors[name]) for name in names}

    def _tensor(self, archive: zipfile.ZipFile, name: str, stored: Stored) -> Tensor:
        storage = stored.storage
        entry = self._plain(archive, f"{self._folder}data/{storage.key}")
        if math.prod(stored.shape) > storage.count:
            raise DataError(self.path, name, "is larger than its numbers", _AGAIN)
        try:
            raw = bytearray(archive.read(entry))
            flat = torch.frombuffer(raw, dtype=storage.dtype) if raw else torch.empty(0)
            if len(flat) != storage.count:
                raise ValueError(f"{len(flat)} numbers, not {storage.count}")
            view = flat.as_strided(stored.shape, stored.stride, stored.offset)
            tensor = view.clone(memory_format=torch.contiguous_format)
        except (ValueError, RuntimeError, OSError, EOFError, zipfile.BadZipFile) as error:
            reason = str(error).splitlines()[0]
            raise DataError(self.path, name, f"cut short or damaged ({reason})", _AGAIN) from error
        if not bool(tensor.isfinite().all()):
            raise DataError(self.path, name, "holds NaN or infinity", _AGAIN)
        return tensor.float() if tensor.is_floating_point() else tensor
