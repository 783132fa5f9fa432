"""The models of a server, its queue and its runs. Knows nothing of HTTP: routes and MCP tools are thin over it."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom
from typing import Any, TypeVar

from reward_models.pictures import open_picture
from steer.config import override, parse_config
from steer.config.search import MOST_SEED
from steer.errors import SteerError, UsageError
from steer.judging.audience import Audience
from steer.lexicon import Lexicon
from steer.parts import Parts
from steer.result import Result
from steer.run.after import check_asked
from steer.run.drive import drive, new_folder
from steer.run.enhance import Enhanced, enhance
from steer.run.requests import check_request, run_folder
from steer.server.metrics import Metrics
from steer.server.queue import Cancelled, Job, Queue
from steer.server.run import Run, RunState, Wish, check_wish
from steer.server.settings import ServerSettings
from steer.store.names import new_run_folder
from steer.store.run_folder import RunFolder
from steer.types import State, StopReason
from steer.users.beliefs import Beliefs, beliefs
from steer.users.ids import AVERAGE
from steer.users.rating import rate_candidate
from steer.words import check_prompt

log = logging.getLogger(__name__)
T = TypeVar("T")
random_ = SystemRandom()


class Service:
    """``parts`` are loaded at once: one set of models, used by the queue's thread alone."""

    def __init__(self, parts: Parts, settings: ServerSettings | None = None):
        self.parts, self.settings = parts, settings or ServerSettings()
        self.name = parts.config.name
        self.queue = Queue(self.settings.queue)
        self.metrics = Metrics(self.queue)
        self.runs: OrderedDict[str, Run] = OrderedDict()
        self._current: Run | None = None
        self._also_busy: frozenset[str] = frozenset()
        self.ask(self._load).result()

    def _load(self) -> None:
        parts = self.parts
        _ = parts.reward, parts.panel, parts.space, parts.proposer, parts.roster, parts.held_out
        parts.renderer.between = self._between

    def _between(self) -> None:
        """Between two steps of a picture."""
        if self._current is not None:
            self._current.check()

    # who

    def users(self) -> list[str]:
        """Everybody it can draw for, without "average"."""
        return self.parts.roster.ids()

    def knows(self, users: list[str]) -> list[str]:
        """Which of these it does not know."""
        known = {*self.users(), AVERAGE}
        return [user for user in users if user not in known]

    def rates(self, users: list[str]) -> str | None:
        """The first of these whose ratings can be kept: a user of the store; None for people of a data set."""
        for user in users:
            found = self.parts.store.get(user) if user != AVERAGE else None
            if found is not None and not found.source:
                return user
        return None

    # runs

    def start(self, wish: Wish, owner: str) -> Run:
        """Let a run wait for its turn. Raises UsageError for what cannot be drawn, Full and Closed."""
        check_wish(wish, self.settings.most(self.parts.config))
        check_prompt(wish.prompt)
        if wish.ask:
            check_asked(self.parts, wish.user)
        return self._queued(Run(wish, owner, self.queue))

    def _queued(self, run: Run) -> Run:
        run.job = Job(run.wish.user, lambda: self._run(run))
        run.job.done.add_done_callback(lambda done: self._ended(run, done))
        self.queue.submit(run.job)
        self.runs[run.id] = run
        self._forget_old()
        return run

    def _run(self, run: Run) -> Result:
        """In the models' thread."""
        run.begin()
        wish = run.wish
        self.metrics.waited.observe(time.monotonic() - run.job.since if run.job else 0)
        self.refresh(run.users)
        parts = self._parts_for(wish)
        request = check_request(parts, wish.prompt, wish.user, wish.budget, wish.seed)
        if wish.folder is not None:
            folder = run_folder(parts, request, wish.folder)
        else:
            folder = new_folder(parts, request, new_run_folder(self.settings.out, request.prompt, request.user))
        self._current = run
        try:
            with self.metrics.seconds.time():
                return drive(parts, request, folder, run)
        finally:
            self._current = None

    def _parts_for(self, wish: Wish) -> Parts:
        """The parts with what is wished otherwise than the config says."""
        if wish.folder is not None:
            return self.parts_of(RunFolder.open(wish.folder).manifest["config"], wish.folder)
        changes: dict[str, object] = {"search.learn": True} if wish.learn else {}
        changes |= {"search.ask": wish.ask} if wish.ask else {}
        changes |= {"search.strength": wish.strength} if wish.strength else {}
        parts = self.parts.with_config(override(self.parts.config, changes)) if changes else self.parts
        if wish.size is not None or wish.negative is not None:
            parts = parts.variant(wish.size, wish.negative)
        return parts

    def parts_of(self, config: dict[str, Any], path: Path) -> Parts:
        """The parts of a run or batch that was made before. Raises UsageError where it needs other models than those
        that are loaded.
        """
        then, now = parse_config(config, str(path)), self.parts.config
        for name, of_then, of_now in (("renderer", then.renderer, now.renderer), ("reward", then.reward, now.reward)):
            if of_then != of_now:
                raise UsageError(f"'{path.name}' was made with another {name}; steer resume goes on with it")
        return self.parts.with_config(then)

    def resume(self, path: Path, owner: str) -> Run:
        """Let a run that ended early go on when its turn comes. Raises UsageError for what is no such run, Full and
        Closed.
        """
        manifest = RunFolder.open(path).manifest
        told, search = manifest["request"], self.parts_of(manifest["config"], path).config.search
        asked = told["prompt"], told["user"], told["budget"], told["seed"]
        wish = Wish(*asked, learn=search.learn, ask=search.ask, folder=path)
        return self._queued(Run(wish, owner, self.queue))

    def _ended(self, run: Run, done: Future[Any]) -> None:
        """Whatever became of a run's job."""
        error, fault = done.exception(), None
        if error is None:
            state: RunState = "stopped" if done.result().stop is StopReason.INTERRUPTED else "done"
        elif isinstance(error, Cancelled):
            state = "stopped" if run.stopping else "cancelled"
        else:
            state, fault = "failed", error if isinstance(error, SteerError) else SteerError(str(error))
        self.metrics.pictures.inc(sum(1 for c in run.candidates.values() if c.picture))
        self.metrics.runs.labels(state).inc()
        run.end(state, fault)

    @property
    def busy(self) -> frozenset[str]:
        """Whom the models draw for at this moment: what is known of them must not change meanwhile."""
        return self._also_busy | frozenset(self._current.users if self._current else ())

    @contextmanager
    def busy_for(self, users: Iterable[str]) -> Iterator[None]:
        """While a job that is no run, such as a row of a batch, draws for these people; in the models' thread."""
        self._also_busy = frozenset(users)
        try:
            yield
        finally:
            self._also_busy = frozenset()

    def refresh(self, users: list[str]) -> None:
        """Learn what people told since; not in the middle of a run for them."""
        self.parts.roster.refresh(u for u in users if u not in self.busy)

    def _forget_old(self) -> None:
        """Runs that are over are remembered for a while; their folders stay."""
        over = [run.id for run in self.runs.values() if run.over]
        for id_ in over[: max(0, len(self.runs) - self.settings.remembered)]:
            del self.runs[id_]

    # small questions

    def ask(self, work: Callable[[], T]) -> Future[T]:
        """Do something short in the models' thread, between two pictures of a run. Raises Full and Closed."""
        job = Job("", work)
        self.queue.submit_short(job)
        return job.done

    def enhance(self, prompt: str, user: str, n: int = 1, seed: int | None = None) -> Future[list[Enhanced]]:
        """Up to n rewrites of a prompt for a user, the most promising first; nothing is drawn. Raises UsageError."""
        text, chosen = check_prompt(prompt), random_.randint(0, MOST_SEED) if seed is None else seed

        def work() -> list[Enhanced]:
            self.refresh(Audience.parse(user).everyone)
            return enhance(self.parts, text, user, n, chosen)

        return self.ask(work)

    def rate(self, run: Run, index: int, score: float, user: str) -> Future[None]:
        """Keep a rating (1 to 5) of a picture of a run. Raises UsageError for a picture that is not there."""
        candidate = run.candidates.get(index)
        if candidate is None or not candidate.picture or run.folder is None:
            raise UsageError(f"the run has no picture {index}")
        return self.rate_file(run.folder / candidate.picture, run.wish.prompt, score, user, run.folder.name)

    def rate_file(self, path: Path, prompt: str, score: float, user: str, origin: str) -> Future[None]:
        """Keep a rating (1 to 5) of a picture that the run ``origin`` drew for a prompt. Raises UsageError."""
        if not 1 <= score <= 5:
            raise UsageError(f"the rating is {score:g}; it must be from 1 to 5")

        def work() -> None:
            with open_picture(path) as image:
                picture = image.convert("RGB")
            rate_candidate(self.parts.store, self.parts.reward, user, picture, check_prompt(prompt), score, origin)
            self.metrics.ratings.inc()

        return self.ask(work)

    def beliefs(self, user: str) -> Future[Beliefs]:
        """What is believed of a user's taste. Raises UsageError in the future for one who is not known."""

        def work() -> Beliefs:
            self.refresh([user])
            parts = self.parts
            people = parts.roster.people(user)
            enrolled = parts.roster.learned(people).get(user)
            lexicon = Lexicon.load(parts.config.proposer.lexicon)
            store = parts.store if enrolled else None
            return beliefs(parts.reward, user, lexicon, store, enrolled)

        return self.ask(work)

    def unsure(self, run: Run, most: int = 3) -> list[int]:
        """Pictures of a run whose rating would tell most, as it seems: those whose liking is least certain."""
        scored = [c for c in run.candidates.values() if c.state is State.SCORED and c.picture]
        return [c.index for c in sorted(scored, key=lambda c: -c.uncertainty)[:most]]

    # the end

    def close(self) -> None:
        """Take nothing more; what runs ends at its next step, and what it made is kept."""
        self.queue.close()
        if self._current is not None:
            self._current.stop()

    def join(self, timeout_s: float = 30.0) -> None:
        """Wait until nothing runs, after :meth:`close`."""
        self.queue.join(timeout_s)
