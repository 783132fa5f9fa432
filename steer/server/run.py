"""A run that somebody asked a server for: what it is, what has happened, and who wants to know."""

from __future__ import annotations

import asyncio
import math
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from steer.config.strength import StrengthName
from steer.errors import SteerError, UsageError
from steer.events import (
    CandidateDone,
    Event,
    PhaseBegan,
    QuestionAsked,
    QuestionClosed,
    RoundProposed,
    RunStarted,
    RunStopped,
)
from steer.judging.audience import Audience
from steer.question import RunQuestion
from steer.result import Result
from steer.server.queue import Cancelled, Job, Queue
from steer.types import Candidate, History, State

RunState = Literal["waiting", "running", "done", "stopped", "failed", "cancelled"]
OVER = ("done", "stopped", "failed", "cancelled")


@dataclass(frozen=True)
class Wish:
    """What is asked for. ``size`` in pixels and ``negative``: None for what the config says. ``n``: pictures wanted at
    the end. ``partials``: best pictures so far that are wanted on the way. ``learn``: ratings given meanwhile count.
    ``ask``: questions that the run may ask its user. ``strength``: how far rewrites may leave the prompt, None for what
    the config says. ``folder``: of an earlier run that is gone on with; everything else is then as it was.
    """

    prompt: str
    user: str
    budget: int
    seed: int
    size: tuple[int, int] | None = None
    negative: str | None = None
    n: int = 1
    partials: int = 0
    learn: bool = False
    ask: int = 0
    strength: StrengthName | None = None
    folder: Path | None = None

    @property
    def learns(self) -> bool:
        """Whether what its users say meanwhile counts."""
        return self.learn or self.ask > 0


class Run:
    """``owner``: name of the token that asked. A listener of the run's events, in the models' thread; all else may be
    asked from any thread.
    """

    def __init__(self, wish: Wish, owner: str, queue: Queue):
        self.id = secrets.token_hex(12)
        self.wish, self.owner, self._queue = wish, owner, queue
        self.state: RunState = "waiting"
        self.fault: SteerError | None = None
        self.folder: Path | None = None
        self.result: Result | None = None
        self.created = time.time()
        self.events: list[dict[str, Any]] = []
        self.candidates: dict[int, Candidate] = {}
        self.questions: dict[int, RunQuestion] = {}
        self.job: Job | None = None
        self._history = History()
        self._sent = 0  # partial pictures
        self._left = self.stopping = False
        self._watchers: list[Watch] = []
        self._lock = threading.Lock()

    @property
    def users(self) -> list[str]:
        """Everybody it is for, or against."""
        return Audience.parse(self.wish.user).everyone

    @property
    def at(self) -> str | None:
        """The name of its folder; None before it has one."""
        folder = self.folder or self.wish.folder
        return folder.name if folder else None

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in OVER

    # what others tell it

    def leave(self) -> None:
        """Nobody waits: give the place back at once, or end at the next step of a picture."""
        self._left = True
        if self.job is not None:
            self._queue.forget(self.job)

    def stop(self) -> None:
        """End at the next step, with the best so far."""
        self.stopping = True
        if self.job is not None:
            self._queue.forget(self.job)

    def begin(self) -> None:
        """Its turn has come. Raises Cancelled where nobody waits any more."""
        if self._left or self.stopping:
            raise Cancelled("nobody waits for it any more")

    def check(self) -> None:
        """Between two steps, in the models' thread. Raises Cancelled, or KeyboardInterrupt as Ctrl-C would."""
        if self._left:
            raise Cancelled("nobody waits for it any more")
        if self.stopping:
            raise KeyboardInterrupt

    def end(self, state: RunState, fault: SteerError | None = None) -> None:
        """Nothing more happens."""
        self.state, self.fault = state, fault
        self._add("end", state=state, **({"error": str(fault)} if fault else {}))

    # what the run tells

    def __call__(self, event: Event) -> None:
        """An event of the run."""
        if isinstance(event, RunStarted):
            self.state, self.folder = "running", Path(event.folder)
            self._add("start", pictures=self.wish.budget, at=self.folder.name)
        elif isinstance(event, RoundProposed):
            self._add("round", round=event.round, texts=[r.text for r in event.rewrites])
        elif isinstance(event, CandidateDone):
            self._history = event.history
            self.candidates[event.candidate.index] = event.candidate
            self._add("picture", **told(event.candidate))
        elif isinstance(event, PhaseBegan) and event.phase in ("proposing", "reporting"):
            self._partial()
        elif isinstance(event, QuestionAsked):
            self.questions[event.question.number] = event.question
            self._add("question", **asked(event.question))
        elif isinstance(event, QuestionClosed):
            self._add("answer", question=event.number, value=event.value)
        elif isinstance(event, RunStopped):
            self.result = event.result
            return
        if self._queue.in_thread() and _between_pictures(event):
            self.check()
            self._queue.between()

    def best(self) -> Candidate | None:
        """The best picture of the text that leads so far."""
        ranked = self._history.ranked()
        if not ranked:
            return None
        own = [c for c in self._history.scored() if c.rewrite.text == ranked[0].rewrite.text]
        return max(own, key=lambda c: c.objective)

    def open_question(self) -> RunQuestion | None:
        """What the run would like to know now; None for nothing."""
        return next((q for q in self.questions.values() if not q.closed and not q.answered), None)

    def _partial(self) -> None:
        """After a round: the best so far, as often as is wanted, spread over the budget."""
        done = len(self._history.candidates) / self.wish.budget
        best = self.best()
        if best is not None and self._sent < self.wish.partials and done >= self._sent / self.wish.partials:
            self._add("partial", number=self._sent, **told(best))
            self._sent += 1

    def _add(self, name: str, **facts: Any) -> None:
        with self._lock:
            self.events.append({"id": len(self.events), "event": name, **facts})
            watchers = [w for w in self._watchers if name in w.names or not w.names]
        for watch in watchers:
            watch.wake()

    # who wants to know

    def watch(self, *names: str) -> Watch:
        """Hear of events of these names, or of all, in the loop that calls."""
        return Watch(self, names)

    def progress(self) -> float:
        """Share of the budget that is spent, in [0, 1]."""
        return 1.0 if self.over else min(1.0, len(self.candidates) / self.wish.budget)


