"""One event loop for all remote renderers of this process, in a thread, so that connections outlive a call."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_lock = threading.Lock()
_running: tuple[int, asyncio.AbstractEventLoop] | None = None  # the process that began it, and the loop


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end, from any thread; an interrupt cancels it."""
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _loop() -> asyncio.AbstractEventLoop:
    global _running
    with _lock:
        if _running is None or _running[0] != os.getpid():  # a fork has the loop and not its thread
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="remote-renderers", daemon=True).start()
            _running = os.getpid(), loop
        return _running[1]
