"""A personal reward with further scorers beside it, all reading a picture once.

    panel = Panel(reward, {"quality": (load_scorer("classifier", model="org/aesthetic", label="good"), Linear(0, 1))})
    scores = panel.judge(panel.read(images, prompts), person)
    weighted({"personal": 1.0, "quality": 0.5}, **scores.components())

Every component is brought to [0, 1] by constants that are written down, never by the pictures beside it: a picture's
mixed score is the same in any company. Shapes: n pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from reward_models.base import Person, RewardError, Scores
from reward_models.protocols import Reading, RewardModel
from reward_models.scorers.base import Scorer
from reward_models.scorers.scales import COMPONENTS, Scale


@dataclass(frozen=True)
class Look:
    """What was read of n pictures: by the reward, and every scorer's (n,) in ``others``."""

    reading: Reading
    others: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.reading)

    def rows(self, index: Sequence[int]) -> Look:
        """Some of the pictures."""
        at = list(index)
        return Look(self.reading.rows(at), {name: values[at] for name, values in self.others.items()})


class Panel:
    """``scorers``: by name, each with the scale that brings its raw scores to [0, 1]."""

    def __init__(self, reward: RewardModel, scorers: Mapping[str, tuple[Scorer, Scale]] | None = None):
        self.reward, self.scorers = reward, dict(scorers or {})
        if taken := sorted(set(self.scorers) & {*COMPONENTS, "uncertainty"}):
            raise RewardError(f"a scorer cannot be called {taken[0]!r}; that is a component of every reward")
        self.name = " + ".join([reward.name, *self.scorers])

    def read(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> Look:
        """The reward's reading, and what the scorers say."""
        others = {
            name: np.asarray(scale(scorer.score(images, prompts))) for name, (scorer, scale) in self.scorers.items()
        }
        return Look(self.reward.read(images, prompts), others)

    def judge(self, look: Look, person: Person) -> Scores:
        """The reward's scores for one person; the scorers' are in ``Scores.others``. Raises UnknownPerson."""
        return self.judge_many(look, [person])[0]

    def judge_many(self, look: Look, people: Sequence[Person]) -> list[Scores]:
        """:meth:`judge` for each person, which some rewards answer together."""
        found = self.reward.judge_many(look.reading, people)
        return [replace(scores, others=scores.others | look.others) for scores in found]

    def fingerprint(self) -> str:
        """Of the reward, and of every scorer with its scale."""
        parts = [f"{name}={scorer.fingerprint()}/{scale}" for name, (scorer, scale) in self.scorers.items()]
        return " ".join([self.reward.fingerprint(), *parts])
