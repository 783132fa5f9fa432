"""What a reward model is: pictures are read once, and judged for as many people as wanted.

Subclass :class:`RewardModel`; ``read`` and ``judge`` are all that is needed. The optional abilities are parts, which
are None by default: nobody asks an object whether it happens to have a method.

    model.teacher       learns new people from :class:`Evidence`
    model.imagination   judges texts before they are drawn
    model.words         says in named attributes why a picture is liked
    model.critic        says in a sentence what to change

A conformance test class for each is in :mod:`reward_models.testing`. Shapes: n pictures, D features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from PIL import Image

from reward_models.base import Person, RewardError, Scores

UNIT_WITHIN = 0.01  # half precision is off by less


class Reading(Protocol):
    """What a reward keeps of n pictures and their prompts; only its own family looks inside."""

    def __len__(self) -> int: ...

    def rows(self, index: Sequence[int]) -> Reading:
        """The reading of some of the pictures, in the order of ``index``."""
        ...

    def features(self) -> np.ndarray:
        """What tells the pictures apart, (n, D)."""
        ...


@dataclass(frozen=True)
class Seen:
    """A picture that a person was shown: what the teacher kept of it, and the prompt it was drawn for ("" if
    unknown).
    """

    kept: bytes
    prompt: str = ""


@dataclass(frozen=True)
class Evidence:
    """All that is known of a person.

    ``pictures``: what they were shown. ``likings`` (n,): their ratings in [0, 1], NaN for a picture that was only
    chosen or passed over. ``choices``: rows (better, worse) of ``pictures``. ``demographics`` and ``profile``: what
    they say of themselves. ``thumbnails``: small copies of the pictures by row, where there are any.
    """

    pictures: Sequence[Seen] = ()
    likings: Sequence[float] = ()
    choices: Sequence[tuple[int, int]] = ()
    demographics: Mapping[str, str] = field(default_factory=dict)
    profile: str = ""
    thumbnails: Mapping[int, Image.Image] = field(default_factory=dict)


@dataclass(frozen=True)
class Lesson:
    """What a teacher learned of a person. ``data``: for :meth:`Teacher.recall`; others only store it.

    ``open``: share in [0, 1] of what people differ by that is still unknown of this one.
    """

    data: bytes = field(repr=False)
    open: float = 1.0


@dataclass(frozen=True)
class Questions:
    """What a person's answers would tell. ``worth`` (n,): variance that a rating of each picture would take away.

    ``total``: the variance that is open now, in the same unit. ``pairs``: from rows (C, 2) to the worth (C,) of being
    told which of two pictures is better.
    """

    worth: np.ndarray
    total: float
    pairs: Callable[[np.ndarray], np.ndarray]


class Teacher(Protocol):
    """Teaches the reward new people. What it keeps and learns is bytes to everybody else.

    ``trained``: ids from the reward's own data set, read-only. ``fields``: the demographics it understands, each with
    its values; ``any_field``: it understands others too; ``any_value``: other values of these.
    ``key``: changes when pictures must be kept anew. ``noise``:
    standard deviation of a rating in [0, 1]. ``unit``: the features of a picture have length 1. ``same_draws``:
    :meth:`draws` of two readings with one seed are of the same people, row by row.
    """

    unit: bool = False
    same_draws: bool = False
    trained: Sequence[str] = ()
    fields: Mapping[str, Sequence[str]] = {}
    any_field: bool = False
    any_value: bool = False
    noise: float = 0.16

    @property
    def key(self) -> str:
        """See the class."""
        ...

    def keep(self, images: Sequence[Image.Image]) -> list[bytes]:
        """What to keep of each picture, so that it never has to be seen again. Raises RewardError for one that does not
        open.
        """
        ...

    def learn(self, person: str, evidence: Evidence) -> Lesson:
        """Make a person known, new or again, from all the evidence. The reward then knows the id."""
        ...

    def recall(self, person: str, lesson: bytes, demographics: Mapping[str, str]) -> None:
        """Make a person known from an earlier lesson. Raises ValueError for bytes that are not one of this reward."""
        ...

    def open_share(self, person: str) -> float:
        """Share in [0, 1] of what people differ by that is still unknown of a person. Raises UnknownPerson."""
        ...

    def reading(self, seen: Sequence[Seen]) -> Reading:
        """The reading of kept pictures. Raises RewardError for bytes that :meth:`keep` never gives."""
        ...

    def fits(self, kept: bytes) -> bool:
        """Whether bytes from elsewhere can be what :meth:`keep` gave of a picture. They may be invented nevertheless,
        so nobody is taught by them but the person who brought them.
        """
        try:
            features = self.reading([Seen(kept)]).features()
        except (RewardError, ValueError):
            return False
        length = float(np.linalg.norm(features))  # of the one row
        return math.isfinite(length) and (not self.unit or abs(length - 1) < UNIT_WITHIN)

    def ask(self, person: str, candidates: Sequence[Seen]) -> Questions | None:  # noqa: ARG002
        """What an answer about each candidate would tell. None, the default: ask in any order."""
        return None

    def likeness(self, person: str) -> dict[str, float]:  # noqa: ARG002
        """How alike everybody else's taste is, in [-1, 1]; empty by default."""
        return {}

    def draws(self, person: str, reading: Reading, n: int = 400, seed: int = 0) -> np.ndarray | None:  # noqa: ARG002
        """Likings (``n``, pictures) of people that this person may be. None, the default: unknown."""
        return None


