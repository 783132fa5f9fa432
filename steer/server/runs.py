"""Runs by steer's own names: start, watch, stop, look, rate. They go on without a client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from steer.config.search import MOST_SEED
from steer.config.strength import StrengthName
from steer.server.access import Caller, caller_of, run_for, service_of, user_for
from steer.server.errors import Fault, fault_of
from steer.server.files import png
from steer.server.images import about
from steer.server.run import Run, Wish, asked, told
from steer.server.service import Service, random_
from steer.server.settings import fitted, read_size
from steer.server.waiting import SSE, answered, changes, sse

router = APIRouter(prefix="/v1/runs")
QUIET_S = 15.0  # a comment is sent at least so often, for proxies that end silent connections


class RunRequest(BaseModel):
    """What to draw. ``budget`` goes before ``quality``; ``learn``: ratings given meanwhile steer the rest.
    ``ask``: questions that the run may ask the user. ``strength``: how far rewrites may leave the prompt.
    """

    model_config = ConfigDict(extra="forbid")

    prompt: str
    user: str | None = None
    quality: str | None = None
    budget: int | None = Field(None, ge=1)
    seed: int | None = Field(None, ge=0, le=MOST_SEED)
    size: str | None = None
    negative_prompt: str | None = None
    learn: bool = False
    ask: int = Field(0, ge=0, le=20)
    strength: StrengthName | None = None


class Rating(BaseModel):
    """How much a user likes a picture, from 1 to 5. ``user``: whose it is, in a run for several."""

    model_config = ConfigDict(extra="forbid")

    picture: int
    score: float = Field(ge=1, le=5)
    user: str | None = None


class Answer(BaseModel):
    """An answer to a question of a run: the index of the picture liked best, or a rating from 1 to 5; null skips."""

    model_config = ConfigDict(extra="forbid")

    question: int
    value: float | None


@router.post("")
async def start(request: Request, body: RunRequest) -> Response:
    """A new run; 202 with its id."""
    service, caller = service_of(request), caller_of(request)
    user = user_for(service, caller, body.user)
    config, settings = service.parts.config, service.settings
    asked = read_size(body.size or "auto")
    wish = Wish(
        prompt=body.prompt,
        user=user,
        budget=body.budget or settings.budget(body.quality, config),
        seed=random_.randint(0, MOST_SEED) if body.seed is None else body.seed,
        size=fitted(asked, config, settings.largest) if asked else None,
        negative=body.negative_prompt,
        partials=10**6,  # after each round
        learn=body.learn,
        ask=body.ask,
        strength=body.strength,
    )
    run = service.start(wish, caller.token.name)
    return JSONResponse(state_of(service, run), 202, {"Location": f"/v1/runs/{run.id}"})


@router.get("")
async def all_runs(request: Request) -> dict[str, Any]:
    """The caller's runs, the newest first."""
    service, caller = service_of(request), caller_of(request)
    own = [run for run in list(service.runs.values()) if caller.sees(run)]
    return {"object": "list", "data": [state_of(service, run) for run in reversed(own)]}


@router.get("/{id_}")
async def state(request: Request, id_: str) -> dict[str, Any]:
    """How far a run is."""
    service, _, run = _found(request, id_)
    return state_of(service, run)


@router.get("/{id_}/events")
async def events(request: Request, id_: str) -> Response:
    """What happens, as server-sent events; ``Last-Event-ID`` goes on behind an event."""
    _, _, run = _found(request, id_)
    last = request.headers.get("last-event-id", "")
    return StreamingResponse(_told(run, request, int(last) + 1 if last.isdecimal() else 0), **SSE)


@router.post("/{id_}/stop")
async def stop(request: Request, id_: str) -> Response:
    """End a run at its next step; what it found stays."""
    service, _, run = _found(request, id_)
    run.stop()
    return JSONResponse(state_of(service, run), 202)


@router.get("/{id_}/result")
async def result(request: Request, id_: str) -> dict[str, Any]:
    """What a run found. 409 while it goes on."""
    service, _, run = _found(request, id_)
    if not run.over:
        raise Fault(409, "the run goes on; watch its events, or stop it", "not_over")
    if run.fault is not None:
        raise fault_of(run.fault)
    found = run.result
    if found is None:
        return {**state_of(service, run), "result": None}
    return {
        **state_of(service, run),
        "result": {
            "why": found.why,
            "warnings": found.warnings,
            "gain": about(run),
            "best": None if found.best is None else _picture(run, found.best.index),
            "original": None if found.first is None else _picture(run, found.first.index),
            "known": [str(taste) for taste in found.tastes],
        },
    }


