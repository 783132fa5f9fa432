"""What a critic is, and what it is shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from reward_models import Person
from reward_models.remote import Counter
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


@dataclass
class Asked(Counter):
    """What a critic that is no model behind an endpoint takes: ``calls``, and their ``seconds``."""

    calls: int = 0
    seconds: float = 0.0

    @contextmanager
    def one(self) -> Iterator[None]:
        """While one comment is made."""
        begun = time.monotonic()
        self.calls += 1
        try:
            yield
        finally:
            self.seconds += time.monotonic() - begun


class Critic(Protocol):
    """Says what to change in a picture. Subclass it: everything optional has a default.

    ``alone``: it speaks for one person, never for several. ``weight``: of its wishes in the lexical search, in
    pictures. ``personal``: it wants the person's card and, with ``examples``, up to so many pictures that they liked,
    and as many that they disliked. ``about``: the user that it is told about instead of the one that the run is for.
    """

    name: str
    alone: bool = False
    weight: float = 0.0
    personal: bool = False
    shares_about: bool = False  # may be told the users' demographics too
    examples: int = 0
    about: str | None = None
    meter: Meter | None = None  # counts what comments cost

    def comment(self, view: View) -> Comment:
        """What to change, as "keep ..., more ..., less ..."; no text where there is nothing to say. Raises
        CriticFailed.
        """
        ...

    def check(self, person: Person | None) -> None:  # noqa: ARG002
        """Raise UsageError where it cannot speak about a person (None: several), before a run begins."""
        return

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
