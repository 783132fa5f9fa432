"""Does a comment name what is wrong? Good pictures are made worse in one of six ways, severely, and whoever comments is
asked what to change. Shapes: n pictures.

The paper's: the six ways, one picture a way, the share named, and that a language model judges. Ours: the strengths,
the word list that judges by default, and the comparison with the pictures as they were, since an answer that asks for
"better framing" whatever it sees is right about every cropped picture.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from reward_models import yaml12
from reward_models.calm.augment import CENTRE, Augmentation, Box, augmented
from reward_models.calm.evaluation.commenters import Commenter
from reward_models.doors import read_text
from reward_models.evaluation.statistics import Interval, bootstrap

# as papers call them: what is done
FAULTS: dict[str, Augmentation] = {
    "noise": Augmentation("noise", 1.0),
    "blur": Augmentation("blur", 1.0),
    "too dark": Augmentation("dark", 1.0),
    "too bright": Augmentation("bright", 1.0),
    "desaturated": Augmentation("dull", 1.0),
    "cropped": Augmentation("cropped", 1.0),
}
CROPPED = "cropped"
SEED = 0


class Judge(Protocol):
    """Says whether an answer names a fault of :data:`FAULTS`."""

    name: str

    @abstractmethod
    def names(self, answer: str, fault: str) -> bool:
        """Whether it does."""
        ...


class WordJudge(Judge):
    """By the words of ``words.yaml`` alone."""

    name = "word list"

    def names(self, answer: str, fault: str) -> bool:
        """Whether a word or words of the fault are in the answer, whole."""
        return word_patterns()[fault].search(answer) is not None


@cache
def word_patterns() -> dict[str, re.Pattern[str]]:
    """By fault, what finds its words."""
    lists: Mapping[str, Sequence[Sequence[str]]] = yaml12.load(read_text(Path(__file__).parent / "words.yaml"))
    return {fault: _pattern([word for group in lists[fault] for word in group]) for fault in FAULTS}


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    each = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![\w-])(?:{each})(?![\w-])", re.I)


ASKED = (
    'A picture was made worse: it is now {fault}. Somebody who did not know that said of it: "{answer}". Does the '
    "answer name this fault, or ask to undo it? Answer with one word, yes or no."
)


class AskingJudge(Judge):
    """A language model, asked ``ASKED``. ``ask``: from a question to its answer."""

    def __init__(self, ask: Callable[[str], str], name: str):
        self.ask, self.name = ask, f"judged by {name}"

    def names(self, answer: str, fault: str) -> bool:
        """Whether it says yes; an answer that is neither counts as no."""
        quoted = " ".join(answer.split()).replace('"', "'")[:1000]
        said = (
            "with the subject cut off"
            if fault == CROPPED
            else fault.replace("noise", "noisy").replace("blur", "blurred")
        )
        return re.match(r"\W*yes\b", self.ask(ASKED.format(fault=said, answer=quoted)), re.I) is not None


@dataclass(frozen=True)
class Suggested:
    """``named`` (n, 6): whether the answer about each picture with each of ``FAULTS`` named it. ``anyway`` (n, 6): the
    same of the answers about the pictures as they were. ``answers``: by fault, those about the first picture.
    """

    named: np.ndarray
    anyway: np.ndarray
    answers: dict[str, str]

    def table(self) -> dict[str, dict[str, Interval]]:
        """By fault, and for their ``mean`` with and without "cropped": the share that is ``named``, ``anyway``, and the
        difference ``above``, with intervals over pictures.
        """
        kept = [i for i, fault in enumerate(FAULTS) if fault != CROPPED]
        columns = {fault: [i] for i, fault in enumerate(FAULTS)}
        columns |= {"mean": list(range(len(FAULTS))), "mean without cropped": kept}
        return {
            name: {
                "named": bootstrap(self.named[:, at].mean(1)),
                "anyway": bootstrap(self.anyway[:, at].mean(1)),
                "above": bootstrap((self.named[:, at] - self.anyway[:, at]).mean(1)),
            }
            for name, at in columns.items()
        }


def suggesting(
    commenter: Commenter,
    pictures: Sequence[Image.Image],
    instruction: str,
    judge: Judge | None = None,
    boxes: Sequence[Box] | None = None,
    tell: Callable[[int, int], None] = lambda done, of: None,  # noqa: ARG005
) -> Suggested:
    """Each of n pictures with each fault, and as it was. ``boxes``: where the subjects are; else in the middle."""
    judge = judge or WordJudge()
    named, anyway = np.zeros((2, len(pictures), len(FAULTS)))
    first: dict[str, str] = {}
    for k, picture in enumerate(pictures):
        worse = spoilt(picture, np.random.default_rng([SEED, k]), boxes[k] if boxes else CENTRE)
        *answers, plain = commenter.comment([*worse, picture.convert("RGB")], instruction)
        for i, (fault, answer) in enumerate(zip(FAULTS, answers, strict=True)):
            named[k, i], anyway[k, i] = judge.names(answer, fault), judge.names(plain, fault)
        first = first or dict(zip((*FAULTS, "as it was"), (*answers, plain), strict=True))
        tell(k + 1, len(pictures))
    return Suggested(named, anyway, first)


def spoilt(picture: Image.Image, rng: np.random.Generator, box: Box = CENTRE) -> list[Image.Image]:
    """The picture with each of ``FAULTS``."""
    return [augmented(picture, [fault], rng, box) for fault in FAULTS.values()]
