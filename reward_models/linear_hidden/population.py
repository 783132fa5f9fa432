"""How people differ from everybody's taste, learnt from those who rated much: the prior of somebody who rated little.

A linear mixed model (Laird and Ware 1982): the residual of person p from the general score is x'w_p + noise, w_p =
axes' z_p with z_p ~ N(0, I). The axes lie in the span of everybody's own ridge weights and their covariance is found by
expectation maximisation, in closed form; nothing is trained by gradient. A person's ridge on ``axes x`` with the
penalty noise^2 is then the exact posterior. It is ours, not the paper's, whose ridges know one person each. Shapes: n
rows, D features, R of the span, K axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reward_models.linear_hidden.ridge import Ridge, Scaler

LEAST = 4, 5  # people, and ratings of each, to learn from
AXES = 64  # at most
STEPS, ENOUGH = 50, 1e-5  # of expectation maximisation; a relative gain in likelihood below which it ends


@dataclass(frozen=True)
class Population:
    """``axes`` (K, D) of scaled features, each as long as people differ along it (one standard deviation); ``noise`` of
    a rating.
    """

    scaler: Scaler
    axes: np.ndarray
    noise: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows (m, D) along the axes, (m, K)."""
        return self.scaler(x) @ self.axes.T

    def ridge(self, x: np.ndarray, residual: np.ndarray) -> Ridge:
        """The posterior of a person with these rows (n, D) and residuals (n,) of their ratings from the general score,
        n >= 2.
        """
        k = len(self.axes)
        return Ridge(self(x), residual, [self.noise**2], Scaler(np.zeros(k), np.ones(k)), noise=self.noise)

    @classmethod
    def of(
        cls, features: np.ndarray, people: Sequence[tuple[np.ndarray, np.ndarray]], scaler: Scaler, alphas: str = "wide"
    ) -> Population | None:
        """From each person's rows of ``features`` (P, D) and residuals (n,); None for fewer than 4 people with 5
        ratings.
        """
        people = [(rows, r) for rows, r in people if len(r) >= LEAST[1]]
        if len(people) < LEAST[0]:
            return None
        plain = Scaler(np.zeros(features.shape[1]), np.ones(features.shape[1]))
        own = np.stack([Ridge(scaler(features[rows]), r, alphas, plain).coefficients for rows, r in people])
        span = np.linalg.svd(own, full_matrices=False)[2][: min(AXES, len(people) - 1)]  # (R, D)
        sums = [_sums(scaler(features[rows]) @ span.T, r) for rows, r in people]
        covariance, noise = _maximise(sums, float(np.mean([r.std() for _, r in people])))
        values, vectors = np.linalg.eigh(covariance)
        kept = values > 1e-6 * values[-1]
        axes = (vectors[:, kept] * np.sqrt(values[kept])).T @ span
        return cls(scaler, axes[::-1].copy(), noise)


_Sums = tuple[np.ndarray, np.ndarray, float, int]


def _sums(x: np.ndarray, r: np.ndarray) -> _Sums:
    """X'X (R, R), X'r (R,), r'r and the degrees of freedom of centred rows: everybody's own level is free."""
    x, r = x - x.mean(axis=0), r - r.mean()
    return x.T @ x, x.T @ r, float(r @ r), len(r) - 1


def _maximise(people: Sequence[_Sums], spread: float) -> tuple[np.ndarray, float]:
    """Covariance (R, R) of weights and the noise of a rating, of greatest likelihood."""
    size, variance = len(people[0][1]), spread**2 / 2
    per_row = np.mean([np.trace(xx) / max(1, free) for xx, _, _, free in people])
    covariance = np.eye(size) * variance / per_row
    before = -np.inf
    for _ in range(STEPS):
        inverse, log_det = np.linalg.inv(covariance), np.linalg.slogdet(covariance)[1]
        total, squares, likelihood = np.zeros((size, size)), 0.0, 0.0
        for xx, xr, rr, free in people:
            precision = inverse + xx / variance
            posterior = np.linalg.inv(precision)
            mean = posterior @ xr / variance
            total += np.outer(mean, mean) + posterior
            squares += float(rr - 2 * mean @ xr + mean @ xx @ mean + (posterior * xx).sum())
            likelihood -= 0.5 * (
                np.linalg.slogdet(precision)[1] + log_det + free * np.log(variance) + (rr - mean @ xr) / variance
            )
        covariance, variance = total / len(people), squares / sum(free for *_, free in people)
        if likelihood - before < ENOUGH * abs(likelihood):
            break
        before = likelihood
    return covariance, float(np.sqrt(variance))
