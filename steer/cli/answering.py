"""Questions of a run in the terminal: shown above the progress bar, answered by a number and Enter, whenever."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from rich.console import Console

from steer.errors import UsageError
from steer.events import Event, QuestionAsked, QuestionClosed
from steer.question import RunQuestion
from steer.users.interview import ANCHORS

SKIP = "s"


class TerminalAnswers:
    """A listener that prints each question and reads answers in a thread of its own, so that the run never waits.

    ``read``: gives the next line that was typed, "" at the end of the input. ``show``: draws a picture's file in a
    terminal that can.
    """

    def __init__(
        self, console: Console, show: Callable[..., None], read: Callable[[], str] = lambda: sys.stdin.readline()
    ):
        self.console, self.show, self.read = console, show, read
        self._open: RunQuestion | None = None
        self._reader: threading.Thread | None = None

    def __call__(self, event: Event) -> None:
        """An event of the run."""
        if isinstance(event, QuestionAsked):
            self._ask(event.question)
        elif isinstance(event, QuestionClosed) and self._open is not None and self._open.number == event.number:
            self._open = None

    def _ask(self, question: RunQuestion) -> None:
        self._open = question
        self.console.print(f"[bold]{question.words}[/] The run goes on meanwhile.")
        for number, path in enumerate(question.paths, start=1):
            self.console.print(f"  {'' if question.form == 'rate' else f'{number}: '}{path}", markup=False)
            self.show(path)
        if question.form == "rate":
            scale = ", ".join(f"{n} {word}" for n, word in ANCHORS.items())
            self.console.print(f"  Enter a number from 1 to 5 ({scale}), or {SKIP} to skip.")
        else:
            numbers = " or ".join(map(str, range(1, len(question.pictures) + 1)))
            self.console.print(f"  Enter {numbers}, or {SKIP} to skip.")
        if self._reader is None:
            self._reader = threading.Thread(target=self._listen, name="answers", daemon=True)
            self._reader.start()

    def _listen(self) -> None:
        while line := self.read():
            self.take(line.strip().lower())

    def take(self, typed: str) -> None:
        """What was typed, as the answer to the open question."""
        question = self._open
        if question is None or not typed:
            return
        try:
            taken = question.answer(_value(question, typed))
        except (ValueError, UsageError):
            self.console.print(f"'{typed}' is no answer; enter one of the numbers, or {SKIP} to skip", markup=False)
            return
        self._open = None
        if taken:
            skipped = typed == SKIP
            self.console.print("skipped" if skipped else "thank you; it counts from the next round on", style="dim")


def _value(question: RunQuestion, typed: str) -> float | None:
    """The answer to a question. Raises ValueError for what is none."""
    if typed == SKIP:
        return None
    number = float(typed.replace(",", "."))
    if question.form == "rate":
        return number
    if number not in range(1, len(question.pictures) + 1):
        raise ValueError(typed)
    return question.pictures[int(number) - 1].index


def check_answers(asks: int, page: bool, as_json: bool) -> None:
    """Raise UsageError where a run would ask and nobody could answer."""
    if asks and not page and (as_json or not sys.stdin.isatty()):
        raise UsageError(
            "nobody can answer the questions of this run (--ask): run it in a terminal, without --json, or add --page"
        )
