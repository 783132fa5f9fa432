"""Engines that draw alike and share the work: a queue from which whoever is free takes the next picture.

An engine that does not answer is left out until it is well, and its pictures are drawn by others. A picture that takes
long is drawn by a second engine too, where that is safe, and the first of the two counts. All engines draw one picture
at first and from time to time; one that draws another than most gets no more work.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from reward_models.plural import counted
from steer.renderers.dialect import Server
from steer.types import RenderFailure

log = logging.getLogger(__name__)

HEALTH_S = 2.0  # between two looks at an engine that is down
PULSE_S = 0.02  # how often a free slot looks for work that has become due
KNOWN = 3  # pictures whose time is known, before one can be called slow
SAME_WITHIN = 6.0  # of 255, mean difference: more is another picture and not another card's rounding

Drawn = Image.Image | RenderFailure


@dataclass(frozen=True)
class Lost:
    """An attempt without a picture. ``wait_s``: before the next by the same engine; ``down``: the engine may be gone;
    ``last``: another attempt would not help.
    """

    reason: str
    wait_s: float = 0.0
    down: bool = False
    last: bool = False


@dataclass(eq=False)
class Engine:
    """One of the pool. ``up``: it answers; ``trusted``: it draws what most draw."""

    server: Server
    up: bool = True
    trusted: bool = True
    drawn: int = 0
    looked: float = 0.0

    @property
    def usable(self) -> bool:
        """Whether it gets work."""
        return self.up and self.trusted


@dataclass(eq=False)
class _Job:
    """One picture. ``under_way``: who draws it since when; ``by``: who drew it."""

    prompt: str
    seed: int
    result: Drawn | None = None
    by: Engine | None = None
    attempts: int = 0
    avoid: Engine | None = None  # who failed last
    due: float = 0.0  # when it may try again
    why: Lost | None = None
    under_way: dict[Engine, float] = field(default_factory=dict)
    tasks: dict[Engine, asyncio.Task[Drawn | Lost]] = field(default_factory=dict)


@dataclass(eq=False)
class _Check:
    """The picture that all draw."""

    job: _Job
    open: list[Engine]
    pictures: dict[Engine, Image.Image] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """``attempts`` of a picture in all; ``hedge`` and ``check_every`` None: never."""

    parallel: int
    attempts: int
    give_up_s: float
    hedge: float | None
    check_every: int | None


Ask = Callable[[Server, str, int, int], Coroutine[Any, Any, Drawn | Lost]]  # text, seed, attempts before
Well = Callable[[Server], Awaitable[bool]]


class Pool:
    """``ask`` makes one attempt; ``well`` says whether a server answers. Counts: ``hedges`` drawn twice for speed,
    ``checks`` drawn for comparison, ``moved`` to another engine, ``discarded`` of an engine that drew another picture.
    """

    def __init__(self, servers: Sequence[Server], rules: Rules, ask: Ask, well: Well):
        self.engines = [Engine(server) for server in servers]
        self.rules, self.ask, self.well = rules, ask, well
        self.hedges = self.checks = self.moved = self.discarded = 0
        self.farthest = 0.0  # mean difference of two engines' pictures that counted as the same
        self.remarks: list[str] = []
        self._seconds: deque[float] = deque(maxlen=64)
        self._since_check: int | None = None  # None: never checked
        self._began = False

    async def draw(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Drawn]:
        """One result a prompt, in order. Raises what ``ask`` raises."""
        if not self._began and len(self.engines) > 1:
            await asyncio.gather(*(self._look(engine, first=True) for engine in self.engines))
        self._began = True
        jobs = [_Job(p, s) for p, s in zip(prompts, seeds, strict=True)]
        work = _Work(self, jobs)
        # engine by engine in turn: the first pictures go to all of them
        slots = [
            asyncio.ensure_future(self._slot(engine, work))
            for _ in range(self.rules.parallel)
            for engine in self.engines
        ]
        try:
            await asyncio.gather(*slots)
        finally:
            for slot in slots:
                slot.cancel()
            await asyncio.gather(*slots, return_exceptions=True)
        return [job.result for job in jobs if job.result is not None]

    async def _slot(self, engine: Engine, work: _Work) -> None:
        while not work.over():
            if not engine.trusted:
                return
            if not engine.up:
                await self._look(engine)
            work.tend()
            job = work.next(engine) if engine.usable else None
            if job is None:
                await asyncio.sleep(PULSE_S)
                continue
            wait_s = await self._attempt(engine, job, work)
            if wait_s:
                await asyncio.sleep(wait_s)

    async def _attempt(self, engine: Engine, job: _Job, work: _Work) -> float:
        """Have the engine draw it; seconds that it should be left alone then."""
        begun = time.monotonic()
        task = asyncio.ensure_future(self.ask(engine.server, job.prompt, job.seed, job.attempts))
        job.under_way[engine], job.tasks[engine] = begun, task
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            del job.under_way[engine], job.tasks[engine]
        if task.cancelled():
            return 0.0  # another engine was quicker
        found = task.result()
        if isinstance(found, Lost):
            return work.lost(engine, job, found)
        engine.drawn += 1
        self._seconds.append(time.monotonic() - begun)
        work.drawn(engine, job, found)
        return 0.0

    async def _look(self, engine: Engine, first: bool = False) -> None:
        """Whether a server that is down is well again, not too often."""
        if not first and time.monotonic() - engine.looked < HEALTH_S:
            await asyncio.sleep(PULSE_S)
            return
        engine.looked = time.monotonic()
        well = await self.well(engine.server)
        if well and not engine.up:
            self.say(f"the engine {engine.server.name} answers again")
        if not well and first:
            self.say(f"the engine {engine.server.name} does not answer; others draw in its place")
        engine.up = well

    def say(self, remark: str) -> None:
        """Log it, and keep it for the report."""
        log.warning(remark)
        self.remarks.append(remark)

    def slow_after(self) -> float | None:
        """Seconds after which a picture is drawn by a second engine; None where none is."""
        if self.rules.hedge is None or len(self._seconds) < KNOWN:
            return None
        return self.rules.hedge * statistics.median(self._seconds)

    def check_due(self, pictures: int) -> bool:
        """Whether all engines should draw a picture of this call."""
        every = self.rules.check_every
        if every is None or len([e for e in self.engines if e.usable]) < 2 or not pictures:
            return False
        due = self._since_check is None or self._since_check >= every
        self._since_check = pictures if due else (self._since_check or 0) + pictures
        return due


class _Work:
    """The pictures of one call."""

    def __init__(self, pool: Pool, jobs: list[_Job]):
        self.pool, self.jobs = pool, jobs
        self.waiting = deque(jobs)
        self.check: _Check | None = None
        self.down_since: float | None = None
        if pool.check_due(len(jobs)):
            self.check = _Check(self.waiting.popleft(), [e for e in pool.engines if e.usable])
            pool.checks += len(self.check.open) - 1

    def over(self) -> bool:
        """Whether every picture is there and no engine is still compared."""
        return self.check is None and all(job.result is not None for job in self.jobs)

    def next(self, engine: Engine) -> _Job | None:
        """What a free slot draws: the picture that all draw, the next one, or one that takes others long."""
        check = self.check
        if check and engine in check.open and engine not in check.job.under_way and engine not in check.pictures:
            return check.job
        others = [e for e in self.pool.engines if e is not engine and e.usable]
        for job in self.waiting:
            if job.avoid is not engine or (not others and job.due <= time.monotonic()):
                self.waiting.remove(job)
                return job
        slow = self.pool.slow_after()
        if slow is not None and not self.waiting:
            for job in self.jobs:
                ages = [time.monotonic() - begun for begun in job.under_way.values()]
                if job.result is None and job is not (check and check.job) and len(ages) == 1 and ages[0] > slow:
                    if engine in job.under_way:
                        continue
                    self.pool.hedges += 1
                    return job
        return None

    def drawn(self, engine: Engine, job: _Job, found: Drawn) -> None:
        """Take a picture; of two the first. One that was under way while its engine was found wrong is not taken."""
        self.down_since = None
        if not engine.trusted:
            self.pool.discarded += 1
            if job.result is None and not job.under_way and job not in self.waiting:
                self.waiting.append(job)
            return
        if job.result is None:
            job.result, job.by = found, engine
            for other, task in job.tasks.items():
                if other is not engine and not (self.check and job is self.check.job):
                    task.cancel()
        if self.check and job is self.check.job:
            self.check.open.remove(engine)
            if isinstance(found, Image.Image):
                self.check.pictures[engine] = found
            self._compare()

    def lost(self, engine: Engine, job: _Job, why: Lost) -> float:
        """An attempt failed: the picture waits again, or is lost. Seconds that the engine should be left alone."""
        pool = self.pool
        if why.down and len(pool.engines) > 1 and engine.up:
            engine.up = False
            fault = why.reason.removeprefix(f"{UNANSWERED}: ")
            pool.say(f"the engine {engine.server.name} failed ({fault}); others draw in its place")
        if self.check and job is self.check.job:
            self._without(engine)
        if job.result is not None or job.under_way or (self.check and job is self.check.job):
            return why.wait_s  # another engine has drawn it, or draws it
        job.attempts += 1
        job.why, job.avoid, job.due = why, engine, time.monotonic() + why.wait_s
        if why.last or job.attempts >= pool.rules.attempts:
            job.result = RenderFailure(why.reason)
        else:
            pool.moved += len(pool.engines) > 1
            if job not in self.waiting:
                self.waiting.appendleft(job)
        return 0.0 if not engine.up else why.wait_s

    def tend(self) -> None:
        """What no answer brings about: an engine that is compared and does not draw, and no engine at all."""
        if self.check:
            job, slow = self.check.job, self.pool.slow_after()
            rest = all(j.result is not None for j in self.jobs if j is not job)
            for engine in list(self.check.open):
                begun = job.under_way.get(engine)
                late = begun is not None and rest and slow is not None and time.monotonic() - begun > slow
                if self.check and (late or (begun is None and not engine.usable)):
                    if engine in job.tasks and job.result is not None:
                        job.tasks[engine].cancel()
                    self._without(engine)
        self._give_up_if_all_are_down()

    def _without(self, engine: Engine) -> None:
        """Compare the others."""
        if self.check:
            job = self.check.job
            self.check.open.remove(engine)
            self._compare()
            if self.check is None and job.result is None and not job.under_way and job not in self.waiting:
                self.waiting.appendleft(job)  # nobody could draw it: from now on it is as any other

    def _give_up_if_all_are_down(self) -> None:
        """After a while without any engine, what waits is lost."""
        if any(e.usable for e in self.pool.engines):
            self.down_since = None
            return
        self.down_since = self.down_since or time.monotonic()
        if time.monotonic() - self.down_since >= self.pool.rules.give_up_s:
            self.check = None
            for job in self.jobs:
                if job.result is None:
                    job.result = RenderFailure(job.why.reason if job.why else f"{UNANSWERED}: no engine does")

    def _compare(self) -> None:
        """When all have drawn it: who draws another picture than most gets no more work."""
        check, pool = self.check, self.pool
        if check is None or check.open:
            return
        self.check = None
        groups: list[list[Engine]] = []
        for engine in pool.engines:
            if engine not in check.pictures:
                continue
            for group in groups:
                if difference(check.pictures[group[0]], check.pictures[engine]) <= SAME_WITHIN:
                    group.append(engine)
                    break
            else:
                groups.append([engine])
        if not groups:
            return
        right = max(groups, key=len)  # of equal ones that of the engine that is named first
        within = [difference(check.pictures[right[0]], check.pictures[e]) for e in right]
        pool.farthest = max(pool.farthest, *within)
        for engine in (e for group in groups if group is not right for e in group):
            self._leave_out(engine, right, difference(check.pictures[right[0]], check.pictures[engine]), check.job)
        if check.job.by not in right:
            check.job.result, check.job.by = check.pictures[right[0]], right[0]

    def _leave_out(self, engine: Engine, right: list[Engine], far: float, checked: _Job) -> None:
        engine.trusted = False
        again = [j for j in self.jobs if j.by is engine and j is not checked]
        for job in again:
            job.result = job.by = None
            self.waiting.append(job)
        self.pool.discarded += len(again)
        names = ", ".join(e.server.name for e in right)
        before = engine.drawn - 1 - len(again)
        doubt = f"; {counted(before, 'picture')} that it drew before may be wrong too" if before > 0 else ""
        alone = "" if len(right) > 1 else " (which of the two is right is not known; the one named first is used)"
        self.pool.say(
            f"the engine {engine.server.name} draws another picture than {names} for the same text and seed"
            f"{alone}: {far:.0f} of 255 apart on average; it gets no more work{doubt}"
        )


UNANSWERED = "the image API does not answer"


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures' values, of 255; 255 where their sizes differ.

    >>> difference(Image.new("RGB", (8, 8), "black"), Image.new("RGB", (8, 8), (3, 3, 3)))
    3.0
    """
    if one.size != other.size:
        return 255.0
    return float(np.abs(np.asarray(one, dtype=np.int16) - np.asarray(other, dtype=np.int16)).mean())
