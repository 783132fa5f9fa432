"""What happens in a run, for whoever listens: the progress bar, the JSON log, a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from steer.question import RunQuestion
from steer.result import Result
from steer.types import Candidate, Dropped, History, Rewrite, SteerRequest
from steer.vocabulary import PromptWarning


@dataclass(frozen=True)
class RunStarted:
    """A run begins; ``already`` candidates are known from an earlier start."""

    request: SteerRequest
    folder: str
    parts: dict[str, str]  # proposer, renderer, reward: their names
    already: int  # candidates taken from the journal of an earlier start


@dataclass(frozen=True)
class PromptDoubted:
    """The renderer cannot draw all that the prompt asks for. Comes before the first picture, and only with warnings."""

    request: SteerRequest
    warnings: list[PromptWarning]


@dataclass(frozen=True)
class RoundProposed:
    """The texts of a round are chosen."""

    round: int
    rewrites: list[Rewrite]
    dropped: list[Dropped]  # by the guard


@dataclass(frozen=True)
class PhaseBegan:
    """What the run does from now on: "proposing" texts, "drawing", "scoring", "reporting".

    "writing" is told by proposers that wait for a model, with texts ``done`` of ``total``; also while texts of the next
    round are written beside the drawing.
    """

    phase: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class CandidateDone:
    """A picture is scored or has failed."""

    candidate: Candidate  # SCORED or FAILED
    history: History


@dataclass(frozen=True)
class RunStopped:
    """A run has ended."""

    result: Result


@dataclass(frozen=True)
class QuestionAsked:
    """The run would like to know something of its user. Whoever listens may answer at once, or later from any thread;
    the run goes on meanwhile.
    """

    question: RunQuestion


@dataclass(frozen=True)
class QuestionClosed:
    """A question is no longer open. ``value``: the answer, None where it was skipped or nobody answered."""

    number: int
    value: float | None


Event = (
    RunStarted
    | PromptDoubted
    | RoundProposed
    | PhaseBegan
    | CandidateDone
    | RunStopped
    | QuestionAsked
    | QuestionClosed
)
Listener = Callable[[Event], None]
