"""Judging texts before they are drawn, by the features that their pictures would have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reward_models.encoders.imagination import TextToPicture
from reward_models.encoders.texts import TextMemory
from reward_models.pamela.reading import PamelaReading
from reward_models.protocols import Imagination


class PamelaImagination(Imagination):
    """``imagined``: from features of a text to those of its picture."""

    def __init__(self, imagined: TextToPicture, texts: TextMemory):
        self.imagined, self.texts = imagined, texts

    def read(self, texts: Sequence[str]) -> PamelaReading:
        """The reading of n texts, each as its own prompt."""
        features = self.texts.features(texts).cpu()
        nothing = np.full(len(texts), np.nan)
        readable: np.ndarray = np.ones(len(texts), dtype=bool)
        return PamelaReading(self.imagined.pictures(features), features, readable, nothing, self.imagined.error)
