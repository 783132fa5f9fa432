"""One OpenAI-compatible endpoint: asked several things at once, patiently, within a budget, and counted.

Works with OpenAI, vLLM, llama.cpp, Ollama, LM Studio. Keys come from the environment and go nowhere else: no
message of this module holds a header or a body.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import openai

from reward_models.remote import (
    FAULTS,
    LONGEST_WAIT_S,
    Completion,
    client,
    completion_of,
    hidden,
    json_of,
    passes,
    run,
    said,
    tokens_of,
    wait_s,
)
from steer.errors import ProposerBudgetSpent, ProposerError
from steer.proposers.backend import Backend, Message
from steer.proposers.dialect import MORE, Dialect, Request
from steer.proposers.parsing import without_thoughts
from steer.proposers.usage import Limits, Usage

log = logging.getLogger(__name__)


@dataclass
class Endpoint(Backend):
    """``model`` at ``base_url`` (default: OpenAI). ``extra``: fields of every request, as they are. ``asked_for``: the
    name of what an answer holds; ``way_out``: what a message says that can be done where nobody answers.

    A server that refuses a form or field is asked in another way, and what was found out is kept in ``dialect``.
    """

    model: str
    key: str = field(repr=False)
    key_from: str = ""
    base_url: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    usage: Usage = field(default_factory=Usage)
    asked_for: str = "rewrites"
    way_out: str = "; try again, or --set proposer=lexical"
    dialect: Dialect = field(init=False)

    def __post_init__(self) -> None:
        self.dialect = Dialect(self.extra, self.asked_for)

    def ask(
        self,
        questions: Sequence[Sequence[Message]],
        schema: dict[str, Any],
        temperature: float,
        seeds: Sequence[int],
        max_tokens: int,
    ) -> list[str]:
        """One answer a question, in order, all asked at once; an answer that was lost is "" and is said.

        Raises ProposerError when every one was lost, and ProposerBudgetSpent before a question that the budget forbids.
        """
        self.limits.check(self.usage)
        begun = time.monotonic()

        async def everything() -> list[str | BaseException]:
            async with client(self.base_url, self.key, self.limits.timeout_s) as server:
                asked = [
                    self._ask_one(server, q, schema, temperature, seed, max_tokens)
                    for q, seed in zip(questions, seeds, strict=True)
                ]
                return await asyncio.gather(*asked, return_exceptions=True)

        try:
            answers = run(everything())
        finally:
            self.usage.seconds += time.monotonic() - begun
        lost = [a for a in answers if isinstance(a, BaseException)]
        for error in lost:
            if not isinstance(error, (ProposerError, ProposerBudgetSpent)):
                raise error
        if len(lost) == len(answers):
            raise lost[0]
        for error in lost:
            log.warning("one of %d questions was lost: %s", len(answers), error)
        return ["" if isinstance(a, BaseException) else a for a in answers]

    async def _ask_one(
        self,
        server: openai.AsyncOpenAI,
        messages: Sequence[Message],
        schema: dict[str, Any],
        temperature: float,
        seed: int,
        max_tokens: int,
    ) -> str:
        attempt = 0
        while True:
            self.limits.check(self.usage)
            sent = self.dialect.request(self.model, messages, schema, temperature, seed, max_tokens)
            self.usage.calls += 1
            try:
                done = await asyncio.wait_for(self._completed(server, sent), self.limits.timeout_s)
                if without_thoughts(done.text):
                    return done.text
                if done.cut:  # all of it went into reasoning: finding out the room is no failed attempt
                    self._needs_room(sent)
                    continue
                if not done.refusal:
                    return ""
                if attempt == self.limits.retries:
                    raise ProposerError(f"the chat model '{self.model}' refuses: {hidden(done.refusal, self.key)}")
                self.usage.failed_calls += 1
            except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                raise ProposerError(f"the chat model '{self.model}' refused the key in {self.key_from}") from error
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                self.usage.failed_calls += 1
                if self.dialect.less_room(error, sent):
                    self._needs_room(sent)
                if not self.dialect.learned(error, sent):
                    raise self._gone(error) from error
                continue  # finding out what it takes is no failed attempt
            except FAULTS as error:
                self.usage.failed_calls += 1
                wait = wait_s(error, attempt) if passes(error) else 0.0
                final = isinstance(error, openai.APIStatusError) and not passes(error)
                if attempt == self.limits.retries or wait > LONGEST_WAIT_S or final:
                    raise self._gone(error, wait) from error
                await asyncio.sleep(wait)
            attempt += 1

    async def _completed(self, server: openai.AsyncOpenAI, sent: Request) -> Completion:
        """The answer to one request, its tokens counted. Raises Malformed, and the client's errors."""
        raw = json_of(await server.post("/chat/completions", body=sent.body, cast_to=object))
        tokens = tokens_of(raw)
        self.usage.prompt_tokens += tokens.read
        self.usage.completion_tokens += tokens.written
        return completion_of(raw)

    def _needs_room(self, sent: Request) -> None:
        """After an answer that was reasoning alone, to the end of its length. Raises ProposerError where it may not be
        longer, and ProposerBudgetSpent where that would be more than the budget leaves.
        """
        spent = f"the chat model '{self.model}' reasons through all {sent.length} tokens of an answer"
        left = self.limits.tokens_left(self.usage)
        if left is not None and left < MORE * sent.length:
            raise ProposerBudgetSpent(
                f"{spent}, and the {left} that {self.limits.section}.max_tokens leaves are too few for more"
            )
        if not self.dialect.more_room(sent):
            raise ProposerError(
                f"{spent} and writes nothing; raise {self.limits.section}.max_answer_tokens, or let it reason less, "
                f"for example --set {self.limits.section}.extra={{reasoning_effort: low}}"
            )
        log.warning("%s; asking again with %d times as many", spent, self.dialect.room)

    def _gone(self, error: BaseException, wait_s: float = 0.0) -> ProposerError:
        long = f", which asks to wait {wait_s:.0f} s," if wait_s > LONGEST_WAIT_S else ""
        return ProposerError(
            f"the chat model '{self.model}'{long} does not answer: {said(error, self.key)}{self.way_out}"
        )
