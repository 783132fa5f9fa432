"""Names of run folders: when, what and for whom, as in ``20261124-183528-fox-in-the-snow-u17``."""

from __future__ import annotations

import itertools
import os
import re
import time
import unicodedata
from collections.abc import Collection
from pathlib import Path

from steer.errors import UsageError
from steer.store.files import storage_error
from steer.store.private import FOLDER, private_folder

LONGEST_PROMPT, LONGEST_USER = 40, 20  # characters
ARTICLES = ("a", "an", "the")


def check_new(path: Path, own: Collection[str]) -> None:
    """Raise UsageError where ``path`` is no place for a new folder that will hold ``own``: a file, the root of the file
    system, or a folder in which something has one of these names. An empty folder in it is nothing.
    """
    try:
        if path.exists() and not path.is_dir():
            raise UsageError(f"'{path}' is a file; --out names a folder")
        if path.resolve() == path.resolve().parent:
            raise UsageError(f"'{path}' is the root of the file system; --out names a folder in it")
        for name in sorted(own):
            there = path / name
            if os.path.lexists(there) and not (there.is_dir() and not any(there.iterdir())):
                raise UsageError(
                    f"'{path}' has a '{name}' already, which may be of another run; give another --out, or move it away"
                )
    except OSError as error:
        raise storage_error(path, error) from error


def new_run_folder(parent: Path, prompt: str, user: str) -> Path:
    """Make a new folder for a run of ``prompt`` for ``user``. Raises StorageError where it cannot be made.

    The name is safe whatever was typed: it begins with the time, and has ASCII letters, digits and hyphens only.
    """
    parts = [time.strftime("%Y%m%d-%H%M%S"), _short(prompt, LONGEST_PROMPT), slug(user, LONGEST_USER)]
    name = "-".join(part for part in parts if part)
    try:
        for number in itertools.count(1):
            path = parent / (name if number == 1 else f"{name}-{number}")
            try:
                private_folder(parent)
                path.mkdir(mode=FOLDER)
            except FileExistsError:
                if parent.exists() and not parent.is_dir():
                    raise
                continue  # another run began in the same second
            return path
    except OSError as error:
        raise storage_error(path, error) from error
    raise AssertionError  # the numbers do not end


def slug(text: str, longest: int) -> str:
    """``text`` in ASCII letters, digits and hyphens, cut after a word; "" where nothing is left.

    >>> slug("Ein Füchslein, im Schnee!", 20), slug("../../etc/passwd", 40), slug("狐", 40)
    ('ein-fuchslein-im', 'etc-passwd', '')
    """
    ascii_ = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    whole = re.sub(r"[^a-z0-9]+", "-", ascii_).strip("-")
    if len(whole) <= longest:
        return whole
    cut = whole[: longest + 1].rpartition("-")[0]
    return cut or whole[:longest]


def _short(prompt: str, longest: int) -> str:
    """The slug of a prompt without the article that it begins with."""
    first, _, rest = prompt.strip().partition(" ")
    return slug(rest if rest and first.lower() in ARTICLES else prompt, longest)
