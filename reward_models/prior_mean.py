"""A liking to begin with, before any rating: another reward's answer from what is said of a person.

A family that learns people from ratings may take one and learn only what differs from it: with a prior mean m and its
own answer for nobody in particular f0, it fits ratings minus (m - f0) and adds (m - f0) to what it predicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from PIL import Image

from reward_models.base import Person
from reward_models.protocols import RewardModel


class PriorMean(Protocol):
    """What a person likes, as far as their card tells."""

    def likings(self, images: Sequence[Image.Image], person: Person) -> np.ndarray:
        """(n,) in [0, 1], NaN for a picture that does not open. The person's id is not looked at."""
        ...


class RewardAsPrior(PriorMean):
    """Any reward that judges people from their demographics and profile, such as P-MLLM."""

    def __init__(self, reward: RewardModel):
        self.reward = reward

    def likings(self, images: Sequence[Image.Image], person: Person) -> np.ndarray:
        """See the protocol."""
        unknown = Person(None, person.demographics, person.profile)
        return self.reward.score(images, [""] * len(images), unknown).personal


def offsets(prior: np.ndarray, general: np.ndarray) -> np.ndarray:
    """M - f0 (n,), 0 where the prior has no answer: ``prior`` m and ``general`` f0, both (n,) in [0, 1]."""
    found: np.ndarray = np.where(np.isnan(prior), 0.0, prior - general)
    return found
