"""Bayesian linear regression with known noise: the one model of effects that the strategies share."""

from __future__ import annotations

import numpy as np

from steer.types import PICTURE_NOISE

PRIOR_STD = 0.15  # of one phrase's effect on a reward in [0, 1]


def posterior(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, prior_std: float = PRIOR_STD, noise_std: float = PICTURE_NOISE
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (k,) and covariance (k, k) of the effects in y = x b + noise / sqrt(weight) (Bishop 2006, eq. 3.53-3.54).

    ``x`` (m, k), ``y`` (m,) less its mean, ``weight`` (m,): how many pictures each y is the mean of.
    """
    scaled = x * (weight / noise_std**2)[:, None]
    precision = np.eye(x.shape[1]) / prior_std**2 + x.T @ scaled
    covariance = np.linalg.inv(precision)
    covariance = (covariance + covariance.T) / 2
    return covariance @ (scaled.T @ y), covariance
