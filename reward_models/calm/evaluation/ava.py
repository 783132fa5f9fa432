"""Everybody's taste on AVA: PLCC and SRCC of a reward's answer for nobody in particular with the mean score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reward_models.base import Person, RewardError
from reward_models.evaluation.statistics import spearman
from reward_models.protocols import RewardModel
from reward_models.ratings.ava import Scored
from reward_models.zero_shot import opened

CHUNK = 64


def score_ava(
    reward: RewardModel,
    data: Scored,
    progress: Callable[[int, int], None] = lambda done, of: None,  # noqa: ARG005
) -> dict[str, float]:
    """``plcc``, ``srcc`` and the number of ``pictures``. Raises RewardError for a picture without a score, and for
    fewer than two pictures.
    """
    from scipy.stats import pearsonr

    found: list[float] = []
    for start in range(0, len(data.pictures), CHUNK):
        chunk = [opened(data.root / p) for p in data.pictures[start : start + CHUNK]]
        found += reward.score(chunk, [""] * len(chunk), Person()).population.tolist()
        progress(len(found), len(data.pictures))
    told = np.array(found)
    if len(told) < 2 or not np.isfinite(told).all():
        raise RewardError(f"{int(np.isfinite(told).sum())} of {len(told)} pictures got a score; two are needed")
    if np.ptp(told) == 0 or np.ptp(data.scores) == 0:
        return {"plcc": 0.0, "srcc": 0.0, "pictures": float(len(told))}
    plcc = float(pearsonr(told, data.scores).statistic)
    return {"plcc": plcc, "srcc": spearman(told, data.scores), "pictures": float(len(told))}
