"""What happens in a run, for whoever listens: the progress bar, the JSON log, a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from steer.types import Candidate, History, Result, Rewrite, SteerRequest


@dataclass(frozen=True)
class RunStarted:
    request: SteerRequest
    folder: str
    parts: dict[str, str]  # proposer, renderer, reward: their names
    already: int  # candidates taken from the journal of an earlier start


@dataclass(frozen=True)
class RoundProposed:
    round: int
    rewrites: list[Rewrite]
    dropped: list[tuple[str, str]]  # text, why the guard dropped it


@dataclass(frozen=True)
class CandidateDone:
    candidate: Candidate  # SCORED or FAILED
    history: History


@dataclass(frozen=True)
class RunStopped:
    result: Result


Event = RunStarted | RoundProposed | CandidateDone | RunStopped
Listener = Callable[[Event], None]
