"""Writing files so that a reader never sees half of one, and reading tensors."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

if TYPE_CHECKING:
    from torch import Tensor

FULL = 1 << 20  # bytes left on a disk that count as none


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it becomes ``path``, on error it is gone.

    Errors of the writing are OSErrors that name ``path``.  A killed process may leave a ``.tmp-*``
    file, never a partial ``path``.
    """
    path = Path(path)
    if path.is_symlink():  # what it leads to is written, the link stays
        path = path.resolve()
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is a folder or a device, not a file", str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-", suffix=path.suffix)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except Exception as error:
        if cause := _cause(error, temporary, path):
            raise cause from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 by :func:`atomic_write`."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_safetensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file of ours; its metadata 'format' has to be ``kind``.

    ValueError names the file and what is wrong with it.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: damaged or not safetensors ({error}); make it anew") from None
    if metadata.get("format") != kind:
        problem = f"metadata 'format' is {metadata.get('format')!r}, not {kind!r}"
        raise ValueError(f"{path}: {problem}; give a file of that kind")
    return state, metadata


def check_writable(path: Path) -> None:
    """OSError unless :func:`atomic_write` could write ``path``; asked before long work."""
    if path.is_symlink():
        path = path.resolve()
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is a folder or a device, not a file", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such folder; make it, or write elsewhere")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OSError(
            error.errno, f"cannot be written to ({error.strerror}); write elsewhere", str(path)
        ) from None


def _cause(error: Exception, temporary: Path, path: Path) -> OSError | None:
    """The OSError about ``path`` that a failed write stands for; None when it is another error."""
    if isinstance(error, OSError) and error.errno is not None:
        ours = error.filename in (None, str(temporary))
        return OSError(error.errno, error.strerror, str(path)) if ours else None
    if shutil.disk_usage(path.parent).free < FULL:  # numpy, torch and safetensors do not say so
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    if type(error) is OSError:  # numpy's and Pillow's, without a number and a name
        return OSError(f"{path}: {error}")
    return None
