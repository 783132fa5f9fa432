"""A question that a run asks its user about its own pictures, while it goes on drawing."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from steer.errors import UsageError
from steer.types import Candidate

Form = Literal["which", "rate"]


@dataclass(frozen=True)
class AskedBefore:
    """A question in a run's journal. ``pictures``: indices of candidates. ``closed``: it was answered or skipped."""

    number: int
    round: int
    form: Form
    pictures: tuple[int, ...]
    worth: float
    closed: bool


@dataclass(eq=False)
class RunQuestion:
    """What a run would like to know of ``user``. Safe for several threads; the first answer counts.

    ``form`` "which": which of two or three ``pictures`` is liked best; "rate": how much the only one is liked, from 1
    to 5. ``worth``: by how much the answer should raise the liking of what the run finds, in [0, 1].
    """

    number: int
    round: int
    form: Form
    user: str
    prompt: str
    folder: Path
    pictures: tuple[Candidate, ...]
    worth: float
    closed: bool = False  # nobody waits for the answer any more
    answered: bool = False  # or skipped
    value: float | None = None  # an index of a candidate, or a rating; None where it was skipped
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def paths(self) -> list[Path]:
        """The files of the pictures."""
        return [self.folder / c.picture for c in self.pictures]

    @property
    def words(self) -> str:
        """The question in words."""
        if self.form == "rate":
            return "How much do you like this picture?"
        return "Which of these do you like most?"

    def answer(self, value: float | None) -> bool:
        """Answer with the index of the best picture, or with a rating from 1 to 5; None skips. Returns whether the run
        takes the answer: not where there was one before, or the run is over. Raises UsageError for a wrong value.
        """
        self.check(value)
        with self._lock:
            if self.closed or self.answered:
                return False
            self.answered, self.value = True, None if value is None else float(value)
            return True

    def check(self, value: float | None) -> None:
        """Raise UsageError for a value that is no answer to this question."""
        if value is None:
            return
        if self.form == "rate" and not 1 <= value <= 5:
            raise UsageError(f"the rating is {value:g}; it must be from 1 to 5")
        if self.form == "which" and value not in (known := [c.index for c in self.pictures]):
            raise UsageError(f"the picture {value:g} is not asked about; answer with {' or '.join(map(str, known))}")

    def close(self) -> bool:
        """The run waits no longer; returns whether the question was still open."""
        with self._lock:
            was_open, self.closed = not self.answered and not self.closed, True
            return was_open
