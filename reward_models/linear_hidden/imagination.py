"""Judging texts before they are drawn: the hidden states that their pictures would have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reward_models.encoders.imagination import TextToPicture
from reward_models.encoders.texts import TextMemory
from reward_models.linear_hidden.reading import HiddenReading
from reward_models.protocols import Imagination


class HiddenImagination(Imagination):
    """``imagined``: from a text's features of the image-text encoder to the hidden states of its picture."""

    def __init__(self, imagined: TextToPicture, texts: TextMemory):
        self.imagined, self.texts = imagined, texts

    def read(self, texts: Sequence[str]) -> HiddenReading:
        """The reading of n texts."""
        features = self.texts.features(texts).cpu().double()
        weight, bias = self.imagined.weight.double(), self.imagined.bias.double()
        readable: np.ndarray = np.ones(len(texts), dtype=bool)
        x = (features @ weight.T + bias).numpy()
        return HiddenReading(x, readable, np.full(len(texts), np.nan), self.imagined.error)
