"""What ``residual`` and ``hierarchical`` are worth for new people, on pictures that others have rated and on new ones.

Shapes: P pictures, D features.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from reward_models.linear_hidden.fit import as_rated
from reward_models.taste.learning import LEAST_PEOPLE, REPEATED, Everybody, Rated, learn
from reward_models.taste.prior import TastePrior
from reward_models.two_questions import CROWD, Answer, Interval, Told, judge


def two_questions(
    table: pd.DataFrame, features: np.ndarray, rows: dict[str, int], splits: int | None = None
) -> Told | None:
    """Both questions on the people of the unseen splits; everything shared is learnt from the others. ``features``
    (P, D); ``splits`` of the pictures: more of them where there are few. None where there are too few people.
    """
    unseen = table["split"].str.endswith("unseen").to_numpy(bool)
    if table[unseen]["person"].nunique() < LEAST_PEOPLE or table[~unseen]["person"].nunique() < 2 * LEAST_PEOPLE:
        return None
    rated = as_rated(table, features, rows)
    splits = splits or min(4, max(1, round(REPEATED / len(np.unique(rated.picture)))))
    return judge(rated, unseen, partial(_ways, rated), splits, 1)


def _ways(rated: Rated, known: Rated) -> tuple[dict[str, Answer], Interval]:
    everybody, prior, _ = learn(known)
    return our_ways(rated, everybody, prior)


def our_ways(rated: Rated, everybody: Everybody, prior: TastePrior) -> tuple[dict[str, Answer], Interval]:
    """The crowd, ``residual`` and ``hierarchical``, and the intervals of the latter."""
    even = TastePrior.even(rated.x[everybody.means.rated])
    others = everybody.others  # the crowd's answer where nobody rated a picture

    def crowd(given: np.ndarray, liking: np.ndarray, asked: np.ndarray) -> np.ndarray:  # noqa: ARG001
        return others(asked)

    def tasted(of: TastePrior) -> Answer:
        def answer(given: np.ndarray, liking: np.ndarray, asked: np.ndarray) -> np.ndarray:
            if len(given) < 2:
                return others(asked)
            return others(asked) + of.ridge(rated.x[given], liking - others(given))(of(rated.x[asked]))

        return answer

    def interval(given: np.ndarray, liking: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ridge, along = prior.ridge(rated.x[given], liking - others(given)), prior(rated.x[asked])
        return others(asked) + ridge(along), ridge.noise * np.sqrt(1 + ridge.leverage(along))

    return {CROWD: crowd, "residual": tasted(even), "hierarchical": tasted(prior)}, interval
