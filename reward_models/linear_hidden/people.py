"""One person's estimator, in every form of the paper and ours. Shapes: n ratings, D features, A attributes, m
queries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from reward_models.base import RewardError
from reward_models.taste.prior import TastePrior
from reward_models.taste.ridge import Ridge, Scaler

Estimator = Literal["auto", "direct", "residual", "hierarchical", "giaa", "reduce"]
FEW = 50  # ratings below which a person is a difference from everybody
LEAST = 0.01  # strength that the taste of somebody without ratings is taken to have, to ask questions by
SPREAD = 0.2  # of people's likings around everybody's, where no others tell
RANGE = 10  # ratings that say how far a person's go
MARGIN = 0.125  # of [0, 1], half a point of 1-5: how far beyond the person's own ratings an answer may lie

Function = Callable[[np.ndarray], np.ndarray]


class PersonModel:
    """Fitted to rows ``x`` (n, D) and likings ``y`` (n,) in [0, 1].

    ``direct``        a ridge on the person's likings
    ``residual``      a ridge on their difference from the ``general`` score of the same pictures, careful as
                      :class:`~reward_models.taste.prior.TastePrior` is where nobody else tells; needs ``even``
    ``hierarchical``  the same along the axes that people differ by, as much as it was worth for others; needs a
                      ``population``
    ``giaa``          the general score itself: nothing of the person
    ``reduce``        a ridge on the ``attributes`` of the pictures, (A,) each
    ``auto``          hierarchical where there is a population; else residual below ``FEW`` ratings, and direct from
                      there on

    ``expected``: what others make of the same pictures (n,), the general score where nobody rated them.
    ``scaler``: see :class:`~reward_models.taste.ridge.Ridge`. With one, somebody with fewer than 2 ratings has
    the general score, as unsure as people differ; without, RewardError is raised, but of ``giaa``.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        general: Function,
        estimator: Estimator = "auto",
        alphas: str | Sequence[float] = "wide",
        attributes: Function | None = None,
        scaler: Scaler | None = None,
        population: TastePrior | None = None,
        even: TastePrior | None = None,
        expected: np.ndarray | None = None,
    ):
        unknown = len(y) < 2 and scaler is not None
        if len(y) < 2 and estimator != "giaa" and not unknown:
            raise RewardError(f"a person needs at least 2 ratings, not {len(y)}")
        if estimator == "reduce" and attributes is None:
            raise RewardError("the estimator 'reduce' needs a map to attributes")
        if estimator == "hierarchical" and population is None:
            raise RewardError("the estimator 'hierarchical' needs other people's ratings to learn from")
        self.asked, self.general, self.attributes = estimator, general, attributes
        self.x, self.y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        self.scaler, self.population = scaler, population
        self.estimator = estimator
        if estimator == "auto":
            self.estimator = "hierarchical" if population else "residual" if len(y) < FEW else "direct"
        self.prior: TastePrior | None = None
        if self.estimator in ("hierarchical", "residual"):
            self.prior = population if self.estimator == "hierarchical" else even or TastePrior.even(self.x)
        self.ridge: Ridge | None = None
        if self.prior and not unknown:
            everybody = general(self.x) if expected is None else expected
            self.ridge = self.prior.ridge(self.x, self.y - everybody)
        elif self.estimator != "giaa" and not unknown:
            self.ridge = Ridge(self._seen(x), y, alphas, None if self.estimator == "reduce" else scaler)

    @property
    def low(self) -> float:
        """The person's lowest rating; 0 for fewer than ``RANGE``, which span too little."""
        return float(self.y.min()) if len(self.y) >= RANGE else 0.0

    @property
    def high(self) -> float:
        """The highest; 1 for fewer than ``RANGE``."""
        return float(self.y.max()) if len(self.y) >= RANGE else 1.0

    def _seen(self, x: np.ndarray) -> np.ndarray:
        if self.estimator == "reduce":
            assert self.attributes is not None
            return self.attributes(x)
        return self.prior(x) if self.prior else np.asarray(x)

    def raw(self, x: np.ndarray) -> np.ndarray:
        """Likings (m,) as the estimator gives them, without bounds."""
        if self.ridge is None:
            return self.general(x)
        own = self.ridge(self._seen(x))
        return own + self.general(x) if self.estimator in ("residual", "hierarchical") else own

    def apart(self, x: np.ndarray, general: np.ndarray) -> np.ndarray:
        """By how much the likings (m,) of :meth:`raw` are above the ``general`` score (m,) of the same pictures."""
        if self.ridge is None:
            return np.zeros(len(general))
        own = self.ridge(self._seen(x))
        return own if self.estimator in ("residual", "hierarchical") else own - general

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Likings (m,), kept in [0, 1] and within ``MARGIN`` of the person's own ratings: a line has no end of its own.

        The last ``MARGIN`` before a bound is bent (tanh), so that of two pictures beyond it the better one is still
        above the other.
        """
        low, high = self._bounds
        width = min(MARGIN, (high - low) / 2)
        raw, top, bottom = self.raw(x), high - width, low + width
        bent = np.where(raw > top, top + width * np.tanh((raw - top) / width), raw)
        return np.where(raw < bottom, bottom - width * np.tanh((bottom - raw) / width), bent)

    @property
    def _bounds(self) -> tuple[float, float]:
        return max(0.0, self.low - MARGIN), min(1.0, self.high + MARGIN)

    def uncertainty(self, x: np.ndarray) -> np.ndarray:
        """Standard deviation of the liking (m,); 0 for ``giaa``, which does not say."""
        if self.ridge is not None:
            return self.ridge.uncertainty(self._seen(x))
        slopes, covariance = self.slopes(x), self.covariance()
        return np.sqrt(np.maximum(0.0, ((slopes @ covariance) * slopes).sum(axis=1)))

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """How the liking of rows (m, D) moves with the person's coefficients, (m, K): the scaled features, from where
        the ratings are.
        """
        if self.ridge is not None:
            return self.ridge.scaler(self._seen(x)) - self.ridge.centre
        if self.prior:
            return self._seen(x)
        return self.scaler(x) if self.scaler else np.zeros((len(x), 1))

    def covariance(self) -> np.ndarray:
        """Of the coefficients, (K, K)."""
        if self.ridge is not None:
            return self.ridge.covariance()
        if self.prior:
            amount = self.prior.amount(2)
            return np.eye(len(self.prior.directions)) * max(amount.strength, LEAST) * amount.noise**2
        if self.scaler is None:
            return np.zeros((1, 1))
        wide = len(self.scaler.mean)
        return np.eye(wide) * (0.0 if self.estimator == "giaa" else SPREAD**2 / wide)

    def open_share(self, x: np.ndarray) -> float:
        """Share in [0, 1] of the variance of rows (m, D) around their mean, as it was before any rating, that is
        left.
        """
        if self.ridge is None:
            return 1.0
        slopes = self.slopes(x)
        return self.ridge.open_share(slopes - slopes.mean(axis=0))

    def add(self, row: np.ndarray, liking: float, expected: float | None = None) -> bool:
        """One rating more; see :meth:`Ridge.add`. False where the person is to be fitted anew: at 2 ratings, where
        ``auto`` changes its estimator, and where as many ratings allow a stronger taste.
        """
        n = len(self) + 1
        changes = n == 2 or (self.asked == "auto" and self.population is None and n == FEW)
        if self.prior:
            changes = changes or self.prior.amount(n) != self.prior.amount(n - 1)
        self.x, self.y = np.vstack([self.x, row]), np.append(self.y, liking)
        if self.ridge is None or changes:
            return not changes
        everybody = float(self.general(row[None])[0]) if expected is None else expected
        self.ridge.add(self._seen(row[None])[0], liking - everybody if self.prior else liking)
        return True

    def __len__(self) -> int:
        return len(self.y)
