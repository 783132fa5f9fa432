"""Scores pictures for the people of a run. Shapes: n pictures, U people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from PIL import Image
from scipy.special import ndtr

from reward_models import RewardError, Scores
from reward_models.base import UnknownPerson
from reward_models.residency import out_of_memory
from reward_models.scorers.panel import Look, Panel
from steer.errors import SteerError
from steer.judging.audience import How, People, combine, spread
from steer.types import LIKED_BY

MISSED = 0.05  # what a reward misses of one picture, beyond what it does not know of the person; on the miniature


class Judge:
    """A panel bound to the people of a run. ``together``: how the likings of several people are combined."""

    def __init__(self, panel: Panel, people: People, together: How = "mean"):
        self.panel, self.people, self.together = panel, people, together

    def score(self, images: Sequence[Image.Image], prompt: str) -> Scores:
        """Scores of n pictures; fidelity is to the prompt."""
        with answered():
            look = self.panel.read(images, [prompt] * len(images))
        return self.judge(look)

    def judge(self, look: Look) -> Scores:
        """Scores of pictures already read.

        For several people, ``personal`` is their combined liking; each person's own is in ``others`` as "liked by ID".
        """
        if self.people.one is not None:
            with answered():
                return self.panel.judge(look, self.people.one)
        with answered():
            each = self.panel.judge_many(look, [*self.people.towards, *self.people.away])
        personal, error = self._combined(each)
        own = {LIKED_BY + u: s.personal for u, s in zip(self.people.audience.everyone, each, strict=True)}
        reasons = {row: why for scores in each for row, why in scores.reasons.items()}
        return Scores(personal, each[0].population, each[0].fidelity, error, {**each[0].others, **own}, reasons)

    def imagine(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray] | None:
        """Liking of the pictures that n texts would give, and its standard deviation, (n,) each.

        None for a reward model that cannot imagine pictures.
        """
        reward = self.panel.reward
        if reward.imagination is None:
            return None
        with answered():
            reading = reward.imagination.read(texts)
            each = reward.judge_many(reading, [*self.people.towards, *self.people.away])
        return self._combined(each)

    def reasons(self, image: Image.Image, prompt: str) -> dict[str, float]:
        """What each attribute adds to the liking of the one person of the run, largest first.

        Empty for several people, for nobody in particular, and for a reward model without named attributes.
        """
        reward, person = self.panel.reward, self.people.one
        if reward.words is None or person is None or person.id is None:
            return {}
        return reward.words.reasons(reward.read([image], [prompt]), person)[0]

    def surely_better(self, image: Image.Image, others: Sequence[Image.Image], prompt: str, draws: int = 400) -> float:
        """Probability that the one person of the run likes a picture more than others, (m,) in the mean: over who the
        person may be, whose error all pictures share, and over what the reward misses of each picture.

        NaN for several people, for nobody in particular, and for a reward that gives no draws or counts its costs.
        """
        reward, person = self.panel.reward, self.people.one
        if reward.teacher is None or reward.meter is not None or person is None or person.id is None or not others:
            return math.nan
        with answered():
            found = reward.teacher.draws(person.id, reward.read([image, *others], [prompt] * (1 + len(others))), draws)
        if found is None or not np.isfinite(found).all():
            return math.nan
        gain = found[:, 0] - found[:, 1:].mean(axis=1)
        return float(ndtr(gain / (MISSED * math.sqrt(1 + 1 / len(others)))).mean())

    def _combined(self, each: Sequence[Scores]) -> tuple[np.ndarray, np.ndarray]:
        """Combined liking and its standard deviation, (n,) each. ``each``: scores per person, those to please first."""
        liking, error = np.stack([s.personal for s in each]), np.stack([s.uncertainty for s in each])
        k = len(self.people.towards)
        if self.people.one is not None:
            return liking[0], error[0]
        how = self.together
        return combine(liking[:k], liking[k:], how), spread(liking[:k], error[:k], error[k:], how)


@contextmanager
def answered() -> Iterator[None]:
    """A reward that gives no answers any more ends the run, which can be resumed. Raises SteerError."""
    try:
        yield
    except UnknownPerson:
        raise
    except RewardError as error:
        raise SteerError(str(error)) from error
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise SteerError(
            "the memory does not suffice to score the pictures, even with everything else off the card; "
            "use a smaller reward or --set reward.device=cpu"
        ) from error
