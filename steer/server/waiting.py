"""Waiting for a run or a short job, as long as somebody waits for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import Any, TypeVar

from fastapi import Request

from steer.server.errors import LEFT, Fault, fault_of
from steer.server.run import Run

T = TypeVar("T")
LOOK_S = 0.3  # how often it is looked whether the client is still there


async def until_over(run: Run, request: Request) -> None:
    """Until a run is over; a client that leaves ends it. Raises Fault where it failed or nobody waits."""
    async for _ in changes(run, request, names=("end",)):
        pass
    if run.fault is not None:
        raise fault_of(run.fault)
    if run.state == "cancelled" or not run.over:
        raise Fault(LEFT, "nobody waits for it any more")


async def changes(
    run: Run, request: Request, leaves: bool = True, look_s: float = LOOK_S, names: tuple[str, ...] = ()
) -> AsyncIterator[int]:
    """The number of events, at each of these ``names`` until the run is over, and at least every ``look_s`` seconds.

    ``leaves``: the run ends with its client, however that goes.
    """
    try:
        async with run.watch(*names) as watch:
            while not run.over:
                yield len(run.events)
                await watch.changed(look_s)
                if await request.is_disconnected():
                    return
        yield len(run.events)
    finally:
        if leaves and not run.over:
            run.leave()


async def answered(job: Future[T]) -> T:
    """The result of a short job."""
    return await asyncio.wrap_future(job)


def sse(data: str, event: str = "", id_: int | None = None) -> str:
    """One server-sent event."""
    head = f"event: {event}\n" if event else ""
    number = "" if id_ is None else f"id: {id_}\n"
    return f"{number}{head}data: {data}\n\n"


SSE: dict[str, Any] = {"media_type": "text/event-stream", "headers": {"X-Accel-Buffering": "no"}}
