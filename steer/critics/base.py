"""What a critic is, and what it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from reward_models import Person
from steer.protocols import Meter
from steer.types import Comment


class CriticFailed(Exception):
    """There is no comment this time, and why; the run goes on without."""


@dataclass(frozen=True)
class Rated:
    """A small copy of a picture that the person rated, from 1 (dislikes it) to 5 (likes it)."""

    image: Image.Image
    score: float


@dataclass(frozen=True)
class View:
    """What a critic is shown: a picture, and the prompt as typed. ``person``: the one it is for, as the reward knows
    them; None for several. ``card``: what a model may be told of them; ``rated``: pictures they liked and disliked.
    """

    picture: Image.Image
    prompt: str
    person: Person | None = None
    card: str = ""
    rated: tuple[Rated, ...] = ()


class Critic(Protocol):
    """Says what to change in a picture. Subclass it: everything optional has a default.

    ``alone``: it speaks for one person, never for several. ``weight``: of its wishes in the lexical search, in
    pictures. ``personal``: it wants the person's card and, with ``examples``, up to so many pictures that they liked,
    and as many that they disliked.
    """

    name: str
    alone: bool = False
    weight: float = 0.0
    personal: bool = False
    shares_about: bool = False  # may be told the users' demographics too
    examples: int = 0
    meter: Meter | None = None  # counts what comments cost

    def comment(self, view: View) -> Comment:
        """What to change, as "keep ..., more ..., less ..."; no text where there is nothing to say. Raises
        CriticFailed.
        """
        ...

    def words(self, view: View) -> str:  # noqa: ARG002
        """What it thinks of the picture, in a sentence for people to read; "", the default: no more than the comment.
        Raises CriticFailed.
        """
        return ""

    def fork(self) -> Critic:
        """The same critic with a meter of its own, for a run beside others; itself where it has no meter."""
        return self

    def fingerprint(self) -> str:
        """Changes whenever its comments may; "" for one that the reward's fingerprint stands for."""
        return ""
