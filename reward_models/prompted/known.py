"""A person as the prompted reward knows them: a card, and what their ratings add to the model's answers.

Shapes: n ratings or queries, L levels, D features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reward_models.prompted.correction import Correction, Prior, log_evidence
from reward_models.taste.scale import Scale

TEMPERATURES = np.exp(np.linspace(-1.5, 3, 19))  # the highest all but ignores the model's answers
SPREAD = 1.0  # of the logarithm of a model's temperature, before any rating
MOST = 100  # ratings that decide the temperature


@dataclass(frozen=True)
class Known:
    """``temperature``: 1 leaves the model's probabilities as they are. ``correction``: None without ratings."""

    card: str = ""
    temperature: float = 1.0
    correction: Correction | None = None

    @classmethod
    def of(cls, card: str, x: np.ndarray, p: np.ndarray, y: np.ndarray, scale: Scale, prior: Prior) -> Known:
        """From the person's ratings ``y`` (n,) in [0, 1], the model's probabilities ``p`` (n, L) and the features ``x``
        (n, D) of the same pictures.
        """
        if not len(y):
            return cls(card)
        temperature = calibrated(x[-MOST:], p[-MOST:], y[-MOST:], scale, prior)
        return cls(card, temperature, Correction(x, y - likings(p, temperature), scale, prior))

    @property
    def share(self) -> float:
        """How far answers rely on the person's ratings, in [0, 1]."""
        return self.correction.share if self.correction else 0.0


def likings(p: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Expected levels (n,) in [0, 1] of probabilities (n, L) at a temperature; NaN rows stay NaN."""
    return _tempered(p, temperature) @ _levels(p)


def spreads(p: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Standard deviations (n,) of the levels."""
    q, at = _tempered(p, temperature), _levels(p)
    return np.sqrt((q * (at - (q @ at)[:, None]) ** 2).sum(axis=1))


def calibrated(x: np.ndarray, p: np.ndarray, y: np.ndarray, scale: Scale, prior: Prior) -> float:
    """The temperature of the model's answers that explains the ratings best, together with what the features explain:
    the maximum a posteriori on a grid. Where ratings contradict the answers it is high, and they say little.
    """
    found = [log_evidence(scale(x), y - likings(p, t), prior) - np.log(t) ** 2 / (2 * SPREAD**2) for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmax(found))])


def _tempered(p: np.ndarray, temperature: float) -> np.ndarray:
    raised = np.maximum(p, 1e-9) ** (1 / temperature)
    return np.where(np.isnan(p), np.nan, raised / raised.sum(axis=1, keepdims=True))


def _levels(p: np.ndarray) -> np.ndarray:
    return np.linspace(0, 1, p.shape[1])
