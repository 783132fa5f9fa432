"""Writing that is whole or not there, and appending that tolerates a torn last line.

All of it is about somebody's taste, so only its owner may read it: see :mod:`steer.store.private`.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from reward_models.doors import Unreadable, check_regular, may_be_replaced, parse_json
from steer.errors import StorageError, UsageError
from steer.store.private import FILE, private_opener


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write to a temporary name, fsync, rename. Raises StorageError when there is no room, or where something else than
    a file is in the place: a device or a pipe is never replaced.
    """
    with whole(path) as f:
        write(f)


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of ``path`` when all is written; on any error ``path`` stays as it was.
    Raises as :func:`write_whole` does.
    """
    partial = path.with_name(path.name + ".partial")
    check_place(path)
    try:
        partial.unlink(missing_ok=True)  # of a crash; or a link that leads elsewhere
        try:
            with open(partial, "xb", opener=private_opener) as f:
                yield f
                f.flush()
                os.fsync(f.fileno())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise storage_error(path, error) from error


def write_json(path: Path, value: Any, nan: bool = False) -> None:
    """Write JSON whole or not at all. ``nan``: as :func:`as_json` has it."""
    data = as_json(value, indent=1, nan=nan)
    write_whole(path, lambda f: f.write(data))


class LineFile:
    """Appends lines to a file. They are on the disk after :meth:`sync`, which closes it; it opens again by itself."""

    def __init__(self, path: Path):
        self.path = path
        self._file: BinaryIO | None = None

    def append(self, line: bytes) -> None:
        """Give a line, with its newline, to the system; a torn line before it is closed first. Raises StorageError."""
        try:
            if self._file is None:
                self._file, torn = self._opened()
                line = b"\n" + line if torn else line
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            raise storage_error(self.path, error) from error

    def sync(self) -> None:
        """Wait until all lines are on the disk. Raises StorageError where they cannot be."""
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            with file:
                os.fsync(file.fileno())
        except OSError as error:
            raise storage_error(self.path, error) from error

    def _opened(self) -> tuple[BinaryIO, bool]:
        """The file, and whether its last line is torn."""
        check_place(self.path)
        if self.path.is_symlink():
            raise StorageError(f"'{self.path}' is a link to another file; steer writes into its own alone")
        file = open(self.path, "ab+", opener=private_opener)  # noqa: SIM115
        if file.tell() == 0:
            return file, False
        file.seek(-1, os.SEEK_END)
        return file, file.read(1) != b"\n"


def append_line(path: Path, value: Any) -> None:
    """Append one JSON line and fsync it; a torn line before it is closed first."""
    file = LineFile(path)
    file.append(as_json(value))
    file.sync()


def as_json(value: Any, indent: int | None = None, nan: bool = False) -> bytes:
    """JSON and a newline. Half a character, which no encoding has, is written as JSON escapes it. Raises ValueError for
    NaN and infinity, which JSON has not, unless ``nan``: they are then written as Python reads them.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=nan)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and content of each whole JSON line; torn ones (a crash while writing) are left out, and so is all where
    there is no file. Raises UsageError for what is no regular file.
    """
    if not os.path.lexists(path):
        return
    try:
        check_regular(path)
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    row = parse_json(line)
                except ValueError:
                    continue
                if isinstance(row, dict):
                    yield number, row
    except (OSError, Unreadable) as error:
        raise UsageError(f"'{path}' cannot be read: {error}") from error


def check_place(path: Path) -> None:
    """Raise StorageError where something else than a file is in a place that is to be written."""
    try:
        free = may_be_replaced(path)
    except OSError as error:
        raise storage_error(path, error) from error
    if not free:
        raise StorageError(f"'{path}' is not a file, and steer writes over nothing else; give another name")


def lock(folder: Path, what: str, wait_s: float = 0) -> FileLock:
    """This process's hold on a folder, to be released; the system gives it back where the process is killed.

    Raises StorageError where another process has it still after ``wait_s`` seconds.
    """
    held = FileLock(folder / ".lock", mode=FILE)
    try:
        held.acquire(timeout=wait_s)
    except Timeout as error:
        raise StorageError(f"another process works on the {what} '{folder}'") from error
    except OSError as error:
        raise storage_error(folder, error) from error
    return held


def storage_error(path: Path, error: OSError) -> StorageError:
    """The fault in one line, with what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"no room left on the disk for '{path}'; free some space (what was written is kept)")
    return StorageError(f"cannot write '{path}': {error.strerror or error}; choose another place")
