"""Chat completions as a personal prompt enhancer: a text in, its rewrite for a person out. Nothing is drawn.

The person is in the model's name (``miniature/u17``) or in ``user``. Instructions of the client are not needed: the
last message of the user is the prompt. SGLang sends it as JSON with a field "prompt".
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from reward_models.doors import parse_json
from steer.config.search import MOST_SEED
from steer.run.enhance import Enhanced
from steer.server.access import caller_of, service_of, user_for
from steer.server.errors import Fault
from steer.server.models import person_in
from steer.server.waiting import SSE, answered, sse
from steer.words import check_prompt

router = APIRouter()
NO_TOKENS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}  # texts are not counted so


class Message(BaseModel):
    """One message; of parts, the texts are read."""

    model_config = ConfigDict(extra="ignore")

    role: str
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """What it says."""
        if isinstance(self.content, str):
            return self.content
        return " ".join(str(part.get("text", "")) for part in self.content or [] if part.get("type") == "text")


class ChatRequest(BaseModel):
    """The body; what tells a language model how to write is ignored."""

    model_config = ConfigDict(extra="ignore")

    model: str
    messages: list[Message]
    user: str | None = None
    n: int | None = Field(1, ge=1, le=16)
    stream: bool | None = False
    seed: int | None = Field(None, ge=0, le=MOST_SEED)


@router.post("/v1/chat/completions")
async def completions(request: Request, body: ChatRequest) -> Response:
    """The most promising rewrites of the last user message."""
    service, caller = service_of(request), caller_of(request)
    user = user_for(service, caller, body.user, person_in(service, body.model))
    prompt = check_prompt(prompt_of(body.messages))
    found = await answered(service.enhance(prompt, user, body.n or 1, body.seed))
    found = found or [Enhanced(prompt, None)]  # nothing better is known
    id_, model = f"chatcmpl-{secrets.token_hex(8)}", body.model
    if body.stream:
        return StreamingResponse(_chunks(found, id_, model), **SSE)
    choices = [
        {"index": i, "message": {"role": "assistant", "content": e.text}, "finish_reason": "stop", "logprobs": None}
        for i, e in enumerate(found)
    ]
    said = {"id": id_, "object": "chat.completion", "created": int(time.time()), "model": model, "choices": choices}
    steer = {"user": user, "expected_liking": [e.expected for e in found]}
    return JSONResponse({**said, "usage": NO_TOKENS, "steer": steer})


def prompt_of(messages: list[Message]) -> str:
    """The prompt in a conversation. Raises Fault where there is none."""
    text = next((m.text for m in reversed(messages) if m.role == "user"), "")
    if not text.strip():
        raise Fault(400, "there is no message of the user with a text", "invalid_value", "messages")
    if text.lstrip().startswith("{"):
        try:
            found = parse_json(text)
        except ValueError:
            return text
        if isinstance(found, dict) and isinstance(found.get("prompt"), str):
            return str(found["prompt"])
    return text


def _chunks(found: list[Enhanced], id_: str, model: str) -> Iterator[str]:
    head = {"id": id_, "object": "chat.completion.chunk", "created": int(time.time()), "model": model}
    for i, each in enumerate(found):
        delta = {"role": "assistant", "content": each.text}
        yield sse(json.dumps({**head, "choices": [{"index": i, "delta": delta, "finish_reason": None}]}))
        yield sse(json.dumps({**head, "choices": [{"index": i, "delta": {}, "finish_reason": "stop"}]}))
    yield sse("[DONE]")
