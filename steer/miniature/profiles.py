"""What simulated people say of themselves: six scales of 1-10, and phrases they like and dislike.

Both have errors, as what real people say has. A person's answers follow from their id alone, so they are the same for
everybody.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np

from steer.miniature.person import SimulatedPerson
from steer.miniature.raters import SEED
from steer.miniature.words import bare, phrases, read_prompt
from steer.miniature.world import ATTRIBUTES

SCALES = ("a", "b", "c", "d", "e", "f")  # one for each hidden trait
STEPS_PER_TRAIT = 2.0  # of a scale, for one standard deviation of a trait
REPORT_NOISE = 0.45  # of a report, in standard deviations of a trait: a reliability of .83
SPOKEN = ("style", "light", "place", "framing")  # what people have words for
EACH = 2  # phrases of either kind
WRONG = 0.1  # probability that a phrase is any other one
INTROSPECTION = 0.25  # of the spread of a person's likings: how well they know which value they like most


@dataclass(frozen=True)
class SelfReport:
    """``scales``: by name, 1-10. ``liked``, ``disliked``: (attribute, value), the strongest first."""

    scales: dict[str, int]
    liked: tuple[tuple[str, str], ...]
    disliked: tuple[tuple[str, str], ...]
    seed: int

    def fields(self) -> dict[str, str]:
        """The scales as fields of a card."""
        return {f"trait_{name}": str(value) for name, value in self.scales.items()}

    def words(self, manner: int = 0) -> str:
        """The phrases as a person would write them. ``manner``: other words for the same.

        >>> SelfReport({}, (("style", "ink"),), (("place", "sea"),), 0).words()
        'ink drawing, no shore'
        """
        rng = random.Random(f"{self.seed}/{manner}")
        liked, disliked = ([_phrase(a, v, rng) for a, v in said] for said in (self.liked, self.disliked))
        if manner == 0:
            return ", ".join([*liked, *(f"no {p}" for p in disliked)])
        return f"I don't like {' or '.join(disliked)}. I love {' and '.join(liked)}."

    def opposed(self) -> SelfReport:
        """Somebody who says the opposite of everything."""
        mirrored = {name: 11 - value for name, value in self.scales.items()}
        return replace(self, scales=mirrored, liked=self.disliked, disliked=self.liked)


def self_report(person: SimulatedPerson) -> SelfReport:
    """What a person says of themselves."""
    number = int(person.id.removeprefix("u"))
    rng = np.random.default_rng([SEED, number])
    noisy = person.traits + REPORT_NOISE * rng.normal(size=len(person.traits))
    scales = np.clip(np.rint(5.5 + STEPS_PER_TRAIT * noisy), 1, 10).astype(int)
    values = [(a, v) for a in SPOKEN for v in ATTRIBUTES[a]]
    felt = np.concatenate([person.main[a] for a in SPOKEN])
    for veto in person.vetoes:  # what spoils any picture comes to mind first
        if veto.attribute in SPOKEN:
            felt[values.index((veto.attribute, ATTRIBUTES[veto.attribute][veto.index]))] = felt.min() - felt.std()
    order = np.argsort(felt + INTROSPECTION * felt.std() * rng.normal(size=len(felt)))
    chosen = [values[i] for i in (*order[::-1][:EACH], *order[:EACH])]
    for k in np.flatnonzero(rng.random(len(chosen)) < WRONG):
        others = [v for v in values if v not in chosen]
        chosen[k] = others[int(rng.integers(len(others)))]
    named = {name: int(v) for name, v in zip(SCALES, scales, strict=True)}
    return SelfReport(named, tuple(chosen[:EACH]), tuple(chosen[EACH:]), number)


def _phrase(attribute: str, value: str, rng: random.Random) -> str:
    """One of the ways to say a value that say it alone, and that "and" does not break in two."""
    ways = [bare(p.removesuffix(" of")) for p in phrases(attribute, value)]
    return rng.choice([p for p in ways if " and " not in p and read_prompt(p) == {attribute: value}] or [value])
