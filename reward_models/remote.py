"""Asking servers patiently: which faults pass, how long to wait, how an error is said without what must not be shown,
and what it all costs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import openai

from reward_models.protocols import Meter

LARGEST = 8 * 2**20  # bytes of an answer, unpacked
LONGEST_WAIT_S = 120.0  # a server that asks for more is not waited for
AGAIN = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError, asyncio.TimeoutError)


class Counter(Meter):
    """A meter whose counts are the fields of a dataclass, numbers with a default; ``price`` is none of them."""

    def start(self, spent: Mapping[str, float]) -> None:
        """Every count as ``spent`` has it, or as at first."""
        for count in self._counts():
            setattr(self, count.name, type(count.default)(spent.get(count.name, count.default)))

    def spent(self) -> dict[str, float]:
        """The counts, JSON-ready."""
        facts = {count.name: getattr(self, count.name) for count in self._counts()}
        return {name: round(value, 2) if isinstance(value, float) else value for name, value in facts.items()}

    def _counts(self) -> list[Any]:
        return [count for count in fields(self) if count.name != "price"]  # type: ignore[arg-type]


def wait_s(error: BaseException, attempt: int) -> float:
    """What the server asks for (Retry-After, in seconds), else 0.5, 1, 2 ... s, each a little at random."""
    response = getattr(error, "response", None)
    asked = response.headers.get("retry-after") if response is not None else None
    try:
        return max(0.0, float(asked)) if asked is not None else 0.5 * 2**attempt * random.uniform(0.75, 1.25)
    except ValueError:  # a date
        return 5.0


class TooLarge(ValueError):
    """An answer of more than ``LARGEST`` bytes."""


def bounded_http() -> openai.DefaultAsyncHttpxClient:
    """For ``AsyncOpenAI(http_client=...)``: reads no more than ``LARGEST`` bytes of an answer, counted unpacked, and
    raises TooLarge for more.
    """

    async def read(response: Any) -> None:
        chunks, size = [], 0
        async for chunk in response.aiter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST:
                raise TooLarge(f"the answer is larger than {LARGEST // 2**20} MB")
        response._content = b"".join(chunks)  # as its aread() leaves it, which has no bound

    return openai.DefaultAsyncHttpxClient(event_hooks={"response": [read]})


def short(error: BaseException) -> str:
    """The error without bodies and headers, which may hold what should not be shown."""
    if status := getattr(error, "status_code", None):
        return f"HTTP {status}"
    if isinstance(error, (asyncio.TimeoutError, openai.APITimeoutError)):
        return "no answer in time"
    return "no connection" if isinstance(error, openai.APIConnectionError) else type(error).__name__


def said(error: BaseException, secret: str = "") -> str:
    """The server's own reason in one bounded line, else :func:`short`. Only the message of its error is looked at;
    ``secret`` is taken out before the line is cut.
    """
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else body
    text = inner.get("message", inner.get("detail")) if isinstance(inner, dict) else inner
    line = " ".join(str(text).split()) if isinstance(text, (str, list)) else ""
    shown = "".join(c for c in line if c.isprintable())
    shown = (shown.replace(secret, "(the key)") if secret else shown)[:200]
    return f"{short(error)}, {shown}" if shown else short(error)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, also where a loop is running already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
