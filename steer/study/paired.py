"""Choices between two: how likely, how strong, how sure, how many.

Shapes: U users, C conditions, B bootstrap samples.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from reward_models.evaluation import statistics
from reward_models.evaluation.statistics import bootstrap as interval  # noqa: F401  (the study reads it from here)

ELO = 400 / math.log(10)  # points of one unit of log odds
MIDDLE = 1000.0  # mean Elo
SAMPLES = 2000  # of statistics that are not a mean, as in the studies published so far; each asks for a fit or a ratio


def chance(a: np.ndarray, b: np.ndarray, noise: float) -> float:
    """How often a picture of ``a`` (n,) is chosen over one of ``b`` (m,), over all pairs.

    Thurstone 1927, case V: each liking is felt with normal noise of standard deviation ``noise`` (in the values' unit).

    >>> chance(np.array([0.5]), np.array([0.5]), 0.1)
    0.5
    """
    from scipy.special import ndtr

    difference = np.subtract.outer(np.asarray(a, float), np.asarray(b, float))
    return float(ndtr(difference / (math.sqrt(2) * noise)).mean())


def bradley_terry(wins: np.ndarray, steps: int = 500) -> np.ndarray:
    """Elo (..., C) from ``wins`` (..., C, C), row over column, which may be fractions; NaN for who met nobody.

    Maximum likelihood by Hunter 2004 (MM algorithms for generalized Bradley-Terry models), eq. 3; the mean is 1000.
    """
    wins = np.where(np.eye(wins.shape[-1], dtype=bool), 0.0, wins)
    games = wins + np.swapaxes(wins, -1, -2)
    total = wins.sum(-1)
    strength = np.ones(total.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(steps):
            shared = games / (strength[..., :, None] + strength[..., None, :])
            new = total / shared.sum(-1)
            logs = np.log(new)
            met = np.maximum(1, (~np.isnan(logs)).sum(-1, keepdims=True))
            new = np.exp(logs - np.nansum(logs, axis=-1, keepdims=True) / met)
            if np.nanmax(np.abs(np.log(new / strength)), initial=0.0) < 1e-9:
                break
            strength = new
        return MIDDLE + ELO * np.log(np.where(games.sum(-1) > 0, strength, np.nan))


def resampled(users: int) -> np.ndarray:
    """How often each user is drawn in each bootstrap sample, (B, U)."""
    return statistics.resampled(users, resamples=SAMPLES)


def elo(wins: np.ndarray) -> np.ndarray:
    """Elo and its 95 % bootstrap interval over users, (C, 3), from each user's ``wins`` (U, C, C); NaN where a user has
    no pair.
    """
    filled = np.nan_to_num(wins)
    samples = bradley_terry(np.einsum("bu,uij->bij", resampled(len(wins)), filled))
    low, high = np.nanpercentile(samples, [2.5, 97.5], axis=0)
    return np.stack([bradley_terry(filled.sum(0)), low, high], axis=-1)


def votes_needed(share: float, power: float = 0.8, level: float = 0.05) -> int:
    """How many choices show that one of two is preferred, where it truly is with ``share``.

    Two-sided test of a proportion against one half, normal approximation (Fleiss, Levin and Paik 2003, section 2.5,
    without the correction for continuity).

    >>> votes_needed(0.54)
    1225
    """
    if not 0 < share < 1 or share == 0.5:
        raise ValueError(f"a share of {share} cannot be told from one half")
    a, b = NormalDist().inv_cdf(1 - level / 2), NormalDist().inv_cdf(power)
    return math.ceil(((a * 0.5 + b * math.sqrt(share * (1 - share))) / (share - 0.5)) ** 2)
