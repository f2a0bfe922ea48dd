"""The two errors of this package: one line that names the file, the field and the fix."""

from __future__ import annotations

from pathlib import Path


class DataError(ValueError):
    """A file holds something that cannot be used.  Reads ``path: field: problem; fix``."""

    def __init__(self, path: str | Path, field: str, problem: str, fix: str) -> None:
        super().__init__(f"{path}: {field}: {problem}; {fix}")
        self.path, self.field, self.problem, self.fix = str(path), field, problem, fix

    def __reduce__(self) -> tuple[type, tuple[str, ...]]:
        """For the process that asked: an error is copied by its arguments, of which there are four."""
        return type(self), (self.path, self.field, self.problem, self.fix)


class MissingDataError(DataError, FileNotFoundError):
    """A file that should be there is not."""
