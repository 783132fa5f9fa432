"""Score questions answered by a server: patiently, side by side, and counted. Keys come from the environment and stand
in no message.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import openai
from PIL import Image

from reward_models.addresses import without_password
from reward_models.base import RewardError
from reward_models.prompted.answers import REFUSED
from reward_models.prompted.decider import Answer, Decider, Subject
from reward_models.prompted.local import shrunk
from reward_models.prompted.question import ScoreQuestion
from reward_models.remote import (
    FAULTS,
    LONGEST_WAIT_S,
    SENSELESS,
    Counter,
    client,
    passes,
    run,
    said,
    server_address,
    tokens_of,
    wait_s,
)

LOOPBACK = ("localhost", "127.0.0.1", "::1")
GIVEN_UP = 16  # failures one after the other, after which a server is not asked any more


@dataclass
class AnswerUsage(Counter):
    """What a run's scores took; ``calls`` counts every attempt, ``seconds`` is waiting time, calls side by side once.

    ``price``: of a million input tokens.
    """

    calls: int = 0
    failed_calls: int = 0
    refused: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    price: float | None = None

    def spent(self) -> dict[str, float]:
        """The counts, and the ``cost`` where there is a price."""
        facts = super().spent()
        if self.price is not None:
            facts["cost"] = round(self.input_tokens * self.price / 1e6, 6)
        return facts


class RemoteDecider(Decider):
    """``model`` at ``base_url``, an address that ends in /v1 (None: OpenAI's own). ``key_from``: the environment
    variable of the key, for messages. ``size``: longest side in pixels of what is sent. ``parallel``: requests at the
    same time.

    A subclass gives ``backend``, ``most`` (questions in one request) and :meth:`ask`.
    """

    backend: str
    most: int = 1

    def __init__(
        self,
        model: str,
        key: str = "",
        key_from: str = "",
        base_url: str | None = None,
        size: int = 448,
        parallel: int = 4,
        timeout_s: float = 60,
        retries: int = 3,
        price: float | None = None,
    ):
        self.name = self.model = model
        try:
            address = server_address(base_url)
        except ValueError as error:
            raise RewardError(f"the reward's server: {error}") from error
        self.key, self.key_from, self.base_url, self.size = key, key_from, base_url, size
        self.parallel, self.timeout_s, self.retries = parallel, timeout_s, retries
        self.meter = self.usage = AnswerUsage(price=price)
        self.batch_size = parallel
        self.address = None if address is None else without_password(address)
        self.remote = address is None or urlsplit(address).hostname not in LOOPBACK
        self._failed_in_a_row = 0

    @abstractmethod
    async def ask(
        self, server: openai.AsyncOpenAI, subject: Subject, questions: Sequence[ScoreQuestion]
    ) -> list[Answer]:
        """An answer to each of at most ``most`` questions about a subject, by one request. Raises Malformed."""

    def answers(self, subjects: Sequence[Subject], questions: Sequence[ScoreQuestion]) -> list[list[Answer]]:
        """All questions about a subject in as few requests as the server takes. Raises RewardError for a key or model
        that is refused, and for a server that has not answered ``GIVEN_UP`` times.
        """
        begun = time.monotonic()
        parts = [questions[i : i + self.most] for i in range(0, len(questions), self.most)]

        async def everything() -> list[list[Answer]]:
            limit = asyncio.Semaphore(self.parallel)
            async with client(self.base_url, self.key, self.timeout_s) as server:
                jobs = [self._one(server, limit, s, part) for s in subjects for part in parts]
                return await asyncio.gather(*jobs)

        try:
            found: list[list[Answer]] = run(everything())
        finally:
            self.usage.seconds += time.monotonic() - begun
        rows = [found[i : i + len(parts)] for i in range(0, len(found), len(parts))] if parts else [[]] * len(subjects)
        return [[answer for part in row for answer in part] for row in rows]

    def fingerprint(self) -> str:
        """Of the names of model and server; what is behind them cannot be known."""
        told = json.dumps([self.backend, self.model, self.address, self.size])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    async def _one(
        self, server: openai.AsyncOpenAI, limit: asyncio.Semaphore, subject: Subject, questions: Sequence[ScoreQuestion]
    ) -> list[Answer]:
        async with limit:
            found = await self._patiently(server, subject, questions)
        refused = sum(a.reason == REFUSED for a in found)
        failed = found[0].reason if not refused and all(a.reason for a in found) else ""
        self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
        self.usage.refused += refused
        if self._failed_in_a_row >= GIVEN_UP:
            self._failed_in_a_row = 0
            raise RewardError(f"the model '{self.model}' has not answered {GIVEN_UP} times in a row: {failed}")
        return found

    async def _patiently(
        self, server: openai.AsyncOpenAI, subject: Subject, questions: Sequence[ScoreQuestion]
    ) -> list[Answer]:
        reason = SENSELESS
        for attempt in range(self.retries + 1):
            self.usage.calls += 1
            try:
                return await asyncio.wait_for(self.ask(server, subject, questions), self.timeout_s)
            except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                raise RewardError(f"the server refused the key in {self.key_from} for '{self.model}'") from error
            except openai.NotFoundError as error:
                why = self._said(error)
                raise RewardError(f"the server has no model '{self.model}', or no such address: {why}") from error
            except FAULTS as error:
                self.usage.failed_calls += 1
                if getattr(error, "status_code", 0) == 501:
                    raise RewardError(
                        f"the server cannot answer typed questions with '{self.model}': {self._said(error)}"
                    ) from error
                if passes(error):
                    wait, reason = wait_s(error, attempt), f"the server does not answer: {self._said(error)}"
                    if wait > LONGEST_WAIT_S:
                        break
                    if attempt < self.retries:
                        await asyncio.sleep(wait)
                elif isinstance(error, openai.APIStatusError):
                    reason = f"the server does not take the request: {self._said(error)}"
                    break
                else:
                    reason = self._said(error)
        return [Answer(reason=reason)] * len(questions)

    def _said(self, error: BaseException) -> str:
        """The server's reason, without the key that it may have repeated."""
        return said(error, self.key)

    def count(self, raw: object) -> None:
        """Add the tokens that a server's answer says it has read."""
        tokens = tokens_of(raw)
        self.usage.input_tokens += tokens.read
        self.usage.cached_tokens += tokens.cached


def encoded(image: Image.Image, size: int) -> str:
    """A picture as base64 of a PNG, its longest side at most ``size``."""
    buffer = io.BytesIO()
    shrunk(image, size).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
