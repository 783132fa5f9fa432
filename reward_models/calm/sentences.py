"""What is said of pictures that were made worse: labels of one picture and contrasts of two, in several wordings.

The paper's: that a label names what was done, that a contrast compares two pictures, and that several are spliced into
one sentence. Ours: every wording, in ``prompts/sentences.yaml`` beside this file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from reward_models.base import RewardError
from reward_models.calm.augment import KINDS
from reward_models.ratings.settings import Strict
from reward_models.settings_file import read_settings

SHIPPED = Path(__file__).parent / "prompts" / "sentences.yaml"
FEWEST = 5  # wordings

Wordings = Annotated[list[str], Field(min_length=FEWEST)]
Templates = Annotated[list[Annotated[str, Field(pattern=r"\{\}")]], Field(min_length=FEWEST)]


class Wording(Strict):
    """Of one kind of augmentation."""

    words: Wordings
    """How such a picture is; stands behind "is"."""
    than: Wordings
    """How it differs from another one; stands before "than"."""
    told_by: list[str] = Field(min_length=1)
    """Words by which a text is taken to speak of it."""


class Sentences(Strict):
    """Each of ``labels``, ``contrasts`` and ``reversed`` has one pair of braces, where the words of kinds stand."""

    labels: Templates
    """Of one picture."""
    contrasts: Templates
    """The first of two pictures shows it."""
    reversed: Templates
    """The second of two pictures shows it."""
    nothing: Wordings
    """Nothing was done to the picture."""
    kinds: dict[str, Wording]
    """By kind of augmentation."""

    @model_validator(mode="after")
    def _has_all(self) -> Sentences:
        if differing := sorted(set(KINDS) ^ set(self.kinds)):
            raise ValueError(f"the kinds are {', '.join(KINDS)}; look at '{differing[0]}'")
        return self

    def label(self, kinds: Sequence[str], rng: np.random.Generator) -> str:
        """One sentence about a picture to which all of ``kinds`` were done."""
        if not kinds:
            return _one(self.nothing, rng)
        return _one(self.labels, rng).format(joined([_one(self.kinds[kind].words, rng) for kind in kinds]))

    def contrast(self, first: Sequence[str], second: Sequence[str], rng: np.random.Generator) -> str:
        """What was done to one of two pictures alone, in one or two sentences.

        Raises RewardError where the same was done to both.
        """
        said = []
        for templates, own, other in ((self.contrasts, first, second), (self.reversed, second, first)):
            if differing := [kind for kind in own if kind not in other]:
                words = [_one(self.kinds[kind].than, rng) for kind in differing]
                said.append(_one(templates, rng).format(joined(words)))
        if not said:
            raise RewardError("two pictures to which the same was done have no contrast")
        return " ".join(said)

    def plainest(self, kinds: Sequence[str]) -> str:
        """The first wording of a label."""
        return (
            self.labels[0].format(joined([self.kinds[kind].words[0] for kind in kinds])) if kinds else self.nothing[0]
        )

    def kinds_in(self, text: str) -> set[str]:
        """Of which kinds a text speaks, by the lists of words; the longer words count where two overlap."""
        pattern, meaning = self._told
        return {meaning[found.group(1)] for found in pattern.finditer(" ".join(text.lower().split()))}

    def all(self, kinds: Collection[str]) -> list[str]:
        """Every wording of the labels of single ``kinds``."""
        return [t.format(w) for kind in kinds for w in self.kinds[kind].words for t in self.labels]

    @cached_property
    def _told(self) -> tuple[re.Pattern[str], dict[str, str]]:
        meaning = {words: kind for kind, wording in self.kinds.items() for words in wording.told_by}
        longest = sorted(meaning, key=len, reverse=True)
        return re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, longest)) + r")(?![\w-])"), meaning


def joined(words: Sequence[str]) -> str:
    """An enumeration.

    >>> joined(["dark", "noisy", "cropped"])
    'dark, noisy and cropped'
    """
    return " and ".join([part for part in (", ".join(words[:-1]), words[-1]) if part])


def load_sentences(path: Path | None = None) -> Sentences:
    """From a YAML of the shipped one's form; None: the shipped one. Raises RewardError with the key that is wrong."""
    return read_settings(path or SHIPPED, Sentences)


def _one(texts: Sequence[str], rng: np.random.Generator) -> str:
    return texts[int(rng.integers(len(texts)))]
