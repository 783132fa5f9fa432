"""Numbers as a language model writes them: the answers there are, as a tree of tokens, and their expected value.

At each place only the tokens count that go on to an answer, as in constrained decoding, so the probabilities of all
answers sum to 1. Shapes: R places at which answers part, V words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from reward_models.base import RewardError

MOST = 2000  # answers


@dataclass(frozen=True)
class NumberScale:
    """Scores from ``low`` to ``high`` with so many ``decimals``. Raises RewardError for a scale without sense."""

    low: float = 1.0
    high: float = 5.0
    decimals: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high or not 2 <= self.steps + 1 <= MOST:
            raise RewardError(f"there is no scale from {self.low:g} to {self.high:g} with {self.decimals} decimals")

    @property
    def steps(self) -> int:
        """Between the lowest and the highest answer."""
        return round((self.high - self.low) * 10**self.decimals)

    @cached_property
    def answers(self) -> list[str]:
        """All of them, lowest first.

        >>> NumberScale(1, 5, 0).answers
        ['1', '2', '3', '4', '5']
        """
        return [f"{self.low + i / 10**self.decimals:.{self.decimals}f}" for i in range(self.steps + 1)]

    def written(self, liking: float) -> str:
        """A liking in [0, 1] as an answer.

        >>> NumberScale().written(0.6), NumberScale(1, 10).written(1.0)
        ('3.4', '10.0')
        """
        return self.answers[min(self.steps, max(0, int(liking * self.steps + 0.5)))]


@dataclass(frozen=True)
class Number:
    """What a model says in place of a number.

    ``probabilities``: of the scale's answers, lowest first, their sum 1. ``off``: share in [0, 1] of the first token's
    probability that begins no answer.
    """

    probabilities: tuple[float, ...]
    off: float

    @property
    def liking(self) -> float:
        """Expected answer in [0, 1]."""
        return sum(p * i for i, p in enumerate(self.probabilities)) / (len(self.probabilities) - 1)

    @property
    def spread(self) -> float:
        """Standard deviation of the answer, in units of :attr:`liking`."""
        most, mean = len(self.probabilities) - 1, self.liking
        return float(sum(p * (i / most - mean) ** 2 for i, p in enumerate(self.probabilities))) ** 0.5


class AnswerTree:
    """``answers``: the tokens of each, end included. ``places``: where they part, the first empty."""

    def __init__(self, answers: Sequence[Sequence[int]]):
        self.answers = [tuple(a) for a in answers]
        following: dict[tuple[int, ...], set[int]] = {}
        for answer in self.answers:
            for i, token in enumerate(answer):
                following.setdefault(answer[:i], set()).add(token)
        self.following = {place: sorted(tokens) for place, tokens in following.items()}
        self.places = [(), *(place for place, tokens in self.following.items() if place and len(tokens) > 1)]

    @classmethod
    def of(cls, scale: NumberScale, encode: Callable[[str], list[int]]) -> AnswerTree:
        """The answers of a scale; ``encode``: an answer's tokens, with its end."""
        return cls([encode(answer) for answer in scale.answers])

    def number(self, logits: Mapping[tuple[int, ...], Tensor]) -> Number:
        """From the logits (V,) after each of the ``places``."""
        steps: dict[tuple[int, ...], dict[int, float]] = {}
        for place in self.places:
            tokens = self.following[place]
            steps[place] = dict(zip(tokens, logits[place][tokens].double().softmax(-1).tolist(), strict=True))
        found = []
        for answer in self.answers:
            p = 1.0
            for i, token in enumerate(answer):
                p *= steps.get(answer[:i], {}).get(token, 1.0)
            found.append(p)
        first = torch.softmax(logits[()].double(), -1)[self.following[()]].sum()
        total = sum(found)
        return Number(tuple(p / total for p in found), max(0.0, 1 - float(first)))
