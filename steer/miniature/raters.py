"""Simulated people: a hidden taste over attributes, demographics, a personal scale, noise.

Their taste is a known function, so steering can be checked against the truth. A person looks
at a picture through an eye (probabilities per attribute) and feels

    u = sum_a p_a . m_a  +  sum_(a,b) p_a' I_ab p_b           main effects and interactions
    satisfaction = sigmoid(bias + spread * u)                  in [0, 1], the truth
    rating = 1 + 4 satisfaction + noise                        what the data set holds

Tastes share a low-dimensional structure (``N_TRAITS`` traits, weakly tied to demographics)
plus what is only theirs, and everybody shares a little of one common taste.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from steer.miniature.world import ATTRIBUTES

N_PEOPLE = 200
N_TRAITS = 6
NOISE = 0.45  # points on the 1-5 scale, standard deviation of one rating
SEED = 20260407

# How much of taste each attribute carries.
STRENGTH = {"subject": 0.35, "place": 0.8, "light": 1.0, "style": 1.2, "framing": 0.7, "position": 0.35}
COMMON, TRAIT, OWN = 0.45, 0.75, 0.5  # of the common taste, of traits, of one's own
PAIRS = (("style", "light"), ("place", "light"), ("style", "framing"))
PAIR_STRENGTH = 0.45

AGES = ("18-29", "30-39", "40-49", "50+")
GENDERS = ("female", "male", "other")
NATIONALITIES = ("British", "German", "Indian", "Japanese", "Mexican", "Nigerian", "Polish", "South African")


@dataclass(frozen=True)
class SimulatedPerson:
    """One rater; ``main[a]`` is (classes,), ``pairs[(a, b)]`` is (classes a, classes b).

    ``traits``: (N_TRAITS,), what the person shares with others, about normal with standard deviation 1.
    """

    id: str
    demographics: dict[str, str]
    traits: np.ndarray
    main: dict[str, np.ndarray]
    pairs: dict[tuple[str, str], np.ndarray]
    bias: float
    spread: float

    def satisfaction(self, read: dict[str, np.ndarray]) -> np.ndarray:
        """True liking (n,) in [0, 1] of pictures read as probabilities (n, classes)."""
        u = sum(read[a] @ m for a, m in self.main.items())
        u = u + sum(np.einsum("ni,ij,nj->n", read[a], m, read[b]) for (a, b), m in self.pairs.items())
        return 1 / (1 + np.exp(-(self.bias + self.spread * u)))

    def rate(self, satisfaction: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Noisy ratings (n,) on the continuous 1-5 slider."""
        return np.clip(1 + 4 * satisfaction + NOISE * rng.normal(size=satisfaction.shape), 1, 5)


@cache
def simulated_people(n: int = N_PEOPLE, seed: int = SEED) -> dict[str, SimulatedPerson]:
    """The people u1 ... un, the same for everybody."""
    rng = np.random.default_rng(seed)
    sizes = {a: len(v) for a, v in ATTRIBUTES.items()}
    common = {a: rng.normal(size=k) for a, k in sizes.items()}
    traits = {a: rng.normal(size=(N_TRAITS, k)) / np.sqrt(N_TRAITS) for a, k in sizes.items()}
    pair_traits = {p: rng.normal(size=(N_TRAITS, sizes[p[0]], sizes[p[1]])) / np.sqrt(N_TRAITS) for p in PAIRS}
    of_age, of_gender = rng.normal(size=(len(AGES), N_TRAITS)), rng.normal(size=(len(GENDERS), N_TRAITS))
    of_nation = rng.normal(size=(len(NATIONALITIES), N_TRAITS))
    people = {}
    for i in range(1, n + 1):
        age, gender = rng.integers(len(AGES)), rng.choice(len(GENDERS), p=(0.48, 0.48, 0.04))
        nation = rng.integers(len(NATIONALITIES))
        z = 0.35 * (of_age[age] + of_gender[gender] + of_nation[nation]) + 0.8 * rng.normal(size=N_TRAITS)
        main, pairs = {}, {}
        for a, k in sizes.items():
            taste = COMMON * common[a] + TRAIT * z @ traits[a] + OWN * rng.normal(size=k)
            main[a] = STRENGTH[a] * (taste - taste.mean())
        for p in PAIRS:
            taste = TRAIT * np.tensordot(z, pair_traits[p], 1) + OWN * rng.normal(size=pair_traits[p].shape[1:])
            pairs[p] = PAIR_STRENGTH * (taste - taste.mean())
        people[f"u{i}"] = SimulatedPerson(
            f"u{i}",
            {"age_binned": AGES[age], "gender": GENDERS[gender], "nationality": NATIONALITIES[nation]},
            z,
            main,
            pairs,
            bias=float(-0.15 + 0.35 * rng.normal()),
            spread=float(np.exp(-0.35 + 0.25 * rng.normal())),
        )
    return people
