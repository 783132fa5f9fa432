"""The eleven attributes of AADB (Kong et al., ECCV 2016) from its list files; the paper learns its attribute map there.

``imgListTrainRegression_<Attribute>.txt`` and the like, a line "name.jpg value" a picture, in any folder below the data
set's; pictures anywhere below it. Not shipped; we have read files of this layout that we wrote, not the data set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reward_models.doors import Unreadable, read_text
from reward_models.ratings.table import DataError

ATTRIBUTES = (  # spelt as the files are
    "BalacingElements",
    "ColorHarmony",
    "Content",
    "DoF",
    "Light",
    "MotionBlur",
    "Object",
    "Repetition",
    "RuleOfThirds",
    "Symmetry",
    "VividColor",
)
LISTS = {
    "train": "imgListTrainRegression",
    "validation": "imgListValidationRegression",
    "test": "imgListTestNewRegression",
}


@dataclass(frozen=True)
class Attributes:
    """``pictures``: paths below ``root``; ``values`` (n, 11) of ``ATTRIBUTES``; ``scores`` (n,), NaN where not told."""

    root: Path
    pictures: list[str]
    values: np.ndarray
    scores: np.ndarray


def load_aadb(root: Path, split: str = "train") -> Attributes:
    """The pictures of a split that have all eleven attributes and are there. Raises DataError where there are none, and
    for a list that does not read.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder '{root}'")
    lists = {name: _list(root, split, name) for name in (*ATTRIBUTES, "score")}
    if missing := [name for name in ATTRIBUTES if not lists[name]]:
        raise DataError(f"'{root}' has no {LISTS[split]}_{missing[0]}.txt, or nothing in it")
    known = {p.name: p for p in sorted(root.rglob("*")) if p.suffix.lower() in (".jpg", ".jpeg", ".png")}
    names = [n for n in lists[ATTRIBUTES[0]] if n in known and all(n in lists[a] for a in ATTRIBUTES)]
    if not names:
        raise DataError(f"'{root}' has none of the pictures that its lists name")
    return Attributes(
        root,
        [str(known[n].relative_to(root)) for n in names],
        np.array([[lists[a][n] for a in ATTRIBUTES] for n in names]),
        np.array([lists["score"].get(n, math.nan) for n in names]),
    )


def _list(root: Path, split: str, attribute: str) -> dict[str, float]:
    """Values by the picture's file name; empty where there is no such list."""
    path = next(iter(sorted(root.rglob(f"{LISTS[split]}_{attribute}.txt"))), None)
    if path is None:
        return {}
    found = {}
    try:
        for number, line in enumerate(read_text(path).splitlines(), 1):
            if line.strip():
                name, value = line.rsplit(maxsplit=1)
                found[Path(name.strip()).name] = float(value)
                if not math.isfinite(found[Path(name.strip()).name]):
                    raise Unreadable(f"line {number} has no finite number")
    except (ValueError, OSError) as error:
        raise DataError(f"'{path}' does not read as a list of pictures and values: {error}") from error
    return found
