"""What the model is asked, task by task: one turn of pictures and texts, and what it should answer.

The paper's: which tasks there are, a picture before its instruction, "Can you give me the aesthetic score?" (second
hand). Ours: all other wordings, the numbers between examples, and the form of a suggestion that a prompt can follow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from PIL import Image
from torch import Tensor

Picture = Image.Image | Tensor  # a picture; what the tower saw of it (4, N, E); or its tokens (P, D)
Piece = str | Image.Image | Tensor  # of a turn; a text in a picture's place is its description
WAYS = ("keep", "more", "less")

NAME = "What was done to this picture?"
CONTRAST = "How does the first picture differ from the second?"
COMMENT = "What do you think of this picture?"
SCORE = "Can you give me the aesthetic score?"
SUGGEST = "What should be kept in this picture, and what should there be more or less of?"
GIVEN = "One person gave this picture the score"
PERSONAL = "What score does the same person give this picture?"
PERSONAL_SUGGEST = "What should be kept for this person, and what should there be more or less of?"


class Learnt(str):
    """A text of a question of which all behind ``GIVEN`` is to be learned too, as if it were answered."""


@dataclass(frozen=True, eq=False)
class Turn:
    """``asked``: texts and pictures in their order. ``answer``: what is to be said; "" where it is to be found."""

    asked: tuple[Piece, ...]
    answer: str = ""

    def answered(self, answer: str) -> Turn:
        """The same question with an answer."""
        return replace(self, answer=answer)

    @property
    def pictures(self) -> list[Image.Image | Tensor]:
        """In their order."""
        return [piece for piece in self.asked if not isinstance(piece, str)]


@dataclass(frozen=True, eq=False)
class Example:
    """A picture and the score, as it is written, that a person gave it."""

    picture: Piece
    score: str


def name_turn(picture: Piece, answer: str = "") -> Turn:
    """Say what was done to a picture."""
    return Turn((picture, NAME), answer)


def contrast_turn(first: Piece, second: Piece, answer: str = "") -> Turn:
    """Compare two pictures."""
    return Turn((first, second, CONTRAST), answer)


def comment_turn(picture: Piece, answer: str = "") -> Turn:
    """Say what is good and what is lacking, for everybody."""
    return Turn((picture, COMMENT), answer)


def question_turn(picture: Piece, question: str, answer: str = "") -> Turn:
    """Answer any question about a picture."""
    return Turn((picture, question), answer)


def score_turn(picture: Piece, answer: str = "") -> Turn:
    """Everybody's score."""
    return Turn((picture, SCORE), answer)


def personal_turn(picture: Piece, examples: Sequence[Example], answer: str = "", learnt: bool = False) -> Turn:
    """The score of one person, who gave the ``examples`` theirs. ``learnt``: in training, each of these is to be told
    from those before it, so that one turn teaches as much as six.
    """
    return Turn((*context(examples, learnt), picture, PERSONAL), answer)


def suggest_turn(picture: Piece, examples: Sequence[Example] = (), answer: str = "") -> Turn:
    """What to change; for the person who scored the ``examples``, if there are any."""
    return Turn((*context(examples), picture, PERSONAL_SUGGEST if examples else SUGGEST), answer)


def context(examples: Sequence[Example], learnt: bool = False) -> tuple[Piece, ...]:
    """Pictures that a person scored, each before its score, which may be :class:`Learnt`."""
    text = Learnt if learnt else str
    return tuple(piece for e in examples for piece in (e.picture, text(f"{GIVEN} {e.score}.")))


def suggestion(remarks: Mapping[str, Sequence[str]]) -> str:
    """Remarks by :data:`WAYS` as an answer.

    >>> suggestion({"keep": ["soft light"], "less": ["neon", "fog"]})
    'keep soft light. less neon, fog.'
    """
    return " ".join(f"{way} {', '.join(remarks[way])}." for way in WAYS if remarks.get(way))


def remarks_of(answer: str) -> dict[str, list[str]]:
    """The reverse of :func:`suggestion`, of what a model wrote; sentences that begin otherwise are left out.

    >>> remarks_of("Keep soft light. It is nice. less neon, fog.")
    {'keep': ['soft light'], 'more': [], 'less': ['neon', 'fog']}
    """
    found: dict[str, list[str]] = {way: [] for way in WAYS}
    for sentence in re.split(r"[.;\n]+", answer):
        first, _, rest = sentence.strip().partition(" ")
        if (way := first.lower().rstrip(":")) in found:
            found[way] += [said for each in re.split(r",|\band\b", rest) if (said := each.strip())]
    return found
