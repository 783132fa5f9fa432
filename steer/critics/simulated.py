"""True words of a simulated person, drawn at random: what a critic is worth that knows the person and is blind.

A control of studies. What a person likes and dislikes is read from their true taste, never from ratings.
"""

from __future__ import annotations

import hashlib
import json
import random
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from reward_models import Person, RewardModel
from steer.config import SimulatedCriticConfig, SteerConfig
from steer.critics.base import Asked, Critic, View
from steer.errors import UsageError
from steer.types import Comment

if TYPE_CHECKING:
    from steer.miniature.person import SimulatedPerson

SCENES, SEED = 300, 0  # random scenes on which the worth of a value is read


class SimulatedCritic(Critic):
    """Says "more ..." of what the person likes and "less ..." of what they dislike, whatever is in the picture."""

    name = "random true words"
    alone = True

    def __init__(self, config: SimulatedCriticConfig):
        self.config, self.weight, self.about = config, config.weight, config.about
        self.meter = self._asked = Asked()

    def comment(self, view: View) -> Comment:
        """Words drawn for this picture and person: the same picture, the same words."""
        person = self._person(view.person)
        with self._asked.one():
            picture = hashlib.sha256(view.picture.convert("RGB").tobytes()).hexdigest()
            rng = random.Random(f"{self.config.seed} {person.id} {picture}")
            words = true_words(person.id, self.config.world)
            return Comment(", ".join(rng.sample(words, min(self.config.words, len(words)))))

    def check(self, person: Person | None) -> None:
        """Only simulated people have a true taste."""
        if person is not None:
            self._person(person)

    def fork(self) -> SimulatedCritic:
        """The same critic with a meter of its own."""
        return SimulatedCritic(self.config)

    def fingerprint(self) -> str:
        """Of its settings."""
        told = json.dumps([1, self.config.model_dump(mode="json")])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def _person(self, person: Person | None) -> SimulatedPerson:
        from steer.miniature.raters import simulated_people

        people, name = simulated_people(world=self.config.world), (person.id if person else None) or "average"
        if (own := name.rpartition("-")[2]) in people:  # of several data sets people are called NAME-ID
            return people[own]
        raise UsageError(
            f"critic=simulated knows simulated people alone, u1 to u{len(people)}, and '{name}' is none of them"
        )


@cache
def true_words(person: str, world: int) -> tuple[str, ...]:
    """All that a simulated person would have more or less of, as "more in fog"; what a picture is of is left out."""
    from steer.miniature.raters import simulated_people
    from steer.miniature.words import phrases
    from steer.miniature.world import ATTRIBUTES

    worth = values_of(simulated_people(world=world)[person])
    return tuple(
        f"{'more' if of > 0 else 'less'} {phrases(attribute, value)[0].removesuffix(' of')}"
        for attribute, each in worth.items()
        for value, of in zip(ATTRIBUTES[attribute], each, strict=True)
        if attribute != "subject" and of
    )


def values_of(person: SimulatedPerson) -> dict[str, np.ndarray]:
    """By attribute, what each of its values (n,) adds to the person's true liking, above the mean of its values: the
    mean over random scenes.
    """
    from steer.miniature.world import ATTRIBUTES

    rng = np.random.default_rng(SEED)
    scenes = {a: np.eye(len(values))[rng.integers(len(values), size=SCENES)] for a, values in ATTRIBUTES.items()}
    found = {}
    for attribute, values in ATTRIBUTES.items():
        rows = np.eye(len(values))
        liking = [
            person.satisfaction({**scenes, attribute: np.repeat(rows[k : k + 1], SCENES, axis=0)}).mean()
            for k in range(len(values))
        ]
        found[attribute] = np.array(liking) - np.mean(liking)
    return found


def build(config: SimulatedCriticConfig, whole: SteerConfig, reward: RewardModel) -> Critic:  # noqa: ARG001
    """The critic of a config."""
    return SimulatedCritic(config)
