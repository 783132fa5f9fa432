"""Features brought to one scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scale:
    """``centre`` and ``factor`` (D,): brings features to one variance and rows to a mean square length of 1.

    Hidden states have a few features that are larger than all others together and say nothing of a picture.
    """

    centre: np.ndarray
    factor: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Scale:
        """Of typical pictures (P, D). A feature that never varies counts nothing: its factor is 0."""
        x = np.asarray(x, np.float64)
        spread = x.std(axis=0)
        varies = spread > max(1e-6 * float(spread.max(initial=0.0)), 1e-12)
        factor = np.where(varies, 1 / np.where(varies, spread, 1.0), 0.0)
        return cls(x.mean(axis=0), factor / np.sqrt(max(1, varies.sum())))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Rows (m, D), centred and scaled."""
        return (np.asarray(x, np.float64) - self.centre) * self.factor
