"""What Linear-Hidden keeps of pictures: the hidden states of the VLM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reward_models.protocols import Reading


@dataclass(frozen=True)
class HiddenReading(Reading):
    """``x``: features (n, D) in double precision; ``readable`` (n,): which pictures opened; ``fidelity`` (n,).

    ``error``: of imagined pictures, the standard deviation of their liking around that of the real ones; None for real
    pictures.
    """

    x: np.ndarray
    readable: np.ndarray
    fidelity: np.ndarray
    error: float | None = None

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, index: Sequence[int]) -> HiddenReading:
        """Some of the pictures."""
        at = list(index)
        return HiddenReading(self.x[at], self.readable[at], self.fidelity[at], self.error)

    def features(self) -> np.ndarray:
        """The hidden states, (n, D)."""
        return self.x
