"""Who answers score questions. A backend subclasses :class:`Decider`. Shapes: n subjects, U questions, L levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from reward_models.prompted.question import ScoreQuestion
from reward_models.protocols import Meter

Subject = Image.Image | str  # a picture, or the text that stands for one


@dataclass(frozen=True)
class Answer:
    """One question on one subject.

    ``probabilities``: of the L levels, lowest first, their sum 1; empty where there is no answer, whose ``reason`` is
    then one line. ``off``: share in [0, 1] of the model's probability that went to no level; NaN where the backend does
    not say.
    """

    probabilities: tuple[float, ...] = ()
    off: float = math.nan
    reason: str = ""

    @classmethod
    def of(cls, weights: Sequence[float], off: float = math.nan) -> Answer:
        """From weights of the levels. Negative ones, a sum of 0 or what is no number is an answer without sense."""
        array = np.asarray(weights, dtype=np.float64)
        if array.ndim != 1 or not len(array) or not np.isfinite(array).all() or (array < 0).any() or array.sum() <= 0:
            return cls(reason="the answer has no probabilities that make sense")
        return cls(tuple(float(p) for p in array / array.sum()), float(off))

    @property
    def liking(self) -> float:
        """Expected level in [0, 1]; NaN without an answer."""
        if not self.probabilities:
            return math.nan
        return float(np.arange(len(self.probabilities)) @ np.array(self.probabilities)) / (len(self.probabilities) - 1)

    @property
    def spread(self) -> float:
        """Standard deviation of the level, in units of :attr:`liking`; NaN without an answer."""
        if not self.probabilities:
            return math.nan
        at = np.arange(len(self.probabilities)) / (len(self.probabilities) - 1)
        return float(np.sqrt(np.array(self.probabilities) @ (at - self.liking) ** 2))


class Memory(Protocol):
    """What a decider keeps of pictures, so that it can be asked about them when they are gone. ``size``: numbers for
    each picture.
    """

    size: int

    def keep(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Of n pictures, (n, ``size``), for half precision."""
        ...

    def answers(self, kept: np.ndarray, questions: Sequence[ScoreQuestion]) -> list[list[Answer]]:
        """As :meth:`Decider.answers`, about pictures of which ``kept`` (n, ``size``) is left."""
        ...


class Decider(Protocol):
    """Answers score questions about pictures and texts. Subclass it: what is optional has a default.

    ``name``: of the model. ``remote``: what it is told leaves this machine. ``width``: of what :meth:`look` finds,
    0 for none. ``batch_size``: how many subjects it reads at once. ``meter``: counts what answers cost.
    ``memory``: None for a decider that needs the pictures.
    """

    name: str
    remote: bool = False
    width: int = 0
    batch_size: int = 1
    meter: Meter | None = None

    @property
    def memory(self) -> Memory | None:
        """See the class."""
        return None

    def answers(self, subjects: Sequence[Subject], questions: Sequence[ScoreQuestion]) -> list[list[Answer]]:
        """For each of n subjects, an answer to each of U questions. An answer does not depend on what is asked beside
        it. What fails is an :class:`Answer` with a reason; raises RewardError for systemic faults only (no such model,
        no key).
        """
        ...

    def look(self, images: Sequence[Image.Image], question: ScoreQuestion) -> tuple[list[Answer], np.ndarray]:
        """The answers (n) to one question about pictures, and what the model makes of them, (n, ``width``)."""
        return [row[0] for row in self.answers(images, [question])], np.zeros((len(images), self.width))

    def fingerprint(self) -> str:
        """Changes whenever answers would."""
        ...
