"""Files and folders about people: their owner alone reads them, whatever the umask.

On Windows nothing is changed: what lies in a user's own folders is closed to others there.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

FILE, FOLDER = 0o600, 0o700
_OTHERS = 0o077


def private_folder(path: Path) -> None:
    """Make a folder that only its owner enters, and what is missing above it. One that exists stays as it is.

    Raises OSError where it cannot be made.
    """
    for folder in reversed([path, *path.parents]):
        if not folder.exists():
            folder.mkdir(mode=FOLDER, exist_ok=True)
            tighten(folder)  # a default ACL of the folder above may have given more
    path.mkdir(exist_ok=True)  # says so where a file is in the way


def private_opener(path: str, flags: int) -> int:
    """For ``open(..., opener=private_opener)``: a new file is private, and an old one becomes so."""
    descriptor = os.open(path, flags, FILE)
    tighten(descriptor)
    return descriptor


def tighten(path: Path | int) -> None:
    """Take all rights of group and others from a file, a folder or a descriptor, if it is there and one's own."""
    if os.name != "posix":
        return
    with contextlib.suppress(FileNotFoundError, PermissionError):
        mode = stat.S_IMODE(os.stat(path).st_mode)
        if mode & _OTHERS:
            os.chmod(path, mode & ~_OTHERS)
