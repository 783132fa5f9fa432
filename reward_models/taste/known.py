"""What others make of pictures that they have rated, and such pictures found again by their features.

Shapes: P pictures, R ratings, n rows, D features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reward_models.taste.scale import Scale

SAME = 1e-3  # squared distance, where a typical picture has length 1, below which two pictures are one
NONE = -1


@dataclass(frozen=True)
class PictureMeans:
    """``mean`` (P,) of the ratings of a picture, people's levels taken off, and how many they are, ``count`` (P,).

    ``level``: the mean of all ratings; ``noise``: standard deviation of ratings around their picture's mean.
    """

    mean: np.ndarray
    count: np.ndarray
    level: float
    noise: float

    @classmethod
    def of(cls, pictures: int, picture: np.ndarray, person: np.ndarray, liking: np.ndarray) -> PictureMeans:
        """From ratings (R,) of so many pictures."""
        if not len(liking):
            return cls(np.zeros(pictures), np.zeros(pictures), 0.5, 1.0)
        _, who = np.unique(person, return_inverse=True)
        level = float(liking.mean())
        apart = liking - (np.bincount(who, liking) / np.bincount(who))[who] + level
        count = np.bincount(picture, minlength=pictures)
        mean = np.bincount(picture, apart, pictures) / np.maximum(count, 1)
        free = max(1, len(liking) - int((count > 0).sum()))
        noise = float(np.sqrt(((apart - mean[picture]) ** 2).sum() / free))
        return cls(np.where(count > 0, mean, level), count, level, noise)

    @property
    def rated(self) -> np.ndarray:
        """The pictures that have ratings."""
        return np.flatnonzero(self.count)

    def effect(self, answers: np.ndarray) -> float:
        """Standard deviation of what ``answers`` (P,) miss of the means, beyond the noise of the means."""
        at = self.rated
        missed = np.mean((self.mean[at] - answers[at]) ** 2) - np.mean(self.noise**2 / self.count[at])
        return float(np.sqrt(max(missed, 1e-6)))

    def expected(
        self, answers: np.ndarray, picture: np.ndarray, effect: float, own: np.ndarray | None = None
    ) -> np.ndarray:
        """What the others make of pictures (n,): between ``answers`` (n,) of the crowd, which are all there is of a
        picture without ratings, and the mean, by how many rated it. ``own`` (n,): ratings less their person's level
        that are in the means and are taken out of them.
        """
        mean, count = self.mean[picture], self.count[picture]
        if own is not None:
            mean = np.where(count > 1, (count * mean - own) / np.maximum(count - 1, 1), mean)
            count = count - 1
        weight = np.where(count > 0, effect**2 / (effect**2 + self.noise**2 / np.maximum(count, 1)), 0.0)
        return answers + weight * (mean - answers)


class KnownPictures:
    """Features ``x`` (P, D) among which rows are found again, wherever they were computed."""

    def __init__(self, x: np.ndarray):
        self.x = x

    @cached_property
    def _scaled(self) -> tuple[Scale, np.ndarray]:
        scale = Scale.of(self.x)
        return scale, scale(self.x)

    def find(self, x: np.ndarray) -> np.ndarray:
        """Which picture each row (n, D) is, ``NONE`` for a new one, (n,)."""
        if not len(self.x) or not len(x):
            return np.full(len(x), NONE)
        scale, known = self._scaled
        rows = scale(x)
        square = (rows**2).sum(1)[:, None] + (known**2).sum(1) - 2 * rows @ known.T
        nearest = square.argmin(axis=1)
        return np.where(square[np.arange(len(x)), nearest] < SAME, nearest, NONE)
