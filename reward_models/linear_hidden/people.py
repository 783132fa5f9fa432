"""One person's estimator, in every form of the paper and ours. Shapes: n ratings, D features, A attributes, m queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from reward_models.base import RewardError
from reward_models.linear_hidden.ridge import Ridge, Scaler

Estimator = Literal["auto", "direct", "residual", "giaa", "reduce"]
FEW = 50  # ratings below which a person is a difference from everybody
MARGIN = 0.125  # of [0, 1], half a point of 1-5: how far beyond the person's own ratings an answer may lie

Function = Callable[[np.ndarray], np.ndarray]


class PersonModel:
    """Fitted to rows ``x`` (n, D) and likings ``y`` (n,) in [0, 1].

    ``direct``    a ridge on the person's likings
    ``residual``  a ridge on their difference from the ``general`` score of the same pictures
    ``giaa``      the general score itself: nothing of the person
    ``reduce``    a ridge on the ``attributes`` of the pictures, (A,) each
    ``auto``      residual below ``FEW`` ratings, else direct

    ``scaler``: see :class:`~reward_models.linear_hidden.ridge.Ridge`. Raises RewardError for fewer than 2 ratings, but of ``giaa``.
    """

    def __init__(
        self, x: np.ndarray, y: np.ndarray, general: Function, estimator: Estimator = "auto", alphas: str | Sequence[float] = "wide",
        attributes: Function | None = None, scaler: Scaler | None = None,
    ):  # fmt: skip
        if len(y) < 2 and estimator != "giaa":
            raise RewardError(f"a person needs at least 2 ratings, not {len(y)}")
        if estimator == "reduce" and attributes is None:
            raise RewardError("the estimator 'reduce' needs a map to attributes")
        self.asked, self.general, self.attributes = estimator, general, attributes
        self.estimator = ("residual" if len(y) < FEW else "direct") if estimator == "auto" else estimator
        self.ridge: Ridge | None = None
        if self.estimator != "giaa":
            target = y - general(x) if self.estimator == "residual" else y
            self.ridge = Ridge(self._seen(x), target, alphas, None if self.estimator == "reduce" else scaler)
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
        own = self.ridge(self._seen(x))
        return own + self.general(x) if self.estimator == "residual" else own

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Likings (m,), kept in [0, 1] and within ``MARGIN`` of the person's own ratings: a line has no end of its own."""
        return np.clip(self.raw(x), max(0.0, self.low - MARGIN), min(1.0, self.high + MARGIN))

    def outside(self, x: np.ndarray) -> np.ndarray:
        """Which rows (m,) the bounds of :meth:`__call__` have cut."""
        return np.abs(self(x) - self.raw(x)) > 1e-9

    def uncertainty(self, x: np.ndarray) -> np.ndarray:
        """Standard deviation of the liking (m,); 0 for ``giaa``, which does not say."""
        return np.zeros(len(x)) if self.ridge is None else self.ridge.uncertainty(self._seen(x))

    def add(self, row: np.ndarray, liking: float) -> None:
        """One rating more; see :meth:`Ridge.add`. A person of ``auto`` whose number of ratings reaches ``FEW`` is fitted anew by the caller."""
        if self.ridge is None:
            return
        target = liking - float(self.general(row[None])[0]) if self.estimator == "residual" else liking
        self.ridge.add(self._seen(row[None])[0], target)
        self.low, self.high = min(self.low, liking), max(self.high, liking)

    def __len__(self) -> int:
        return 0 if self.ridge is None else len(self.ridge)
