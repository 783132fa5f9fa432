"""Models as OpenAI's clients list them: the server's own, and it again for each person: ``miniature/u17``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from steer.server.access import Caller, caller_of, service_of
from steer.server.errors import Fault
from steer.server.service import Service
from steer.users.ids import AVERAGE

router = APIRouter()
LISTED = 1000  # people
OF_OPENAI = ("dall-e-", "gpt-image-", "chatgpt-image")  # names that clients send unasked: they mean the server's model


@router.get("/v1/models")
async def models(request: Request) -> dict[str, Any]:
    """What a caller may ask for."""
    service, caller = service_of(request), caller_of(request)
    names = [service.name, *(f"{service.name}/{user}" for user in listed(service, caller))]
    return {"object": "list", "data": [_model(name) for name in names]}


@router.get("/v1/models/{name:path}")
async def model(request: Request, name: str) -> dict[str, Any]:
    """One of them."""
    service, caller = service_of(request), caller_of(request)
    user = person_in(service, name)
    if user is not None and user not in listed(service, caller):
        raise _no_model(name)
    return _model(name)


def listed(service: Service, caller: Caller) -> list[str]:
    """The users a caller may draw for."""
    if caller.person is not None:
        return [caller.person]
    return [AVERAGE, *(u for u in service.users() if caller.token.allows([u]))][:LISTED]


def person_in(service: Service, name: str | None) -> str | None:
    """The person in a model's name, None for none. Raises Fault for a model that this server is not."""
    if not name or name.startswith(OF_OPENAI):
        return None
    if name == service.name:
        return None
    if name.startswith(f"{service.name}/"):
        return name.removeprefix(f"{service.name}/")
    raise _no_model(name)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "steer"}


def _no_model(name: str) -> Fault:
    return Fault(404, f"the model '{name[:80]}' does not exist; /v1/models lists them", "model_not_found", "model")
