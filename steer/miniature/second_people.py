"""The people of world 2, who are harder to please: what they like depends on what it is liked with.

Most of a taste is interactions: fog for buildings and sun for animals, and three values that are right only together.
Their tables are sums of what everybody shares, of traits (weakly tied to demographics) and of what is only theirs. Most
people have a veto, a few have two moods, and a few like nearly what everybody likes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steer.miniature.person import AGES, GENDERS, NATIONALITIES, SimulatedPerson, Veto
from steer.miniature.world import ATTRIBUTES, GROUP_OF, GROUPS

N_TRAITS = 6
Attributes = tuple[str, ...]

# Standard deviation over the values that each term gives to what a person feels.
MAIN: dict[Attributes, float] = {
    ("subject",): 0.35,
    ("place",): 0.5,
    ("light",): 0.55,
    ("style",): 0.7,
    ("framing",): 0.4,
    ("position",): 0.3,
}
PAIRS: dict[Attributes, float] = {
    ("subject", "light"): 0.5,
    ("subject", "style"): 0.5,
    ("subject", "place"): 0.3,
    ("place", "light"): 0.35,
    ("style", "light"): 0.35,
    ("style", "framing"): 0.35,
    ("framing", "position"): 0.25,
}
TRIPLES: dict[Attributes, float] = {
    ("subject", "light", "style"): 0.3,
    ("place", "light", "style"): 0.25,
    ("light", "style", "framing"): 0.25,
}
# Shares of a term's variance: of the taste of all, of traits, of one's own. The more values a term has, the less of it
# is one's own: nobody could learn it from a few hundred ratings.
SHARES = {1: (0.2, 0.5, 0.3), 2: (0.25, 0.55, 0.2), 3: (0.3, 0.6, 0.1)}
NEAR_EVERYBODY = 0.12  # share of the people whose taste is nearly that of all
TWO_MOODS = 0.12
VETOES = (0.35, 0.45, 0.2)  # of the people have none, one, two
SPOILED = 0.8  # share of the liking that a veto takes
VETOED = ("place", "light", "style", "framing")
MOOD = 0.9  # what each of the values of a look adds; any other value takes it
BIAS, SPREAD = -0.9, 1.4
PER_TRAIT = 0.35  # weight of demographics in a trait; they and the rest have a variance of about 1


@dataclass(frozen=True)
class _Shared:
    """What people have in common, by term: the taste of all (values...), and of each trait (N_TRAITS, values...)."""

    everybody: dict[Attributes, np.ndarray]
    traits: dict[Attributes, np.ndarray]
    of_age: np.ndarray  # (ages, N_TRAITS), and so on
    of_gender: np.ndarray
    of_nation: np.ndarray


def second_people(n: int, seed: int) -> dict[str, SimulatedPerson]:
    """The people u1 ... un. Each is drawn from a stream of its own, so they are the same for any ``n``."""
    shared = _shared(np.random.default_rng((seed, 2)))
    return {f"u{i}": _person(i, shared, np.random.default_rng((seed, 2, i))) for i in range(1, n + 1)}


def _shared(rng: np.random.Generator) -> _Shared:
    terms = [*MAIN, *PAIRS, *TRIPLES]
    return _Shared(
        {term: _table(rng, term) for term in terms},
        {term: np.stack([_table(rng, term) for _ in range(N_TRAITS)]) / np.sqrt(N_TRAITS) for term in terms},
        *(rng.normal(size=(len(values), N_TRAITS)) for values in (AGES, GENDERS, NATIONALITIES)),
    )


def _table(rng: np.random.Generator, term: Attributes) -> np.ndarray:
    """A normal table over a term's values, its mean along every axis 0: fewer of its attributes tell nothing.

    In a term of several attributes, subjects of one group share their row.
    """
    grouped = len(term) > 1 and term[0] == "subject"
    table = rng.normal(size=tuple(len(GROUPS) if grouped and a == "subject" else len(ATTRIBUTES[a]) for a in term))
    for axis in range(table.ndim):
        table = table - table.mean(axis, keepdims=True)
    table = table / table.std()
    if grouped:
        rows = list(GROUPS)
        table = table[[rows.index(GROUP_OF[subject]) for subject in ATTRIBUTES["subject"]]]
    return table


def _person(i: int, shared: _Shared, rng: np.random.Generator) -> SimulatedPerson:
    age, gender = rng.integers(len(AGES)), rng.choice(len(GENDERS), p=(0.48, 0.48, 0.04))
    nation = rng.integers(len(NATIONALITIES))
    known = shared.of_age[age] + shared.of_gender[gender] + shared.of_nation[nation]
    traits = PER_TRAIT * known + 0.8 * rng.normal(size=N_TRAITS)
    near, moody = rng.random() < NEAR_EVERYBODY, rng.random() < TWO_MOODS
    tables: dict[Attributes, np.ndarray] = {}
    for term, strength in {**MAIN, **PAIRS, **TRIPLES}.items():
        everybody, trait, own = (0.85, 0.1, 0.05) if near else SHARES[len(term)]
        tables[term] = strength * (
            np.sqrt(everybody) * shared.everybody[term]
            + np.sqrt(trait) * np.tensordot(traits, shared.traits[term], 1)
            + np.sqrt(own) * _table(rng, term)
        )
    return SimulatedPerson(
        f"u{i}",
        {"age_binned": AGES[age], "gender": GENDERS[gender], "nationality": NATIONALITIES[nation]},
        traits,
        {term[0]: tables[term] for term in MAIN},
        {(term[0], term[1]): tables[term] for term in PAIRS},
        bias=float(BIAS + 0.3 * rng.normal()),
        spread=float(SPREAD * np.exp(0.2 * rng.normal())),
        triples={(term[0], term[1], term[2]): tables[term] for term in TRIPLES},
        moods=_moods(rng) if moody else (),
        vetoes=_vetoes(rng),
    )


def _moods(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], ...]:
    """Two looks that share no value of light, style and framing."""
    looks: tuple[dict[str, np.ndarray], ...] = ({}, {})
    for attribute in ("light", "style", "framing"):
        size = len(ATTRIBUTES[attribute])
        for look, value in zip(looks, rng.choice(size, 2, replace=False), strict=True):
            look[attribute] = MOOD * (2.0 * (np.arange(size) == value) - 1)
    return looks


def _vetoes(rng: np.random.Generator) -> tuple[Veto, ...]:
    count = rng.choice(len(VETOES), p=VETOES)
    attributes = rng.choice(len(VETOED), count, replace=False)
    return tuple(Veto(VETOED[a], int(rng.integers(len(ATTRIBUTES[VETOED[a]]))), SPOILED) for a in attributes)
