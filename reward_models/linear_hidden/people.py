"""One person's estimator, in every form of the paper and ours. Shapes: n ratings, D features, A attributes, m queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from reward_models.base import RewardError
from reward_models.linear_hidden.ridge import Others, Ridge, Scaler

Estimator = Literal["auto", "direct", "residual", "giaa", "reduce"]
FEW = 50  # ratings below which a person is a difference from everybody
SPREAD = 0.2  # of people's likings around everybody's, where no others tell
MARGIN = 0.125  # of [0, 1], half a point of 1-5: how far beyond the person's own ratings an answer may lie

Function = Callable[[np.ndarray], np.ndarray]


class PersonModel:
    """Fitted to rows ``x`` (n, D) and likings ``y`` (n,) in [0, 1].

    ``direct``    a ridge on the person's likings
    ``residual``  a ridge on their difference from the ``general`` score of the same pictures
    ``giaa``      the general score itself: nothing of the person
    ``reduce``    a ridge on the ``attributes`` of the pictures, (A,) each
    ``auto``      residual below ``FEW`` ratings, else direct

    ``scaler``: see :class:`~reward_models.linear_hidden.ridge.Ridge`; ``others``: what other people's residuals say of few ratings. With a
    scaler somebody with fewer than 2 ratings has the general score, as unsure as people differ; without, RewardError is raised, but of ``giaa``.
    """

    def __init__(
        self, x: np.ndarray, y: np.ndarray, general: Function, estimator: Estimator = "auto", alphas: str | Sequence[float] = "wide",
        attributes: Function | None = None, scaler: Scaler | None = None, others: Others | None = None,
    ):  # fmt: skip
        unknown = len(y) < 2 and scaler is not None
        if len(y) < 2 and estimator != "giaa" and not unknown:
            raise RewardError(f"a person needs at least 2 ratings, not {len(y)}")
        if estimator == "reduce" and attributes is None:
            raise RewardError("the estimator 'reduce' needs a map to attributes")
        self.asked, self.general, self.attributes = estimator, general, attributes
        self.x, self.y, self.scaler = np.asarray(x, np.float64), np.asarray(y, np.float64), scaler
        self.others = others
        self.estimator = ("residual" if len(y) < FEW else "direct") if estimator == "auto" else estimator
        self.ridge: Ridge | None = None
        if self.estimator != "giaa" and not unknown:
            residual = self.estimator == "residual"
            own = None if self.estimator == "reduce" else scaler
            self.ridge = Ridge(
                self._seen(x), y - general(x) if residual else y, alphas, own, self.others if residual else None
            )
        self.low, self.high = (float(y.min()), float(y.max())) if len(y) else (0.0, 1.0)

    def _seen(self, x: np.ndarray) -> np.ndarray:
        if self.estimator == "reduce":
            assert self.attributes is not None
            return self.attributes(x)
        return x

    def raw(self, x: np.ndarray) -> np.ndarray:
        """Likings (m,) as the estimator gives them, without bounds."""
        if self.ridge is None:
            return self.general(x)
        own = self.ridge(self._seen(np.asarray(x)))
        return own + self.general(x) if self.estimator == "residual" else own

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Likings (m,), kept in [0, 1] and within ``MARGIN`` of the person's own ratings: a line has no end of its own."""
        return np.clip(self.raw(x), max(0.0, self.low - MARGIN), min(1.0, self.high + MARGIN))

    def outside(self, x: np.ndarray) -> np.ndarray:
        """Which rows (m,) the bounds of :meth:`__call__` have cut."""
        return np.abs(self(x) - self.raw(x)) > 1e-9

    def uncertainty(self, x: np.ndarray) -> np.ndarray:
        """Standard deviation of the liking (m,); 0 for ``giaa``, which does not say."""
        if self.ridge is not None:
            return self.ridge.uncertainty(self._seen(x))
        slopes, covariance = self.slopes(x), self.covariance()
        return np.sqrt(np.maximum(0.0, ((slopes @ covariance) * slopes).sum(axis=1)))

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """How the liking of rows (m, D) moves with the person's coefficients, (m, K): the scaled features, from where the ratings are."""
        if self.ridge is not None:
            return self.ridge.scaler(self._seen(x)) - self.ridge.centre
        return self.scaler(x) if self.scaler else np.zeros((len(x), 1))

    def covariance(self) -> np.ndarray:
        """Of the coefficients, (K, K)."""
        if self.ridge is not None:
            return self.ridge.covariance()
        if self.scaler is None or self.estimator == "giaa":
            return np.zeros((1 if self.scaler is None else len(self.scaler.mean),) * 2)
        wide = len(self.scaler.mean)
        variance = self.others.noise**2 / self.others.alpha if self.others else SPREAD**2 / wide
        return variance * np.eye(wide)

    def open_share(self, x: np.ndarray) -> float:
        """Share in [0, 1] of the variance of rows (m, D) around their mean, as it was before any rating, that is left.

        At the penalty of ``others`` where there are any: it then says what pictures were rated, and falls with every rating.
        """
        if self.ridge is None:
            return 1.0
        slopes = self.slopes(x)
        return self.ridge.open_share(slopes - slopes.mean(axis=0), self.others.alpha if self.others else None)

    def add(self, row: np.ndarray, liking: float) -> None:
        """One rating more; see :meth:`Ridge.add`. A person of ``auto`` whose number of ratings reaches 2 or ``FEW`` is fitted anew by the caller."""
        self.x, self.y = np.vstack([self.x, row]), np.append(self.y, liking)
        if self.ridge is None:
            return
        target = liking - float(self.general(row[None])[0]) if self.estimator == "residual" else liking
        self.ridge.add(self._seen(row[None])[0], target)
        self.low, self.high = min(self.low, liking), max(self.high, liking)

    def __len__(self) -> int:
        return len(self.y)
