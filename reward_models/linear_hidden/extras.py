"""What the protocol may be given beside a data set's ratings and features, for the paper's other rows.

Shapes: P pictures of the evaluated data set, D features, A attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from reward_models.evaluation.statistics import spearman
from reward_models.linear_hidden.drawn import HELD_OUT, Drawn

HARD_SHARE, RATERS = 0.1, 3  # pictures of highest variance of scores; the least people who rated one (R1)
LEAST_TYPICAL, ITEMS = 50, 30  # people whose Spearman with the mean score is lowest; the least ratings of one (R1)
FewShot = Callable[[Sequence[tuple[str, float]], Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Elsewhere:
    """Another data set, from which the general score and how people differ are learnt: its rows, and features (P', D)
    by pool with their rows by picture.
    """

    name: str
    table: pd.DataFrame
    pools: Mapping[str, np.ndarray]
    rows: Mapping[str, int]


@dataclass(frozen=True)
class Extras:
    """``written`` (P,): what the model writes as a picture's score, in [0, 1], NaN for no number. ``few_shot``: its
    scores of pictures after rated examples, asked for the first ``few_shot_people``. ``aadb`` (P, 11) by pool:
    attributes read by a map that is learnt on AADB. ``elsewhere``: see :class:`Elsewhere`.
    """

    written: np.ndarray | None = None
    few_shot: FewShot | None = None
    few_shot_people: int = 0
    aadb: Mapping[str, np.ndarray] = field(default_factory=dict)
    elsewhere: Elsewhere | None = None


def shuffled_among_people(table: pd.DataFrame, seed: int) -> pd.Series:
    """The scores (rows of ``table``), exchanged among the people who rated the same picture: the control in which what
    is everybody's stays, and nothing is anybody's own.
    """
    rng = np.random.default_rng(seed)
    return table.groupby("picture", sort=True)["score"].transform(lambda s: rng.permutation(s.to_numpy(float)))


def hard_pictures(table: pd.DataFrame) -> set[str]:
    """The tenth of pictures on which people differ most, of those that ``RATERS`` people rated."""
    each = table.groupby("picture")["score"].agg(["count", "var"])
    rated = each[each["count"] >= RATERS].sort_values("var", ascending=False, kind="stable")
    return set(rated.index[: max(1, round(HARD_SHARE * len(rated)))]) if len(rated) else set()


def least_typical(table: pd.DataFrame, people: Sequence[str], most: int = LEAST_TYPICAL) -> list[str]:
    """The people whose ratings agree least with the mean of the same pictures, of those with ``ITEMS`` of them; at most
    half of ``people``, so that they are a part of them.
    """
    means = table.groupby("picture")["score"].mean()
    agree = {}
    for person, own in table[table["person"].isin(list(people))].groupby("person"):
        if len(own) >= ITEMS:
            agree[str(person)] = spearman(means[own["picture"]].to_numpy(float), own["score"].to_numpy(float))
    return sorted(agree, key=lambda p: agree[p])[: min(most, max(1, len(people) // 2))]


def on_hard(predicted: Mapping[str, np.ndarray], drawn: Drawn, hard: set[str], least: int = 3) -> dict[str, float]:
    """Everybody's Spearman on those of their held-out pictures that are hard; people with fewer than ``least`` of them
    are left out.
    """
    found = {}
    for person, own in drawn.people.items():
        held = own.iloc[HELD_OUT]
        at = held["picture"].isin(hard).to_numpy(bool)
        if at.sum() >= least:
            found[person] = spearman(predicted[person][at], held["score"].to_numpy(float)[at])
    return found
