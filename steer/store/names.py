"""Names of run folders: when, what and for whom, as in ``20261124-183528-fox-in-the-snow-u17``."""

from __future__ import annotations

import itertools
import re
import time
import unicodedata
from pathlib import Path

from steer.store.files import storage_error
from steer.store.private import FOLDER, private_folder

LONGEST_PROMPT, LONGEST_USER = 40, 20  # characters
ARTICLES = ("a", "an", "the")


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
