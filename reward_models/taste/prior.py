"""How people differ from the crowd: what is expected of somebody before, and after, their own ratings.

Shapes: n ratings, D features, F directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reward_models.taste.ridge import Ridge, Scaler
from reward_models.taste.scale import Scale

NOISE = 0.16  # standard deviation of a rating, of [0, 1], where nobody else tells
FREEDOM = 12.0  # ratings that the others' noise counts as in somebody's own
MOST_DIRECTIONS = 128


@dataclass(frozen=True)
class Amount:
    """From so many ``ratings`` on: ``strength``, variance of taste over that of noise, and ``noise``, standard
    deviation of a rating of a new picture around crowd, level and taste.
    """

    ratings: int
    strength: float
    noise: float = NOISE


# Where nobody else tells: small, as it gained on every set of real ratings that we have, if little.
CAREFUL = (Amount(1, 0.08), Amount(15, 0.16), Amount(50, 0.32), Amount(150, 0.64))


@dataclass(frozen=True)
class TastePrior:
    """``directions`` (F, D) of scaled rows: the product of two pictures along them is how alike a person's taste finds
    them, 1 for a typical picture with itself.

    ``amounts``: by number of ratings, as it was worth most for others with as many. ``rated``: standard deviation of a
    rating of a picture whose mean by others is known.
    """

    scale: Scale
    directions: np.ndarray
    amounts: tuple[Amount, ...] = CAREFUL
    rated: float = NOISE

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Pictures (n, D) along the directions, (n, F)."""
        return self.scale(x) @ self.directions.T

    def amount(self, n: int) -> Amount:
        """For somebody with n ratings."""
        found = [a for a in self.amounts if a.ratings <= n]
        return found[-1] if found else Amount(0, 0.0, self.amounts[0].noise)

    @property
    def noise(self) -> float:
        """Of somebody who rated much; see :class:`Amount`."""
        return self.amounts[-1].noise

    def ridge(self, x: np.ndarray, deviations: np.ndarray) -> Ridge:
        """The posterior of a person with n >= 2 ratings of pictures (n, D), ``deviations`` (n,) from the crowd's real
        mean where that is known. Their level is left free, so one rating says nothing about taste.

        The noise is the others', corrected by how well the person's own ratings follow the model.
        """
        amount, features = self.amount(len(x)), self(x)
        plain = Scaler(np.zeros(features.shape[1]), np.ones(features.shape[1]))
        penalty = [1 / max(amount.strength, 1e-9)]
        own = Ridge(features, deviations, penalty, plain)
        noise = amount.noise * float(self.relative_noise(own.own_noise, len(x)))
        return Ridge(features, deviations, penalty, plain, noise=noise)

    def relative_noise(self, own: float | np.ndarray, n: int | np.ndarray) -> np.ndarray:
        """A person's noise over the others', from its estimate ``own`` on n ratings: the others' counts as ``FREEDOM``
        ratings.
        """
        free = np.asarray(n) - 1
        found: np.ndarray = np.sqrt((FREEDOM + free * (np.asarray(own) / self.rated) ** 2) / (FREEDOM + free))
        return found

    @classmethod
    def even(cls, x: np.ndarray) -> TastePrior:
        """No direction in particular: as typical pictures (P, D) vary, without other people's ratings."""
        scale = Scale.of(x)
        return cls(scale, unit(leading(scale(x)), scale(x)))


def leading(z: np.ndarray, most: int = MOST_DIRECTIONS) -> np.ndarray:
    """The principal directions (F, D) of scaled rows (P, D)."""
    _, values, directions = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)
    kept = (values > 1e-6 * values[0]).sum() if len(values) else 0
    found: np.ndarray = directions[: min(most, int(kept))]
    return found


def unit(directions: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Directions (F, D) of such a length that a typical row of ``z`` (P, D) has the mean square 1 along them."""
    along = (z - z.mean(axis=0)) @ directions.T
    return directions / np.sqrt(max(float((along**2).sum(axis=1).mean()), 1e-12))
