"""A temporary folder for this process, and no leftovers of those that were killed."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "steer-page-"
YOUNG_S = 60.0  # a folder may be made and not locked yet
_held: list[FileLock] = []  # until this process ends


def own_folder() -> Path:
    """A new folder that only this person reads; it goes with this process, or when the next one starts."""
    remove_left()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = FileLock(folder / ".lock")
    lock.acquire()
    _held.append(lock)
    atexit.register(_end, lock, folder)
    return folder


def remove_left() -> None:
    """Remove the folders of processes that are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            seen = folder.lstat()
            if folder.is_symlink() or (os.name == "posix" and seen.st_uid != os.getuid()):
                continue  # somebody else's
            if time.time() - seen.st_mtime < YOUNG_S:
                continue
            with FileLock(folder / ".lock", timeout=0):
                pass
        except (OSError, Timeout):
            continue  # its process is at work, or another one removes it
        shutil.rmtree(folder, ignore_errors=True)


def _end(lock: FileLock, folder: Path) -> None:
    lock.release()
    shutil.rmtree(folder, ignore_errors=True)
