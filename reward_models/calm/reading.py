"""What CALM keeps of pictures. Shapes: n pictures, P tokens, D width of the language model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reward_models.base import RewardError
from reward_models.protocols import Reading, Seen


@dataclass(frozen=True, eq=False)
class Read:
    """One picture. ``tokens`` (P, D) in half precision, None for one that does not open. ``liking`` and ``spread``:
    everybody's score and its standard deviation. ``fidelity``: NaN where no encoder tells.
    """

    tokens: Tensor | None = None
    liking: float = math.nan
    spread: float = math.nan
    fidelity: float = math.nan

    def bytes(self) -> bytes:
        """What is kept of it, in half precision."""
        assert self.tokens is not None
        scores = np.array([self.liking, self.spread], dtype=np.float16)
        return scores.tobytes() + self.tokens.numpy().tobytes()

    @classmethod
    def of(cls, seen: Seen, shape: tuple[int, int]) -> Read:
        """The reverse of :meth:`bytes`; ``shape`` is (P, D). Raises RewardError for bytes of another length, ValueError
        for what are no numbers.
        """
        values = 2 + shape[0] * shape[1]
        if len(seen.kept) != 2 * values:
            raise RewardError(f"a kept picture has {len(seen.kept) // 2} numbers, not {values}; keep it again")
        numbers = np.frombuffer(seen.kept, dtype=np.float16)
        if not np.isfinite(numbers).all():
            raise ValueError("a kept picture has values that are no numbers")
        tokens = torch.from_numpy(numbers[2:].copy()).unflatten(0, shape)
        return cls(tokens, float(np.clip(numbers[0], 0, 1)), float(max(numbers[1], 0)))


@dataclass(frozen=True)
class CalmReading(Reading):
    """Pictures as tokens, with everybody's scores."""

    pictures: list[Read]

    def __len__(self) -> int:
        return len(self.pictures)

    def rows(self, index: Sequence[int]) -> CalmReading:
        """Some of the pictures."""
        return CalmReading([self.pictures[i] for i in index])

    def features(self) -> np.ndarray:
        """The mean of each picture's tokens (n, D); zeros for one that does not open."""
        found = [None if p.tokens is None else p.tokens.float().mean(0).double().numpy() for p in self.pictures]
        width = next((len(row) for row in found if row is not None), 0)
        rows = [np.zeros(width) if row is None else row for row in found]
        return np.stack(rows) if rows else np.zeros((0, width))

    def column(self, name: str) -> np.ndarray:
        """``liking``, ``spread`` or ``fidelity`` of all (n,)."""
        return np.array([{"liking": p.liking, "spread": p.spread, "fidelity": p.fidelity}[name] for p in self.pictures])
