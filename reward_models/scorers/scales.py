"""Mixed rewards: a weighted sum of the personal reward, the population's, fidelity and any other scorer.

    mixed = MixedReward(reward, {"quality": (load_scorer("classifier", model="some/aesthetic-model", label="good"), Linear(0, 1))})
    scores = mixed.score(images, prompts, person)
    weighted({"personal": 1.0, "quality": 0.5}, **scores.components())

Every component is brought to [0, 1] by constants that are written down, never by the pictures beside it: a
picture's mixed score is the same in any company.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image
from scipy.special import ndtr

from reward_models.base import Person, RewardError, RewardModel, Scores

if TYPE_CHECKING:
    from reward_models.scorers.classifier import Scorer

COMPONENTS = ("personal", "population", "fidelity")


class Scale(Protocol):
    """Raw scores to [0, 1], each by itself."""

    def __call__(self, raw: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Linear:
    """``low`` to 0, ``high`` to 1, what lies outside is cut."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise RewardError(f"a scale from {self.low:g} to {self.high:g} is none; the second must be the greater")

    def __call__(self, raw: np.ndarray) -> np.ndarray:
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


class MixedReward:
    """A personal reward with further scorers beside it; what they say is in ``Scores.others``, on their scales."""

    def __init__(self, reward: RewardModel, scorers: Mapping[str, tuple[Scorer, Scale]]):
        if taken := sorted(set(scorers) & {*COMPONENTS, "uncertainty"}):
            raise RewardError(f"a scorer cannot be called {taken[0]!r}; that is a component of every reward")
        self.reward, self.scorers = reward, dict(scorers)
        self.name = " + ".join([reward.name, *scorers])

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str], person: Person) -> Scores:
        """The reward's scores, and every scorer's (n,) in ``others``."""
        scores = self.reward.score(images, prompts, person)
        others = {
            name: np.asarray(scale(scorer.score(images, prompts))) for name, (scorer, scale) in self.scorers.items()
        }
        return replace(scores, others=scores.others | others)

    def fingerprint(self) -> str:
        """Of the reward, and of every scorer with its scale."""
        parts = [f"{name}={scorer.fingerprint()}/{scale}" for name, (scorer, scale) in self.scorers.items()]
        return " ".join([self.reward.fingerprint(), *parts])

    def people(self) -> list[str]:
        return self.reward.people()