def _between_pictures(event: Event) -> bool:
    """Whether the run can be left, and another question answered, where this event is told."""
    going_on = isinstance(event, PhaseBegan) and event.phase in ("proposing", "drawing", "scoring")
    return going_on or isinstance(event, (RoundProposed, CandidateDone))


class Watch:
    """``async with run.watch() as watch``: wake up when something happens."""

    def __init__(self, run: Run, names: tuple[str, ...]):
        self.run, self.names = run, names
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Watch:
        with self.run._lock:
            self.run._watchers.append(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        with self.run._lock:
            self.run._watchers.remove(self)

    def wake(self) -> None:
        """From any thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._event.set)

    async def changed(self, timeout_s: float) -> None:
        """Wait for the next change, or so long."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._event.wait(), timeout_s)
        self._event.clear()


def told(candidate: Candidate) -> dict[str, Any]:
    """What may be told of a picture."""
    return {
        "index": candidate.index,
        "round": candidate.round,
        "text": candidate.rewrite.text,
        "seed": candidate.seed,
        "state": candidate.state.value,
        "reason": candidate.reason,
        "liking": number(candidate.personal),
        "fidelity": number(candidate.fidelity),
        "objective": number(candidate.objective),
        "drawn": bool(candidate.picture),
    }


def asked(question: RunQuestion) -> dict[str, Any]:
    """What may be told of a question."""
    return {
        "number": question.number,
        "kind": question.form,
        "words": question.words,
        "user": question.user,
        "worth": number(question.worth),
        "pictures": [told(candidate) for candidate in question.pictures],
    }


def number(value: float) -> float | None:
    """A number as JSON has it: none for NaN."""
    return None if math.isnan(value) else round(value, 4)


def chosen(result: Result, n: int) -> list[Candidate]:
    """The n best pictures of a run: that of the winner, then of the other texts by their mean, then all others."""
    if result.best is None:
        return []
    scored = [c for c in result.candidates if c.state is State.SCORED and c.picture]
    whole = [c for c in scored if c.tier == "full"] or scored
    first: dict[str, Candidate] = {}
    for stats in History(whole).ranked():
        own = [c for c in whole if c.rewrite.text == stats.rewrite.text]
        first[stats.rewrite.text] = max(own, key=lambda c: c.objective)
    leaders = [c for c in first.values() if c.rewrite.text != result.best.rewrite.text]
    rest = sorted((c for c in scored), key=lambda c: -c.objective)
    ordered = {c.index: c for c in [result.best, *leaders, *rest]}
    return list(ordered.values())[:n]


def check_wish(wish: Wish, most: int) -> None:
    """Raise UsageError for a budget or number of pictures that no run may have."""
    if not 1 <= wish.n <= 10:
        raise UsageError(f"n is {wish.n}; it must be from 1 to 10")
    if not 1 <= wish.budget <= most:
        raise UsageError(f"the budget is {wish.budget}; this server allows 1 to {most} pictures")
