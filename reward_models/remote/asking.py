"""Asking servers patiently: which faults pass, how long to wait, how an error is said without what must not be shown,
and what it all costs.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any
from urllib.parse import unquote, urlsplit

import openai

from reward_models.addresses import address_fault, without_password
from reward_models.outside import one_line
from reward_models.protocols import Meter
from reward_models.remote.bounded import LARGEST, Malformed, body_hook

LONGEST_WAIT_S = 120.0  # a server that asks for more is not waited for
AGAIN = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError, asyncio.TimeoutError)
# every end of a request without an answer: the client's errors, ours, and those of a body that is no JSON
FAULTS = (openai.OpenAIError, asyncio.TimeoutError, ValueError, ArithmeticError, RecursionError)
PASSING = (408, 409)  # a timeout and a conflict, said by the server
SHORTEST_KEY = 8  # characters of a key's beginning that are not shown either


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


def server_address(base_url: str | None) -> str | None:
    """``base_url``, or that of ``OPENAI_BASE_URL``, or None for OpenAI's own. Raises ValueError for what is none."""
    given = base_url or os.environ.get("OPENAI_BASE_URL") or None
    if given is not None and (fault := address_fault(given, password=not base_url)):
        raise ValueError(fault if base_url else f"the environment's OPENAI_BASE_URL: {fault}")
    return given


def client(base_url: str | None, key: str, timeout_s: float, most: int = LARGEST) -> openai.AsyncOpenAI:
    """A client that tries once, reads at most ``most`` bytes of an answer and follows no redirect: a question goes to
    the server that was named. ``timeout_s`` is of a single read; set a deadline around the whole.
    """
    address, headers = server_address(base_url), {}
    parts = urlsplit(address or "")
    if address and parts.username is not None:  # from the environment; no library is to log it
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return openai.AsyncOpenAI(
        api_key=key or "none",
        base_url=address,
        timeout=timeout_s,
        max_retries=0,
        default_headers=headers,
        http_client=openai.DefaultAsyncHttpxClient(
            follow_redirects=False,
            headers={"Accept-Encoding": "gzip"},
            event_hooks={"response": [body_hook(most)]},
        ),
    )


def passes(error: BaseException) -> bool:
    """Whether a fault is worth asking again after a while."""
    return isinstance(error, AGAIN) or getattr(error, "status_code", 0) in PASSING


def wait_s(error: BaseException, attempt: int) -> float:
    """What the server asks for (Retry-After, in seconds), else 0.5, 1, 2 ... s, each a little at random."""
    response = getattr(error, "response", None)
    asked = response.headers.get("retry-after") if response is not None else None
    try:
        return max(0.0, float(asked)) if asked is not None else 0.5 * 2**attempt * random.uniform(0.75, 1.25)
    except ValueError:  # a date
        return 5.0


def short(error: BaseException) -> str:
    """The error without bodies and headers, which may hold what should not be shown."""
    if status := getattr(error, "status_code", None):
        return f"HTTP {status}"
    if isinstance(error, (asyncio.TimeoutError, openai.APITimeoutError)):
        return "no answer in time"
    for cause in (error, error.__cause__):  # openai's older clients wrap it
        if isinstance(cause, Malformed):
            return str(cause)
    if isinstance(error, openai.APIConnectionError):
        return "no connection"
    return "the answer makes no sense" if isinstance(error, FAULTS) else type(error).__name__


def said(error: BaseException, secret: str = "") -> str:
    """:func:`short` and the server's own reason, in one bounded line."""
    shown = reason(error, secret)
    return f"{short(error)}, {shown}" if shown else short(error)


def reason(error: BaseException, secret: str = "") -> str:
    """The server's own words in one bounded line, "" where it has none. Only the message of its error is looked at, or
    the address of a redirect; ``secret`` and its beginnings are taken out before the line is cut.
    """
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(inner, dict):
        inner = inner.get("message") or inner.get("detail") or inner.get("code")
    words = str(inner) if isinstance(inner, (str, list)) else ""
    if isinstance(error, openai.APIStatusError) and 300 <= error.status_code < 400:
        there = without_password(error.response.headers.get("location", "elsewhere").partition("?")[0])
        words = f"the server sends on to {there}, where nothing was sent; if that is right, set it as base_url"
    return one_line(hidden(words, secret))


def hidden(words: str, secret: str) -> str:
    """The words without the secret, whole or cut short."""
    words = " ".join(words[:100_000].split())
    if not secret:
        return words
    words = words.replace(secret, "(the key)")
    for shown in range(len(secret) - 1, SHORTEST_KEY - 1, -1):
        words = words.replace(secret[:shown], "(the key)")
    return words


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, also where a loop is running already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
