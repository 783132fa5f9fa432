"""One OpenAI-compatible endpoint: asked several things at once, patiently, within a budget, and counted.

Works with OpenAI, vLLM, llama.cpp, Ollama, LM Studio. Keys come from the environment and go nowhere else: no
message of this module holds a header or a body.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import openai
from openai.types.chat import ChatCompletion

from reward_models.remote import AGAIN, LONGEST_WAIT_S, run, said, wait_s
from steer.errors import ProposerBudgetSpent, ProposerError
from steer.proposers.backend import Backend, Message
from steer.proposers.usage import Limits, Usage

log = logging.getLogger(__name__)

OPTIONAL = ("temperature", "seed")  # left out where a model takes no choice of them
MODES = ("json_schema", "tool", "json_object", "text")  # how an answer's form is asked for, the strictest first


@dataclass
class Endpoint(Backend):
    """``model`` at ``base_url`` (default: OpenAI). ``mode``, ``length`` and ``left_out`` are found out: a server that
    refuses one form is asked in the next, and without a field that it refuses. What was found out is kept.

    ``length``: the field for the most tokens of an answer. ``left_out``: fields that the model does not take.
    """

    model: str
    key: str = field(repr=False)
    key_from: str = ""
    base_url: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)  # of every request, as it is
    limits: Limits = field(default_factory=Limits)
    usage: Usage = field(default_factory=Usage)
    mode: str = MODES[0]
    length: str = "max_tokens"  # OpenAI's newer models want max_completion_tokens, older servers know only this
    left_out: frozenset[str] = frozenset()

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
            async with openai.AsyncOpenAI(
                api_key=self.key, base_url=self.base_url, timeout=self.limits.timeout_s, max_retries=0
            ) as client:
                asked = [
                    self._ask_one(client, q, schema, temperature, seed, max_tokens)
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
        client: openai.AsyncOpenAI,
        messages: Sequence[Message],
        schema: dict[str, Any],
        temperature: float,
        seed: int,
        max_tokens: int,
    ) -> str:
        question: Any = list(messages)
        attempt = 0
        while True:
            self.limits.check(self.usage)
            self.usage.calls += 1
            mode, fields = self.mode, self._fields(temperature, seed, max_tokens)
            try:
                completion = await asyncio.wait_for(
                    client.chat.completions.create(
                        model=self.model,
                        messages=question,
                        extra_body={**fields, **self.extra},
                        **_form(mode, schema),
                    ),
                    self.limits.timeout_s,
                )
                return self._taken(completion)
            except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
                raise ProposerError(f"the chat model '{self.model}' refused the key in {self.key_from}") from error
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                self.usage.failed_calls += 1
                if self._without(_refused_field(error, fields)):
                    continue
                if mode == MODES[-1]:
                    raise self._gone(error) from error
                if self.mode == mode:  # no other question has moved on meanwhile
                    self.mode = MODES[MODES.index(mode) + 1]
                    log.info(
                        "the server does not take '%s' (%s); asking for '%s'", mode, self._reason(error), self.mode
                    )
                continue  # finding out the form is no failed attempt
            except openai.NotFoundError as error:
                self.usage.failed_calls += 1
                raise self._gone(error) from error
            except AGAIN as error:
                self.usage.failed_calls += 1
                wait = wait_s(error, attempt)
                if attempt == self.limits.retries or wait > LONGEST_WAIT_S:
                    raise self._gone(error, wait) from error
                await asyncio.sleep(wait)
            except (openai.OpenAIError, ValueError) as error:  # an answer that is no completion
                self.usage.failed_calls += 1
                if attempt == self.limits.retries:
                    raise self._gone(error) from error
            attempt += 1

    def _fields(self, temperature: float, seed: int, max_tokens: int) -> dict[str, Any]:
        """What a request asks for besides its form, by the fields that this server takes."""
        fields = {"temperature": temperature, "seed": seed, self.length: max_tokens}
        if "max_completion_tokens" in self.extra:  # set by hand; servers refuse both at once
            fields.pop("max_tokens", None)
        return {name: value for name, value in fields.items() if name not in self.left_out}

    def _without(self, field: str | None) -> bool:
        """Ask without ``field`` from now on. False where there is nothing to ask without."""
        if field is None:
            return False
        if field == "max_tokens":
            self.length = "max_completion_tokens"
        else:
            self.left_out |= {field}
        log.info("the chat model '%s' does not take the field %s", self.model, field)
        return True

    def _reason(self, error: BaseException) -> str:
        """The server's own words, one bounded line without the key."""
        words = said(error)
        for shown in range(len(self.key), 7, -1):  # a long message may be cut within the key
            words = words.replace(self.key[:shown], "...")
        return words

    def _taken(self, completion: ChatCompletion) -> str:
        """The text of a completion, its tokens counted."""
        if usage := getattr(completion, "usage", None):
            self.usage.prompt_tokens += usage.prompt_tokens or 0
            self.usage.completion_tokens += usage.completion_tokens or 0
        choices = getattr(completion, "choices", None)
        if not choices or choices[0].message is None:
            return ""
        message = choices[0].message
        if calls := getattr(message, "tool_calls", None):
            return calls[0].function.arguments or ""
        return message.content or ""

    def _gone(self, error: BaseException, wait_s: float = 0.0) -> ProposerError:
        long = f", which asks to wait {wait_s:.0f} s," if wait_s > LONGEST_WAIT_S else ""
        return ProposerError(
            f"the chat model '{self.model}'{long} does not answer: {self._reason(error)}; "
            "try again, or --set proposer=lexical"
        )


def _refused_field(error: openai.APIStatusError, sent: dict[str, Any]) -> str | None:
    """Which of the fields that were ``sent`` a 400 is about, as OpenAI and servers like it say so; None for others."""
    words = said(error)
    for name in ("max_tokens", *OPTIONAL):
        if name in sent and (error.param == name or f"'{name}'" in words):
            return name
    return None


def _form(mode: str, schema: dict[str, Any]) -> dict[str, Any]:
    """How each mode asks for the schema."""
    if mode == "json_schema":
        return {
            "response_format": {"type": mode, "json_schema": {"name": "rewrites", "schema": schema, "strict": True}}
        }
    if mode == "tool":
        function = {"name": "rewrites", "description": "Give the rewrites.", "parameters": schema}
        choice = {"type": "function", "function": {"name": "rewrites"}}
        return {"tools": [{"type": "function", "function": function}], "tool_choice": choice}
    return {"response_format": {"type": "json_object"}} if mode == "json_object" else {}


def as_schema(items: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of an object with a list ``rewrites`` of ``items``, closed as strict servers want it."""
    schema: dict[str, Any] = json.loads(
        json.dumps(
            {
                "type": "object",
                "properties": {"rewrites": {"type": "array", "items": items}},
                "required": ["rewrites"],
                "additionalProperties": False,
            }
        )
    )
    return schema