@router.get("/{id_}/pictures")
async def pictures(request: Request, id_: str) -> dict[str, Any]:
    """Every picture so far."""
    _, _, run = _found(request, id_)
    return {"object": "list", "data": [_picture(run, index) for index in sorted(run.candidates)]}


@router.get("/{id_}/pictures/{index}")
async def picture(request: Request, id_: str, index: int) -> Response:
    """The PNG of a picture."""
    _, _, run = _found(request, id_)
    if index not in run.candidates:
        raise Fault(404, f"the run has no picture {index}", "not_found")
    return Response(await png(run, run.candidates[index]), media_type="image/png")


@router.post("/{id_}/rate")
async def rate(request: Request, id_: str, body: Rating) -> dict[str, Any]:
    """Keep a rating; with ``learn`` it steers the rest of the run, else the next runs."""
    service, caller, run = _found(request, id_)
    user = _rater(service, caller, run, body.user)
    await answered(service.rate(run, body.picture, body.score, user))
    return {"user": user, "picture": body.picture, "score": body.score, "counts_now": run.wish.learns and not run.over}


@router.post("/{id_}/answer")
async def answer(request: Request, id_: str, body: Answer) -> dict[str, Any]:
    """Answer a question of the run; the next round takes it into account. 409 where it is answered, or the run over."""
    service, caller, run = _found(request, id_)
    question = run.questions.get(body.question)
    if question is None:
        raise Fault(404, f"the run has asked no question {body.question}", "not_found")
    _rater(service, caller, run, question.user)
    if not question.answer(body.value):
        raise Fault(409, "this question is no longer open", "not_open")
    return {"user": question.user, "question": question.number, "value": body.value}


@router.get("/{id_}/questions")
async def questions(request: Request, id_: str) -> dict[str, Any]:
    """What the run would like to know now: with ``ask`` its open question, for ``answer``; with ``learn`` pictures to
    rate, by ``rate``. Empty where no answer could change it.
    """
    service, _, run = _found(request, id_)
    if run.wish.ask:
        question = run.open_question()
        return {"object": "list", "data": [asked(question)] if question else [], "asks": not run.over}
    asks = run.wish.learn and not run.over and service.rates(run.users) is not None
    found = [{"kind": "rate", "picture": _picture(run, i)} for i in service.unsure(run)] if asks else []
    return {"object": "list", "data": found, "asks": asks}


def _found(request: Request, id_: str) -> tuple[Service, Caller, Run]:
    service, caller = service_of(request), caller_of(request)
    return service, caller, run_for(service, caller, id_)


def _rater(service: Service, caller: Caller, run: Run, named: str | None) -> str:
    """Whose a rating is. Raises Fault for somebody whose ratings are not kept, or who is not of the run."""
    if named is not None and named not in run.users:
        raise Fault(403, "only the people of a run rate its pictures", "forbidden_user", "user")
    user = service.rates([named] if named else run.users)
    if user is None or not caller.token.allows([user]):
        raise Fault(
            400, "people of a data set, and 'average', are read-only: nothing can be rated", "read_only", "user"
        )
    return user


def state_of(service: Service, run: Run) -> dict[str, Any]:
    """How far a run is, as these routes say it. ``name``: of its folder, once it has begun."""
    return {
        "id": run.id,
        "object": "run",
        "name": run.at,
        "state": run.state,
        "user": run.wish.user,
        "prompt": run.wish.prompt,
        "budget": run.wish.budget,
        "seed": run.wish.seed,
        "learn": run.wish.learn or run.wish.ask > 0,
        "ask": run.wish.ask,
        "created": int(run.created),
        "before": service.queue.place(run.job) if run.job and run.state == "waiting" else None,
        "progress": round(run.progress(), 3),
        "pictures": len(run.candidates),
        "error": str(fault_of(run.fault)) if run.fault else None,
    }


def _picture(run: Run, index: int) -> dict[str, Any]:
    return {**told(run.candidates[index]), "url": f"/v1/runs/{run.id}/pictures/{index}"}


async def _told(run: Run, request: Request, begin: int) -> AsyncIterator[str]:
    """Events from a number on, until the run is over and all are told."""
    seen, quiet = begin, 0.0
    async for count in changes(run, request, leaves=False, look_s=1.0):
        for event in run.events[seen:count]:
            yield sse(json.dumps(event), event["event"], event["id"])
        quiet = 0.0 if count > seen else quiet + 1.0
        seen = max(seen, count)
        if quiet >= QUIET_S:
            quiet = 0.0
            yield ": still there\n\n"
