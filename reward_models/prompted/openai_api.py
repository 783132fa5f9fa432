"""OpenAI's Decisions API, and servers that speak it (SGLang, LiteLLM): many questions about one picture at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import openai

from reward_models.prompted.answers import answer_of
from reward_models.prompted.decider import Answer, Subject
from reward_models.prompted.question import ScoreQuestion, described
from reward_models.prompted.remote import RemoteDecider, encoded
from reward_models.remote import SENSELESS, Malformed, json_of


class OpenAIDecider(RemoteDecider):
    """``POST /decisions``."""

    backend = "decisions"
    most = 400

    async def ask(
        self, server: openai.AsyncOpenAI, subject: Subject, questions: Sequence[ScoreQuestion]
    ) -> list[Answer]:
        """One request for all of them."""
        asked: Any = [
            {
                "type": "score",
                "name": f"q{i}",
                "instructions": q.instructions,
                "levels": [{"label": label, "description": description} for label, description in q.levels],
            }
            for i, q in enumerate(questions)
        ]
        part = (
            {"type": "input_text", "text": described(subject)}
            if isinstance(subject, str)
            else {"type": "input_image", "image_url": f"data:image/png;base64,{encoded(subject, self.size)}"}
        )
        message: Any = {"role": "user", "content": [part]}
        body = {"model": self.model, "input": [message], "questions": asked}
        told = json_of(await server.post("/decisions", body=body, cast_to=object))
        answers = told.get("answers") if isinstance(told, dict) else None
        if not isinstance(answers, list):
            raise Malformed(SENSELESS)
        self.count(told)
        named = {a.get("name"): a for a in answers if isinstance(a, dict) and isinstance(a.get("name"), str)}
        in_order = dict(enumerate(answers)) if not named and len(answers) == len(questions) else {}
        return [answer_of(named.get(f"q{i}", in_order.get(i)), q) for i, q in enumerate(questions)]
