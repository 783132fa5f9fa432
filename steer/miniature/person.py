"""One simulated person: what they like, and how they rate.

A person looks at a picture through an eye (probabilities p_a per attribute a) and feels

    u = sum_a p_a . m_a  +  sum_ab p_a' I_ab p_b  +  sum_abc I_abc p_a p_b p_c      main effects, interactions
        + t log(mean over looks of exp(p . look / t))                               either of two moods
    satisfaction = sigmoid(bias + spread * u) * product of (1 - strength * p_value)  vetoes

The satisfaction, in [0, 1], is the truth. A rating is 1 + 4 satisfaction + noise, which is what a data set holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

NOISE = 0.45  # points on the 1-5 scale, standard deviation of one rating
SHARPNESS = 0.2  # t above: the smaller, the less the worse of two looks counts

AGES = ("18-29", "30-39", "40-49", "50+")
GENDERS = ("female", "male", "other")
NATIONALITIES = ("British", "German", "Indian", "Japanese", "Mexican", "Nigerian", "Polish", "South African")


@dataclass(frozen=True)
class Veto:
    """A value that spoils a picture whatever else it shows: the share ``strength`` of the liking is lost."""

    attribute: str
    index: int
    strength: float


@dataclass(frozen=True)
class SimulatedPerson:
    """One rater; ``main[a]`` is (classes,), ``pairs[(a, b)]`` is (classes a, classes b), and so on.

    ``traits``: what the person shares with others, each about normal with standard deviation 1. ``moods``: looks, each
    a value per class of some attributes, any of which pleases.
    """

    id: str
    demographics: dict[str, str]
    traits: np.ndarray
    main: dict[str, np.ndarray]
    pairs: dict[tuple[str, str], np.ndarray]
    bias: float
    spread: float
    triples: dict[tuple[str, str, str], np.ndarray] = field(default_factory=dict)
    moods: tuple[dict[str, np.ndarray], ...] = ()
    vetoes: tuple[Veto, ...] = ()

    def satisfaction(self, read: dict[str, np.ndarray]) -> np.ndarray:
        """True liking (n,) in [0, 1] of pictures read as probabilities (n, classes)."""
        u = sum(read[a] @ m for a, m in self.main.items())
        u = u + sum(np.einsum("ni,ij,nj->n", read[a], m, read[b]) for (a, b), m in self.pairs.items())
        for (a, b, c), table in self.triples.items():
            u = u + np.einsum("nij,ni,nj->n", np.tensordot(read[a], table, 1), read[b], read[c])
        if self.moods:
            felt = np.stack([sum(read[a] @ m for a, m in look.items()) for look in self.moods])
            u = u + SHARPNESS * np.log(np.exp(felt / SHARPNESS).mean(0))
        liking = 1 / (1 + np.exp(-(self.bias + self.spread * u)))
        for veto in self.vetoes:
            liking = liking * (1 - veto.strength * read[veto.attribute][:, veto.index])
        return liking

    def rate(self, satisfaction: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Noisy ratings (n,) on the continuous 1-5 slider."""
        return np.clip(1 + 4 * satisfaction + NOISE * rng.normal(size=satisfaction.shape), 1, 5)
