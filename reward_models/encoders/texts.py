"""Texts that are read once: the guard compares them, and the imagination reads them again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reward_models.encoders.base import Encoder

MOST = 20_000  # texts remembered


class TextMemory:
    """Features of texts by one encoder, the last ``MOST`` of them remembered."""

    def __init__(self, encoder: Encoder):
        self.encoder = encoder
        self._known: dict[str, Tensor] = {}

    def features(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors (n, D)."""
        if new := [t for t in dict.fromkeys(texts) if t not in self._known]:
            self._known |= dict(zip(new, self.encoder.texts(new), strict=True))
        found = torch.stack([self._known[t] for t in texts]) if texts else torch.zeros(0, self.encoder.width)
        for old in list(self._known)[: max(0, len(self._known) - MOST)]:
            del self._known[old]
        return found
