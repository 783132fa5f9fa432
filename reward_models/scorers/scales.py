"""Scores on one scale, and their weighted mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.special import ndtr

from reward_models.base import RewardError

if TYPE_CHECKING:
    pass

COMPONENTS = ("personal", "population", "fidelity")


class Scale(Protocol):
    """Raw scores to [0, 1], each by itself."""

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """(n,) to (n,)."""
        ...


@dataclass(frozen=True)
class Linear:
    """``low`` to 0, ``high`` to 1, what lies outside is cut."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise RewardError(f"invalid scale {self.low:g}..{self.high:g}: the upper bound must be larger")

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """(n,) to (n,) in [0, 1]."""
        return np.clip((raw - self.low) / (self.high - self.low), 0, 1)


@dataclass(frozen=True)
class Gaussian:
    """The share of reference pictures that score less, were their scores normal: Phi((raw - mean) / std)."""

    mean: float
    std: float

    def __post_init__(self) -> None:
        if not self.std > 0:
            raise RewardError(f"the standard deviation of a scale is {self.std:g}; it must be above 0")

    @classmethod
    def of(cls, raw: np.ndarray) -> Gaussian:
        """The scale on which these reference scores (n,) have mean .5; NaN are left out."""
        return cls(float(np.nanmean(raw)), float(np.nanstd(raw)))

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """(n,) to (n,) in [0, 1]."""
        return ndtr((raw - self.mean) / self.std)


def weighted(weights: Mapping[str, float], **components: np.ndarray | float) -> np.ndarray:
    """sum_k w_k c_k / sum_k |w_k|, (n,) of components (n,) each; a component of weight 0 is not looked at.

    With weights of one sign the result is in [0, 1]; a negative weight steers away. Raises RewardError for a weight
    without a component, or when no weight is left.

    >>> float(weighted({"personal": 1.0, "fidelity": 1.0}, personal=0.75, fidelity=0.25))
    0.5
    """
    used = {name: w for name, w in weights.items() if w}
    if missing := sorted(set(used) - set(components)):
        raise RewardError(f"there is no component {missing[0]!r}; known: {', '.join(components)}")
    if not used:
        raise RewardError("all weights of the mixed reward are 0")
    total = sum(w * np.asarray(components[name], dtype=float) for name, w in used.items())
    return np.asarray(total / sum(abs(w) for w in used.values()))
