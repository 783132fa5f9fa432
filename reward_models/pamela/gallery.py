"""Fig. 10 of the paper: two people, two pictures, and opposite orders, with what was predicted.

Cases are chosen by the ratings alone, never by whether the prediction was right.
"""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from reward_models.doors import Unreadable
from reward_models.evaluation.pages import render
from reward_models.pictures import open_picture
from reward_models.ratings.arrays import RatingTable

MARGIN = 0.125  # of [0, 1]: half a point; what is closer is a tie
MOST = 12
SIDE = 192  # pixels of a picture shown


@dataclass(frozen=True)
class Opposed:
    """Two people who order two pictures oppositely. ``rated`` and ``predicted`` (2, 2): a row a person, a column a
    picture, in [0, 1]; ``apart``: the smaller of the two differences.
    """

    people: tuple[str, str]
    pictures: tuple[int, int]
    rated: np.ndarray
    predicted: np.ndarray
    apart: float

    @property
    def right(self) -> list[bool]:
        """Whether each person's order is predicted."""
        return [bool((p[0] - p[1]) * (r[0] - r[1]) > 0) for p, r in zip(self.predicted, self.rated, strict=True)]


def opposed(predicted: np.ndarray, test: RatingTable, margin: float = MARGIN, most: int = MOST) -> list[Opposed]:
    """The clearest cases, those with the largest smaller difference first; a person is in one of them at most.

    Pairs that one of the two rates within ``margin`` are near-ties and left out.
    """
    own = {str(p): np.flatnonzero(test.person == p) for p in np.unique(test.person)}
    found: list[Opposed] = []
    for a, b in itertools.combinations(own, 2):
        shared, i, j = np.intersect1d(test.picture[own[a]], test.picture[own[b]], return_indices=True)
        if len(shared) < 2:
            continue
        rows = own[a][i], own[b][j]
        y, p = (np.stack([v[r] for r in rows]) for v in (test.liking, predicted))  # (2, shared)
        x, z = np.triu_indices(len(shared), 1)
        first, second = y[0, x] - y[0, z], y[1, x] - y[1, z]
        apart = np.where(first * second < 0, np.minimum(np.abs(first), np.abs(second)), 0)
        best = int(apart.argmax())
        if apart[best] > margin:
            at = [x[best], z[best]]
            pictures = int(shared[at[0]]), int(shared[at[1]])
            found.append(Opposed((a, b), pictures, y[:, at], p[:, at], float(apart[best])))
    chosen: list[Opposed] = []
    used: set[str] = set()
    for case in sorted(found, key=lambda c: -c.apart):
        if not used & set(case.people):
            chosen.append(case)
            used |= set(case.people)
    return chosen[:most]


def write_gallery(cases: Sequence[Opposed], frame: pd.DataFrame, scale: tuple[float, float], out: Path) -> None:
    """The cases as one HTML file with the pictures inside. ``frame``: the ratings that they are of; ``scale``: lowest
    and highest score, in which ratings are shown.
    """
    rows = frame.drop_duplicates("picture_row").set_index("picture_row")
    low, high = scale

    def shown(picture: int) -> dict[str, str]:
        row = rows.loc[picture]
        prompt = "" if pd.isna(row["prompt"]) else str(row["prompt"])
        return {"image": _thumbnail(Path(row["root"]) / row["picture"]), "prompt": prompt, "name": str(row["picture"])}

    told = [
        {
            "pictures": [shown(p) for p in case.pictures],
            "people": [
                {"name": n, "rated": low + (high - low) * r, "predicted": low + (high - low) * q, "right": right}
                for n, r, q, right in zip(case.people, case.rated, case.predicted, case.right, strict=True)
            ],
        }
        for case in cases
    ]
    out.write_text(render("gallery.html.j2", cases=told, side=SIDE), encoding="utf-8")


def _thumbnail(path: Path) -> str:
    """A picture as the text of a data URL; empty where it does not open, as with features made elsewhere."""
    try:
        with open_picture(path) as image:
            small = image.convert("RGB")
    except (OSError, Unreadable):
        return ""
    small.thumbnail((SIDE, SIDE))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
