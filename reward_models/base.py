"""What every reward model speaks of: a person, the scores of pictures, and what can go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


class RewardError(Exception):
    """A systemic fault of a reward model; the message names the way out."""


class UnknownPerson(RewardError):
    """The model has no learned vector for this id."""


@dataclass(frozen=True)
class Person:
    """Who is scored for: an id known to the model, or what is said of a person, or both.

    ``id=None`` asks for the model's answer without anything learned: from demographics and profile alone, or the
    population's taste where these are empty too. ``profile``: the person's taste in their own words.
    """

    id: str | None = None
    demographics: dict[str, str] = field(default_factory=dict)
    profile: str = ""


def as_person(person: Person | str) -> Person:
    """A person as they are, or the one of an id. Raises RewardError for anything else.

    >>> as_person("u17")
    Person(id='u17', demographics={}, profile='')
    """
    if isinstance(person, str):
        return Person(person)
    if not isinstance(person, Person):
        raise RewardError(f"a person is an id such as 'u17' or a reward_models.Person, not {person!r}")
    return person


@dataclass(frozen=True)
class Scores:
    """One row per picture, in the order of the pictures; every array is (n,) float.

    ``personal``     the person's liking in [0, 1], (score - 1) / 4 of a 1-5 slider
    ``population``   the same model's answer for nobody in particular; NaN for texts
    ``fidelity``     image-text similarity to the given prompt in [0, 1]; NaN for texts
    ``uncertainty``  standard deviation of ``personal``: what ratings leave open about the person, what members
                     disagree on and, for texts, the error of imagining their pictures
    ``others``       further scorers by name, each (n,) in [0, 1]; see :mod:`reward_models.scorers`
    ``reasons``      by row, why a picture has no score (``personal`` is NaN there), in one line
    """

    personal: np.ndarray
    population: np.ndarray
    fidelity: np.ndarray
    uncertainty: np.ndarray
    others: dict[str, np.ndarray] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)

    def components(self) -> dict[str, np.ndarray]:
        """What can be mixed: personal, population, fidelity and the others."""
        return {"personal": self.personal, "population": self.population, "fidelity": self.fidelity, **self.others}

    def __len__(self) -> int:
        return len(self.personal)
