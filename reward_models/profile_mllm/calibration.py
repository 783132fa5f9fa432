"""From what the model answers to what people rate: a rising line with corners, fitted to people it was trained with.

Isotonic regression (Barlow et al. 1972; for probabilities, Zadrozny and Elkan 2002), made strictly rising, so that no
two pictures become equal and no ranking changes. Shapes: n ratings, K corners, L levels.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reward_models.prompted.decider import Answer

LEAST_SLOPE, LEAST_GAP = 0.02, 1e-3
CORNERS = 12


@dataclass(frozen=True)
class Calibration:
    """Corners ``x`` and ``y`` (K,) in [0, 1], rising; without any, answers stay as they are."""

    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        rising = all(b > a for values in (self.x, self.y) for a, b in itertools.pairwise(values))
        inside = all(0 <= v <= 1 for v in (*self.x, *self.y))
        if len(self.x) != len(self.y) or len(self.x) == 1 or not (rising and inside):
            raise ValueError("a calibration has rising corners in [0, 1], two or more")

    @classmethod
    def fitted(cls, answered: np.ndarray, rated: np.ndarray) -> Calibration:
        """From the model's likings (n,) and the ratings (n,) of the same pictures, both in [0, 1]."""
        from sklearn.isotonic import IsotonicRegression

        if len(answered) < 2 * CORNERS or np.ptp(answered) == 0:
            return cls()
        line = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(answered, rated)
        inner = np.clip(np.quantile(answered, np.linspace(0, 1, CORNERS)), LEAST_GAP, 1 - LEAST_GAP)
        x = np.unique(np.concatenate([[0.0], np.round(inner / LEAST_GAP) * LEAST_GAP, [1.0]]))
        y = (1 - LEAST_SLOPE) * line.predict(x) + LEAST_SLOPE * x
        return cls(tuple(np.round(x, 6).tolist()), tuple(np.round(y, 6).tolist()))

    def __call__(self, likings: np.ndarray) -> np.ndarray:
        """Of likings (n,) in [0, 1]."""
        return np.interp(likings, self.x, self.y) if self.x else np.asarray(likings)

    def answer(self, answer: Answer) -> Answer:
        """The same answer with the calibrated expected level: of all distributions that have it, the one that differs
        least from the model's (p_k exp(t k), the exponential tilting of Csiszar 1975).
        """
        if not answer.probabilities or not self.x:
            return answer
        wanted = float(self(np.array([answer.liking]))[0])
        return Answer.of(tilted(answer.probabilities, wanted), answer.off)


def tilted(p: Sequence[float], mean: float) -> list[float]:
    """Probabilities (L,) whose expected level in [0, 1] is ``mean``."""
    log, at = np.log(np.maximum(p, 1e-12)), np.linspace(0, 1, len(p))

    def at_slope(slope: float) -> np.ndarray:
        raised = np.exp((found := log + slope * at) - found.max())
        weights: np.ndarray = raised / raised.sum()
        return weights

    low, high = -200.0, 200.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if at_slope(middle) @ at < mean else (low, middle)
    return at_slope((low + high) / 2).tolist()
