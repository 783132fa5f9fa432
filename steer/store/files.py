"""Writing that is whole or not there, and appending that tolerates a torn last line.

All of it is about somebody's taste, so only its owner may read it: see :mod:`steer.store.private`.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from steer.errors import StorageError
from steer.store.private import FILE, private_opener


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write to a temporary name, fsync, rename. Raises StorageError when there is no room."""
    partial = path.with_name(path.name + ".partial")
    try:
        with open(partial, "wb", opener=private_opener) as f:
            write(f)
            f.flush()
            os.fsync(f.fileno())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise storage_error(path, error) from error


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    write_whole(path, lambda f: f.write(text.encode()))


def append_line(path: Path, value: Any) -> None:
    """Append one JSON line and fsync it; a torn line before it is closed first."""
    line = json.dumps(value, ensure_ascii=False).encode() + b"\n"
    try:
        with open(path, "ab+", opener=private_opener) as f:
            if f.tell() > 0:
                f.seek(-1, os.SEEK_END)
                if f.read(1) != b"\n":
                    line = b"\n" + line
            f.write(line)
            f.flush()
            os.fsync(f.fileno())
    except OSError as error:
        raise storage_error(path, error) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All whole JSON lines; torn ones (a crash while writing) are left out."""
    rows = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


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
