"""One thread for the models, and who waits for it: a bounded queue in which users take turns.

Torch is used by this thread alone. Long jobs are runs. Short ones (a rewrite, a rating) go first, and also between two
pictures of a run, so that nobody waits minutes for a text.
"""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from steer.errors import SteerError

log = logging.getLogger(__name__)
MOST_RETRY_S = 120


class Full(SteerError):
    """There is no place in the queue; ``retry_s``: seconds until there should be one."""

    def __init__(self, message: str, retry_s: int):
        super().__init__(message)
        self.retry_s = retry_s


class Closed(SteerError):
    """The server stops."""


class Cancelled(SteerError):
    """Nobody waits for a job any more."""


@dataclass(eq=False)
class Job:
    """``user``: whose turn it takes. ``work``: what is done in the models' thread; ``done`` has its result."""

    user: str
    work: Callable[[], Any]
    done: Future[Any] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


class Queue:
    """``most``: long jobs that may wait, and as many short ones. One user may have half of them, so that others find a
    place too.
    """

    def __init__(self, most: int):
        self.most, self.each = most, max(1, most // 2)
        self.running: Job | None = None
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()  # by user, whose turn it is first
        self._short: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._mean_s = 1.0  # of a long job
        self._thread = threading.Thread(target=self._work, name="models", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Long jobs that wait."""
        with self._changed:
            return self._count()

    @property
    def closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._closed

    def submit(self, job: Job) -> None:
        """Let a long job wait for its turn. Raises Full or Closed."""
        with self._changed:
            self._check(self._count() >= self.most, f"{self.most} pictures are waited for already")
            own = self._waiting.get(job.user, ())
            self._check(len(own) >= self.each, f"{len(own)} pictures for '{job.user}' are waited for already")
            self._waiting.setdefault(job.user, deque()).append(job)
            self._changed.notify()

    def submit_short(self, job: Job) -> None:
        """A job that goes before all long ones. Raises Full or Closed."""
        with self._changed:
            self._check(len(self._short) >= self.most, "too many small questions wait")
            self._short.append(job)
            self._changed.notify()

    def forget(self, job: Job) -> bool:
        """Give the place of a waiting job back; False where it no longer waits."""
        with self._changed:
            for user, jobs in list(self._waiting.items()):
                if job in jobs:
                    jobs.remove(job)
                    if not jobs:
                        del self._waiting[user]
                    job.done.set_exception(Cancelled("nobody waited for it"))
                    return True
            return False

    def place(self, job: Job) -> int | None:
        """How many long jobs go first; None where it no longer waits."""
        with self._changed:
            turns = itertools.zip_longest(*self._waiting.values())
            order = [each for turn in turns for each in turn if each is not None]
        return order.index(job) if job in order else None

    def between(self) -> None:
        """Do the short jobs that wait; called in the models' thread between two pictures."""
        while (job := self._next_short()) is not None:
            self._do(job)

    def in_thread(self) -> bool:
        """Whether the caller is the models' thread."""
        return threading.current_thread() is self._thread

    def retry_s(self) -> int:
        """Seconds until a place should be free."""
        return max(1, min(MOST_RETRY_S, math.ceil(self._mean_s)))

    def close(self) -> None:
        """Take nothing more; what waits ends as Closed, what runs goes on to its end."""
        with self._changed:
            self._closed = True
            left = [*self._short, *(job for jobs in self._waiting.values() for job in jobs)]
            self._short.clear()
            self._waiting.clear()
            self._changed.notify()
        for job in left:
            job.done.set_exception(Closed("the server stops"))

    def join(self, timeout_s: float) -> None:
        """Wait for what runs, after :meth:`close`."""
        self._thread.join(timeout_s)

    def _check(self, full: bool, why: str) -> None:
        if self._closed:
            raise Closed("the server stops")
        if full:
            raise Full(f"{why}; try again in {self.retry_s()} s", self.retry_s())

    def _count(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _next_short(self) -> Job | None:
        with self._changed:
            return self._short.popleft() if self._short else None

    def _next(self) -> Job | None:
        """The next job, when there is one; None at the end."""
        with self._changed:
            while not self._short and not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            if self._short:
                return self._short.popleft()
            user, jobs = self._waiting.popitem(last=False)
            job = jobs.popleft()
            if jobs:
                self._waiting[user] = jobs  # behind the others
            self.running = job
            return job

    def _work(self) -> None:
        while (job := self._next()) is not None:
            begun = time.monotonic()
            self._do(job)
            if self.running is job:
                self._mean_s += 0.3 * (time.monotonic() - begun - self._mean_s)
                self.running = None

    @staticmethod
    def _do(job: Job) -> None:
        try:
            result = job.work()
        except SteerError as error:
            job.done.set_exception(error)
        except BaseException as error:  # a bug must not end the thread, nor an interrupt that came too late
            log.exception("a job failed")
            job.done.set_exception(SteerError(f"{type(error).__name__}: this is a bug; the log says more"))
        else:
            job.done.set_result(result)
