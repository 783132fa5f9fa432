"""Judges of pictures that know nobody in particular, by name.

A scorer of another package is found by an entry point of the group ``reward_models.scorers``, or after ``SCORERS.add``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from PIL import Image

from reward_models.base import RewardError
from reward_models.registry import Registry, UnknownName

KINDS = {
    "classifier": "reward_models.scorers.classifier:ClassifierScorer",
    "clip": "reward_models.scorers.clip:ClipScorer",
    "clip-mlp": "reward_models.scorers.clip:ClipMlpScorer",
    "blip": "reward_models.scorers.blip:BlipScorer",
    "levels": "reward_models.prompted.levels:LevelsScorer",
    "hpsv3": "reward_models.scorers.hpsv3:Hpsv3Scorer",
}
SCORERS = Registry("scorer", "reward_models.scorers", KINDS)


class Scorer(Protocol):
    """Higher is better, on any scale."""

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> np.ndarray:
        """Raw scores (n,); NaN for a picture that cannot be judged. The same picture scores the same in any company."""
        ...

    def fingerprint(self) -> str:
        """Changes whenever scores would."""
        ...


def takes_device(kind: str) -> bool:
    """Whether a kind of scorer is told where it runs, by ``device``: all that come with this package are."""
    return kind in KINDS


def load_scorer(kind: str, **settings: Any) -> Scorer:
    """A scorer by kind. Raises RewardError for an unknown kind or settings that it does not take."""
    try:
        factory = SCORERS.load(kind)
    except UnknownName as error:
        raise RewardError(str(error)) from error
    try:
        found: Scorer = factory(**settings)
    except TypeError as error:
        raise RewardError(f"the scorer '{kind}' does not take these settings: {error}") from error
    return found
