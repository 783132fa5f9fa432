"""Servers of one's own: System One's typed questions, and chat completions that show their logprobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import openai

from reward_models.base import RewardError
from reward_models.prompted.answers import answer_of, answer_of_logprobs
from reward_models.prompted.decider import Answer, Subject
from reward_models.prompted.local import PICTURE
from reward_models.prompted.question import ScoreQuestion, described
from reward_models.prompted.remote import RemoteDecider, encoded
from reward_models.remote import SENSELESS, Malformed, completion_of, json_of, said


class SystemOneDecider(RemoteDecider):
    """``POST /systemone``, as ``transformers serve`` and llama.cpp's server have it."""

    backend = "systemone"
    most = 64

    async def ask(
        self, server: openai.AsyncOpenAI, subject: Subject, questions: Sequence[ScoreQuestion]
    ) -> list[Answer]:
        """One request for all of them."""
        body: dict[str, Any] = {
            "model": self.model,
            "state": described(subject).replace(PICTURE, "picture") if isinstance(subject, str) else PICTURE,
            "questions": {
                f"q{i}": {
                    "type": "score",
                    "instructions": q.instructions.replace(PICTURE, "picture"),
                    "criteria": q.criteria,
                }
                for i, q in enumerate(questions)
            },
        }
        if not isinstance(subject, str):
            picture = {"type": "image", "format": "png", "data_base64": encoded(subject, self.size)}
            body["assets"] = {PICTURE: picture}
        told = json_of(await server.post("/systemone", body=body, cast_to=object))
        if not isinstance(told, dict) or not isinstance(told.get("answers"), dict):
            raise Malformed(SENSELESS)
        self.count(told)
        return [answer_of(told["answers"].get(f"q{i}"), q) for i, q in enumerate(questions)]


class ChatDecider(RemoteDecider):
    """Chat completions: the levels' numbers among the likeliest next words. Raises RewardError for a server that gives
    no logprobs.
    """

    backend = "chat"
    limit = "max_tokens"  # what the server calls the length of an answer; found out

    async def ask(
        self, server: openai.AsyncOpenAI, subject: Subject, questions: Sequence[ScoreQuestion]
    ) -> list[Answer]:
        """One request for the one question."""
        (question,) = questions
        levels = "\n".join(f"{label}: {description}" for label, description in question.levels)
        first, last = question.levels[0][0], question.levels[-1][0]
        asked = (
            f"{question.instructions}\n{levels}\n"
            f"Answer with the number of the level that fits best ({first} to {last}) only."
        )
        content: Any
        if isinstance(subject, str):
            content = f"{described(subject)}\n\n{asked}"
        else:
            url = f"data:image/png;base64,{encoded(subject, self.size)}"
            content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": asked}]
        messages: Any = [{"role": "user", "content": content}]
        raw = await self._completed(server, messages)
        self.count(raw)
        words = completion_of(raw).next_words
        if words is None:
            raise RewardError(
                f"the server gives no logprobs for '{self.model}'; ask one with /v1/decisions or /v1/systemone"
            )
        return [answer_of_logprobs(words, question)]

    async def _completed(self, server: openai.AsyncOpenAI, messages: Any) -> Any:
        body = {"model": self.model, "messages": messages, "logprobs": True, "top_logprobs": 20, "temperature": 1.0}
        try:
            return json_of(await server.post("/chat/completions", body={**body, self.limit: 1}, cast_to=object))
        except openai.BadRequestError as error:
            if self.limit == "max_tokens" and "max_completion_tokens" in said(error):
                self.limit = "max_completion_tokens"
                return await self._completed(server, messages)
            raise
