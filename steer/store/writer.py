"""Writing beside the work: one thread, in order, a bounded queue, and errors that come back.

Lines share an fsync (group commit). A line is given to the system at once, where it outlives this process; it is on
the disk, where it outlives a power cut, after :meth:`Writer.flush`, before anything that is written later, and after
``WINDOW_S`` at the latest.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steer.errors import StorageError
from steer.store.files import LineFile, as_json

WAITING = 32  # jobs; more and the work waits for the disk
WINDOW_S = 0.25  # that a line waits for others to share its fsync, where nobody waits for it
TOGETHER = 4  # files written at once: their fsyncs overlap, and the disk does them as one


@dataclass(frozen=True)
class _Job:
    """A file to write (``work``), or a ``line`` of the file ``path``. ``first``: nothing is wrong if it is there before
    what was asked for earlier.
    """

    work: Callable[[], object] | None = None
    path: Path | None = None
    line: Mapping[str, Any] = field(default_factory=dict)
    first: bool = False


class Writer:
    """Jobs are done in the order they came. After one has failed none is begun: what is written later may rely on
    it.
    """

    def __init__(self) -> None:
        # its queue is worked off before the process ends
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._files = ThreadPoolExecutor(TOGETHER, thread_name_prefix="writer-of-files")
        self._state = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._under_way = 0  # jobs taken and not yet written
        self._awake = False  # the thread works, or waits for the end of the window
        self._hurried = False  # somebody waits for the disk
        self._open: dict[Path, LineFile] = {}  # with lines that are not on the disk; the thread's alone
        self._unsynced_since: float | None = None
        self._failed, self._unsaid = False, deque[BaseException]()

    def submit(self, job: Callable[[], object]) -> None:
        """Do ``job`` soon, when all earlier ones are on the disk. Raises the error of an earlier one."""
        self._put(_Job(job))

    def submit_file(self, job: Callable[[], object]) -> None:
        """Write a file soon, together with others, and before any line that is appended from now on. Raises the error
        of an earlier job.
        """
        self._put(_Job(job, first=True))

    def append(self, path: Path, line: Mapping[str, Any]) -> None:
        """Append a JSON line soon; it shares its fsync with others. Raises the error of an earlier job."""
        self._put(_Job(path=path, line=line))

    def settled(self) -> bool:
        """Whether all is on the disk; where it is not, it will be as soon as can be. Raises the first error."""
        with self._state:
            if self._awake:
                self._hurried = True
                self._state.notify_all()
                return False
            self._say()
            return True

    def flush(self) -> None:
        """Wait until all is on the disk. Raises the first error."""
        with self._state:
            self._hurried = self._awake
            self._state.notify_all()
            self._state.wait_for(lambda: not self._awake)
            self._say()

    def _put(self, job: _Job) -> None:
        with self._state:
            self._state.wait_for(lambda: len(self._jobs) + self._under_way < WAITING or self._failed)
            self._say()
            if self._failed:
                return
            self._jobs.append(job)
            self._state.notify_all()
            if not self._awake:
                self._awake = True
                self._pool.submit(self._work_off)

    def _say(self) -> None:
        if self._unsaid:
            raise self._unsaid.popleft()

    def _work_off(self) -> None:
        """All jobs, until none is left and every line is on the disk."""
        while group := self._next():
            try:
                self._do(group)
            except BaseException as error:
                with suppress(StorageError):  # what came before it is kept
                    self._sync()
                with self._state:
                    self._failed = True
                    self._unsaid.append(error)
                    self._jobs.clear()
            with self._state:
                self._under_way = 0
                self._state.notify_all()

    def _next(self) -> list[_Job]:
        """The jobs that wait; an empty one where only lines wait for their fsync; none at the end."""
        with self._state:
            if not self._jobs and self._unsynced_since is not None and not self._failed:
                left = self._unsynced_since + WINDOW_S - time.monotonic()
                self._state.wait_for(lambda: self._jobs or self._hurried, timeout=max(0.0, left))
            group = list(self._jobs)
            self._jobs.clear()
            self._under_way = len(group)
            if not group and self._unsynced_since is not None and not self._failed:
                return [_Job()]
            if not group:
                self._awake = self._hurried = False
                self._state.notify_all()
            return group

    def _do(self, group: Sequence[_Job]) -> None:
        """Files first, then the rest in its order; where a file fails, no more than what came before it."""
        error: BaseException | None = None
        written = [(i, self._begin(job.work)) for i, job in enumerate(group) if job.first and job.work]
        for i, each in reversed(written):
            if (found := each.exception()) is not None:
                error, group = found, group[:i]
        for job in group:
            if job.path is not None:
                self._open.setdefault(job.path, LineFile(job.path)).append(as_json(job.line))
                self._unsynced_since = self._unsynced_since or time.monotonic()
            elif not job.first:
                self._sync()
                if job.work:
                    job.work()
        if error:
            raise error
        if self._unsynced_since is not None and self._unsynced_since + WINDOW_S <= time.monotonic():
            self._sync()

    def _begin(self, work: Callable[[], object]) -> Future[object]:
        try:
            return self._files.submit(work)
        except RuntimeError:  # the process ends: no new threads
            done: Future[object] = Future()
            try:
                done.set_result(work())
            except BaseException as error:
                done.set_exception(error)
            return done

    def _sync(self) -> None:
        """Every line that was appended is on the disk."""
        self._unsynced_since = None
        while self._open:
            self._open.popitem()[1].sync()
