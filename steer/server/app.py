"""All routes of a server in one ASGI app, behind its gate."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI, Request
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from steer.server import chat, files, images, models, runs, sdapi
from steer.server.access import Gate, service_of
from steer.server.errors import install
from steer.server.files import Signer
from steer.server.service import Service
from steer.server.tokens import Tokens

plain = APIRouter()


@plain.get("/health")
async def health(request: Request) -> Response:
    """Whether it draws, and how many wait; open to whoever reaches the server."""
    service = service_of(request)
    closed = service.queue.closed
    state = {"status": "stopping" if closed else "ok", "model": service.name, "waiting": service.queue.waiting}
    return JSONResponse(state, 503 if closed else 200)


@plain.get("/metrics")
async def metrics(request: Request) -> Response:
    """Counts for Prometheus."""
    return Response(service_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def create_app(service: Service, tokens: Tokens, host: str = "127.0.0.1", more: Sequence[APIRouter] = ()) -> ASGIApp:
    """The app of a service. ``host``: where it listens. ``more``: further routes, behind the same gate."""
    app = FastAPI(openapi_url=None)
    app.state.service, app.state.signer = service, Signer()
    install(app)
    for router in (plain, images.router, models.router, chat.router, sdapi.router, runs.router, files.router, *more):
        app.include_router(router)
    settings = service.settings
    gated = Gate(app, tokens, service.metrics, host, settings.names, settings.origins)
    if not settings.origins:
        return gated
    headers, methods = ["authorization", "content-type"], ["GET", "POST", "DELETE"]
    return CORSMiddleware(gated, settings.origins, allow_methods=methods, allow_headers=headers)
