"""Writing beside the work: one thread, in order, a bounded queue, and errors that come back."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

WAITING = 32  # jobs; more and the work waits for the disk


class Writer:
    """Jobs are done in the order they came. After one has failed none is begun: what is written later may rely on
    it.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(
            1, thread_name_prefix="writer"
        )  # its queue is worked off before the process ends
        self._jobs: deque[Future[None]] = deque()
        self._lock = threading.Lock()
        self._failed = False

    def submit(self, job: Callable[[], object]) -> None:
        """Do ``job`` soon. Raises the error of an earlier one."""
        with self._lock:
            while self._jobs and (self._jobs[0].done() or len(self._jobs) >= WAITING):
                self._jobs.popleft().result()
            self._jobs.append(self._pool.submit(self._do, job))

    def flush(self) -> None:
        """Wait until all is written. Raises the first error."""
        with self._lock:
            while self._jobs:
                self._jobs.popleft().result()

    def _do(self, job: Callable[[], object]) -> None:
        if self._failed:
            return
        try:
            job()
        except BaseException:
            self._failed = True
            raise