class Imagination(Protocol):
    """Judges texts before they are drawn: a text is just another reading; its error is in ``Scores.uncertainty``."""

    def read(self, texts: Sequence[str]) -> Reading:
        """The reading of n texts."""
        ...


class Words(Protocol):
    """Says why, in named attributes."""

    def reasons(self, reading: Reading, person: Person) -> list[dict[str, float]]:
        """For each picture, what each attribute adds to the person's liking, in [0, 1] units, the largest first.

        Empty for a picture that does not open, and where there is nothing to say. Raises UnknownPerson.
        """
        ...


class Critic(Protocol):
    """Says in a sentence what to change."""

    def critique(self, image: Image.Image, prompt: str, person: Person) -> str:
        """What the picture has too much or too little of for the person; "" for nothing. Raises UnknownPerson."""
        ...


class Meter(Protocol):
    """Counts what a run costs."""

    def start(self, spent: Mapping[str, float]) -> None:
        """A run begins; one that is resumed has ``spent`` something already."""
        ...

    def spent(self) -> dict[str, float]:
        """What the run has taken so far, JSON-ready; it goes into the manifest under ``usage``."""
        ...


class RewardModel(Protocol):
    """Judges pictures for one person. Subclass it: everything optional has a default.

    Higher is better; liking is in [0, 1]. A picture's scores do not depend on the pictures beside it. A picture that
    does not open gives NaN in its row. ``batch_size``: how many pictures it reads at once.
    """

    name: str
    batch_size: int = 1
    teacher: Teacher | None = None
    imagination: Imagination | None = None
    words: Words | None = None
    critic: Critic | None = None
    meter: Meter | None = None  # counts what scores cost
    datasets: Sequence[str] = ()  # that it was trained on; of several, people are called NAME-ID

    def read(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> Reading:
        """The expensive half, once per picture; ``prompts`` (n) are what fidelity is measured against."""
        ...

    def judge(self, reading: Reading, person: Person | str) -> Scores:
        """The cheap half, once per person; an id is enough, see :func:`~reward_models.base.as_person`. Raises
        UnknownPerson.
        """
        ...

    def people(self) -> Sequence[str]:
        """Ids the model knows."""
        ...

    def fingerprint(self) -> str:
        """Changes whenever the weights do."""
        ...

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str], person: Person | str) -> Scores:
        """Read and judge. Raises RewardError unless there is a prompt for every picture."""
        if isinstance(prompts, str) or len(images) != len(prompts):
            raise RewardError(f"give a list with one prompt for each of {len(images)} pictures, not {prompts!r:.80}")
        return self.judge(self.read(images, prompts), person)

    def judge_many(self, reading: Reading, people: Sequence[Person | str]) -> list[Scores]:
        """:meth:`judge` for each person; a family overrides it where many at once are cheaper."""
        return [self.judge(reading, person) for person in people]

    def text_features(self, texts: Sequence[str]) -> np.ndarray | None:  # noqa: ARG002
        """Unit vectors (n, D) of texts, by which they are compared. None, the default: it reads no texts."""
        return None
