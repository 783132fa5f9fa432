"""Who a run steers for: one person, several, and perhaps away from someone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from reward_models import Person, Scores

How = Literal["mean", "worst"]


@dataclass(frozen=True)
class Audience:
    """``towards``: liked by them; ``away``: not to the taste of these. Written "me,you,!him", which no single id can be."""

    towards: tuple[str, ...]
    away: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Audience:
        """From its written form; a single id is an audience of one.

        >>> Audience.parse("me,you,!him")
        Audience(towards=('me', 'you'), away=('him',))
        """
        parts = text.split(",")
        return cls(tuple(p for p in parts if not p.startswith("!")), tuple(p[1:] for p in parts if p.startswith("!")))

    def __str__(self) -> str:
        return ",".join([*self.towards, *(f"!{u}" for u in self.away)])

    @property
    def single(self) -> bool:
        return len(self.towards) == 1 and not self.away

    @property
    def everyone(self) -> list[str]:
        return [*self.towards, *self.away]


def combine(towards: np.ndarray, away: np.ndarray, how: How) -> np.ndarray:
    """Likings (U, n) and (V, n) in [0, 1] to one (n,) in [0, 1].

    The mean of ``towards``, or the least of them; with ``away`` the mean of that and of 1 - the mean liking of those.

    >>> combine(np.array([[0.8, 0.2]]), np.array([[0.4, 0.0]]), "mean")
    array([0.7, 0.6])
    """
    liked = towards.mean(0) if how == "mean" else towards.min(0)
    return (liked + 1 - away.mean(0)) / 2 if len(away) else liked


def spread(values: np.ndarray, towards: np.ndarray, away: np.ndarray, how: How) -> np.ndarray:
    """Standard deviation (n,) of :func:`combine` of likings with standard deviations (U, n) and (V, n), errors taken as apart."""
    if how == "mean":
        liked = np.sqrt((towards**2).sum(0)) / len(towards)
    else:
        liked = np.take_along_axis(towards, values.argmin(0)[None], 0)[0]
    return np.sqrt(liked**2 + (away**2).sum(0) / len(away) ** 2) / 2 if len(away) else liked


class AudienceReward:
    """A reward model for an audience: ``personal`` is what they make of a picture together."""

    def __init__(self, reward: Any, audience: Audience, how: How, person: Callable[[str], Person]):
        self.reward, self.audience, self.how = reward, audience, how
        self.name = reward.name
        self._towards = [person(u) for u in audience.towards]
        self._away = [person(u) for u in audience.away]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reward, name)

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str], person: Person) -> Scores:
        """``person`` is not looked at. Everyone's own liking is in ``others`` under "liked by ID"."""
        people = [*self._towards, *self._away]
        if hasattr(self.reward, "score_users"):
            each = self.reward.score_users(images, prompts, people)
        else:
            each = [self.reward.score(images, prompts, p) for p in people]
        personal = np.stack([s.personal for s in each])
        error = np.stack([s.uncertainty for s in each])
        k = len(self._towards)
        names = self.audience.everyone
        return Scores(
            combine(personal[:k], personal[k:], self.how),
            each[0].population,
            each[0].fidelity,
            spread(personal[:k], error[:k], error[k:], self.how),
            {**each[0].others, **{f"liked by {u}": s.personal for u, s in zip(names, each, strict=True)}},
        )

    def score_text_features(self, features: Any, person: Person) -> tuple[np.ndarray, np.ndarray]:
        """As the reward's, together."""
        each = [self.reward.score_text_features(features, p) for p in [*self._towards, *self._away]]
        liking, error = (np.stack([e[i] for e in each]) for i in (0, 1))
        k = len(self._towards)
        return combine(liking[:k], liking[k:], self.how), spread(liking[:k], error[:k], error[k:], self.how)
