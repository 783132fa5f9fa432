"""AVA (Murray et al., CVPR 2012) and AVA-Captions (Ghosal et al., ICCV workshops 2019) as they are published.

``AVA.txt`` has a line a picture: its number, its id, how many people gave each of the scores 1 to 10, two tags and the
challenge. ``aesthetics_image_lists/generic_test.jpgl`` has the ids of the official test pictures. Pictures are
``images/ID.jpg`` or ``image/ID.jpg``. AVA-Captions is a JSON object whose ``images`` have a ``filename``, ``sentences``
and a ``split``. Not shipped; we have read files of this layout that we wrote, not the data sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reward_models.doors import Unreadable, read_json, read_text
from reward_models.ratings.files import relative_path
from reward_models.ratings.table import DataError

Split = Literal["train", "test", "all"]
FOLDERS = ("images", "image", ".")
SCORES = np.arange(1, 11)


@dataclass(frozen=True)
class Scored:
    """``pictures``: paths below ``root``; ``scores`` (n,): mean of what people gave them, 1 to 10."""

    root: Path
    pictures: list[str]
    scores: np.ndarray


@dataclass(frozen=True)
class Captioned:
    """``pictures``: paths below ``root``; ``references``: what people said of each."""

    root: Path
    pictures: list[str]
    references: list[list[str]]


def load_ava(root: Path, split: Split = "test") -> Scored:
    """The pictures of a split that are there. Raises DataError where there are none, and for a file that does not
    read.
    """
    counts = _counts(root / "AVA.txt")
    if split != "all":
        test = {line.split()[0] for line in _lines(root / "aesthetics_image_lists" / "generic_test.jpgl")}
        counts = {id_: n for id_, n in counts.items() if (id_ in test) == (split == "test")}
    folder = next((f for f in FOLDERS[:2] if (root / f).is_dir()), FOLDERS[2])
    there = {id_: n for id_, n in counts.items() if (root / folder / f"{id_}.jpg").is_file()}
    if not there:
        raise DataError(f"'{root / folder}' has none of the {len(counts)} pictures of AVA's split '{split}'")
    table = np.array(list(there.values()), dtype=float)  # (n, 10)
    return Scored(root, [str(Path(folder) / f"{id_}.jpg") for id_ in there], table @ SCORES / table.sum(1))


def load_ava_captions(file: Path, pictures: Path, split: Split = "test") -> Captioned:
    """The pictures of a split that are in the folder ``pictures`` and have captions. Raises DataError."""
    try:
        told = read_json(file, most=2_000_000_000)
    except FileNotFoundError as error:
        raise DataError(f"'{file}' is missing") from error
    except (OSError, ValueError) as error:
        raise DataError(f"'{file}' does not read as JSON: {error}") from error
    rows = told.get("images") if isinstance(told, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"'{file}' has no list 'images'")
    names: list[str] = []
    references: list[list[str]] = []
    for row in rows:
        name, said = relative_path(row.get("filename"), pictures), _sentences(row.get("sentences"))
        if name and said and split in ("all", row.get("split", "test")) and (pictures / name).is_file():
            names.append(name)
            references.append(said)
    if not names:
        raise DataError(f"'{pictures}' has none of the {len(rows)} pictures of '{file}' in its split '{split}'")
    return Captioned(pictures, names, references)


def _sentences(told: Any) -> list[str]:
    """Each sentence as it was cleaned, else by its tokens, else as it was written."""
    found = []
    for each in told if isinstance(told, Sequence) and not isinstance(told, str) else ():
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, dict):
            tokens = each.get("tokens")
            joined = " ".join(map(str, tokens)) if isinstance(tokens, list) else ""
            found.append(str(each.get("clean") or joined or each.get("raw") or ""))
    return [text.strip() for text in found if text.strip()]


def _counts(path: Path) -> dict[str, list[int]]:
    """By id, how many people gave each score."""
    found: dict[str, list[int]] = {}
    for number, line in enumerate(_lines(path), start=1):
        values = line.split()
        try:
            counts = [int(v) for v in values[2:12]]
        except ValueError as error:
            raise DataError(f"'{path}', line {number}: {error}") from error
        if len(counts) != len(SCORES) or min(counts) < 0 or not sum(counts):
            raise DataError(f"'{path}', line {number}: not a number, an id and how often each of ten scores was given")
        found[values[1]] = counts
    return found


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in read_text(path, most=100_000_000).splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise DataError(f"'{path}' is missing") from error
    except (OSError, Unreadable, ValueError) as error:
        raise DataError(f"'{path}' cannot be read: {error}") from error
