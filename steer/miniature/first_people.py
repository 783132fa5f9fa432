"""The people of world 1: mostly main effects, so a few phrases settle a taste.

Tastes share a low-dimensional structure (traits, weakly tied to demographics) plus what is only theirs, and everybody
shares a little of one common taste.
"""

from __future__ import annotations

import numpy as np

from steer.miniature.person import AGES, GENDERS, NATIONALITIES, SimulatedPerson
from steer.miniature.world import ATTRIBUTES

N_TRAITS = 6
# How much of taste each attribute carries.
STRENGTH = {"subject": 0.35, "place": 0.8, "light": 1.0, "style": 1.2, "framing": 0.7, "position": 0.35}
COMMON, TRAIT, OWN = 0.45, 0.75, 0.5  # of the common taste, of traits, of one's own
PAIRS = (("style", "light"), ("place", "light"), ("style", "framing"))
PAIR_STRENGTH = 0.45


def first_people(n: int, seed: int) -> dict[str, SimulatedPerson]:
    """The people u1 ... un. The first of them are the same for any ``n``."""
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
