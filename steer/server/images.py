"""OpenAI's images API: ``user`` decides the taste."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from steer.config.search import MOST_SEED
from steer.server.access import caller_of, service_of, user_for
from steer.server.errors import Fault, answer, fault_of
from steer.server.files import Signer, png, size_of
from steer.server.models import person_in
from steer.server.run import Run, Wish, chosen, number
from steer.server.service import Service, random_
from steer.server.settings import fitted, read_size
from steer.server.waiting import SSE, changes, sse, until_over
from steer.types import Candidate

router = APIRouter()
NO_TOKENS = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}  # pictures are not counted so


class ImageRequest(BaseModel):
    """The body of OpenAI's API, and ``seed``, which it has not. What concerns its own models alone is ignored."""

    model_config = ConfigDict(extra="ignore")

    prompt: str
    model: str | None = None
    user: str | None = None
    n: int | None = Field(1, ge=1, le=10)
    size: str | None = None
    quality: str | None = None
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Literal["png"] | None = None
    stream: bool | None = False
    partial_images: int | None = Field(0, ge=0, le=16)
    seed: int | None = Field(None, ge=0, le=MOST_SEED)


@router.post("/v1/images/generations")
async def generations(request: Request, body: ImageRequest) -> Response:
    """Draw for a user; the answer has the n best pictures and their texts."""
    service, caller = service_of(request), caller_of(request)
    person = person_in(service, body.model)
    user = user_for(service, caller, body.user, person)
    run = service.start(wish_of(service, body, user), caller.token.name)
    if body.stream:
        return StreamingResponse(_streamed(run, request), **SSE)
    await until_over(run, request)
    return JSONResponse(await _answer(run, body, request))


def wish_of(service: Service, body: ImageRequest, user: str) -> Wish:
    """What the body asks for. Raises UsageError."""
    config, settings = service.parts.config, service.settings
    n = body.n or 1
    asked = read_size(body.size or "auto")
    return Wish(
        prompt=body.prompt,
        user=user,
        budget=max(n, settings.budget(body.quality, config)),
        seed=random_.randint(0, MOST_SEED) if body.seed is None else body.seed,
        size=fitted(asked, config, settings.largest) if asked else None,
        n=n,
        partials=(body.partial_images or 0) if body.stream else 0,
    )


async def best_of(run: Run) -> list[Candidate]:
    """The pictures to answer with. Raises Fault where there is none."""
    found = chosen(run.result, run.wish.n) if run.result is not None else []
    if not found:
        reasons = [c.reason for c in run.candidates.values() if c.reason]
        why = f": {reasons[0]}" if reasons else ""
        raise Fault(500, f"no picture could be drawn{why}", "no_picture")
    return found


def about(run: Run) -> dict[str, Any]:
    """What an answer says of its run, beside what the dialect has."""
    compared = run.result.comparison if run.result else None
    return {
        "run": run.id,
        "user": run.wish.user,
        "pictures": len(run.candidates),
        "liking": number(compared.best) if compared else None,
        "liking_of_prompt": number(compared.original) if compared else None,
    }


async def _answer(run: Run, body: ImageRequest, request: Request) -> dict[str, Any]:
    data: list[dict[str, Any]] = []
    size = ""
    for candidate in await best_of(run):
        content = await png(run, candidate)
        size = size or size_of(content)
        data.append({"revised_prompt": candidate.rewrite.text, **_where(run, candidate, content, body, request)})
    return {
        "created": int(time.time()),
        "data": data,
        "size": size,
        "output_format": "png",
        "usage": NO_TOKENS,
        "steer": about(run),
    }


def _where(run: Run, candidate: Candidate, content: bytes, body: ImageRequest, request: Request) -> dict[str, str]:
    if body.response_format == "url":
        signer: Signer = request.app.state.signer
        return {"url": str(request.base_url).rstrip("/") + signer.path(run, candidate.index)}
    return {"b64_json": base64.b64encode(content).decode()}


async def _streamed(run: Run, request: Request) -> AsyncIterator[str]:
    """The best so far after rounds, then the best."""
    seen = 0
    async for count in changes(run, request):
        for event in run.events[seen:count]:
            if event["event"] == "partial":
                yield await _partial(run, event)
        seen = count
    try:
        if run.fault is not None:
            raise fault_of(run.fault)
        for candidate in await best_of(run):
            content = await png(run, candidate)
            done = _picture(content, "image_generation.completed") | {
                "revised_prompt": candidate.rewrite.text,
                "usage": NO_TOKENS,
                "steer": about(run),
            }
            yield sse(json.dumps(done), "image_generation.completed")
    except Fault as fault:
        said = bytes(answer("/v1", fault).body).decode()
        yield sse(said, "error")


async def _partial(run: Run, event: dict[str, Any]) -> str:
    content = await png(run, run.candidates[event["index"]])
    partial = _picture(content, "image_generation.partial_image") | {
        "partial_image_index": event["number"],
        "revised_prompt": event["text"],
    }
    return sse(json.dumps(partial), "image_generation.partial_image")


def _picture(content: bytes, kind: str) -> dict[str, Any]:
    return {
        "type": kind,
        "b64_json": base64.b64encode(content).decode(),
        "created_at": int(time.time()),
        "size": size_of(content),
        "quality": "auto",
        "background": "opaque",
        "output_format": "png",
    }
