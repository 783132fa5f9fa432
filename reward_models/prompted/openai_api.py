"""OpenAI's Decisions API, and servers that speak it (SGLang, LiteLLM): many questions about one picture at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import openai

from reward_models.base import RewardError
from reward_models.prompted.answers import SENSELESS, answer_of
from reward_models.prompted.decider import Answer, Subject
from reward_models.prompted.question import ScoreQuestion, described
from reward_models.prompted.remote import Malformed, RemoteDecider, encoded


class OpenAIDecider(RemoteDecider):
    """By ``client.decisions.create``. Raises RewardError for an openai package without it."""

    backend = "decisions"
    most = 400

    def __init__(self, *args: Any, **told: Any):
        super().__init__(*args, **told)
        if not hasattr(openai.AsyncOpenAI, "decisions"):
            raise RewardError(
                f"openai {openai.__version__} has no Decisions API; install a newer one: pip install -U openai"
            )

    async def ask(
        self, client: openai.AsyncOpenAI, subject: Subject, questions: Sequence[ScoreQuestion]
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
        decision = await client.decisions.create(model=self.model, input=[message], questions=asked)
        told = decision.to_dict(mode="json") if isinstance(decision, openai.BaseModel) else None
        answers = told.get("answers") if told else None
        if told is None or not isinstance(answers, list):
            raise Malformed(SENSELESS)
        self.count(told.get("usage"))
        named = {a.get("name"): a for a in answers if isinstance(a, dict) and isinstance(a.get("name"), str)}
        in_order = dict(enumerate(answers)) if not named and len(answers) == len(questions) else {}
        return [answer_of(named.get(f"q{i}", in_order.get(i)), q) for i, q in enumerate(questions)]
