"""Who a run steers for: one person or several, and whose taste it steers away from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reward_models import Person

How = Literal["mean", "worst"]


@dataclass(frozen=True)
class Audience:
    """Ids of the people to please (``towards``) and of those whose taste to avoid (``away``).

    Written "me,you,!him"; no user id can look like that.
    """

    towards: tuple[str, ...]
    away: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Audience:
        """Parse the written form; a single id is an audience of one.

        >>> Audience.parse("me,you,!him")
        Audience(towards=('me', 'you'), away=('him',))
        """
        parts = text.split(",")
        return cls(tuple(p for p in parts if not p.startswith("!")), tuple(p[1:] for p in parts if p.startswith("!")))

    def __str__(self) -> str:
        return ",".join([*self.towards, *(f"!{u}" for u in self.away)])

    @property
    def single(self) -> bool:
        """Whether this is one person to please and nobody to steer away from."""
        return len(self.towards) == 1 and not self.away

    @property
    def everyone(self) -> list[str]:
        """All ids, those to please first."""
        return [*self.towards, *self.away]


@dataclass(frozen=True)
class People:
    """The people of an audience as the reward model knows them, in the same order."""

    audience: Audience
    towards: tuple[Person, ...]
    away: tuple[Person, ...] = ()

    @property
    def one(self) -> Person | None:
        """The only person of a single audience, else None."""
        return self.towards[0] if self.audience.single else None


def combine(towards: np.ndarray, away: np.ndarray, how: How) -> np.ndarray:
    """Combine the likings of several people: (U, n) and (V, n), all in [0, 1], to (n,) in [0, 1].

    The mean or the minimum of ``towards``; with ``away``, the mean of that and of 1 - the mean of ``away``.

    >>> combine(np.array([[0.8, 0.2]]), np.array([[0.4, 0.0]]), "mean")
    array([0.7, 0.6])
    """
    liked = towards.mean(0) if how == "mean" else towards.min(0)
    return (liked + 1 - away.mean(0)) / 2 if len(away) else liked


def spread(values: np.ndarray, towards: np.ndarray, away: np.ndarray, how: How) -> np.ndarray:
    """Standard deviation (n,) of :func:`combine`, from standard deviations (U, n) and (V, n) of independent errors.

    ``values``: the likings (U, n), to know whose is the minimum.
    """
    if how == "mean":
        liked = np.sqrt((towards**2).sum(0)) / len(towards)
    else:
        liked = np.take_along_axis(towards, values.argmin(0)[None], 0)[0]
    return np.sqrt(liked**2 + (away**2).sum(0) / len(away) ** 2) / 2 if len(away) else liked
