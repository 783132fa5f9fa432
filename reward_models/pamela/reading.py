"""What PAMELA keeps of pictures: the encoder's features of picture and prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from reward_models.protocols import Reading


@dataclass
class PamelaReading(Reading):
    """``pictures`` and ``texts`` (n, D); ``readable`` (n,): which pictures opened; ``fidelity`` (n,).

    ``error``: of imagined pictures, the standard deviation of their liking around that of the real ones; None for real
    pictures. ``population`` (n,): the answer for nobody in particular, once it was computed.
    """

    pictures: Tensor
    texts: Tensor
    readable: np.ndarray
    fidelity: np.ndarray
    error: float | None = None
    population: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.pictures)

    def rows(self, index: Sequence[int]) -> PamelaReading:
        """Some of the pictures."""
        at = torch.as_tensor(list(index), dtype=torch.long, device=self.pictures.device)
        some = list(index)
        return PamelaReading(
            self.pictures[at],
            self.texts[at],
            self.readable[some],
            self.fidelity[some],
            self.error,
            None if self.population is None else self.population[some],
        )

    def features(self) -> np.ndarray:
        """Of the pictures, (n, D)."""
        return self.pictures.float().cpu().numpy()
