"""The page's routes, and the server with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from steer.config.strength import STRENGTHS
from steer.server.access import caller_of
from steer.server.app import create_app
from steer.server.errors import Fault
from steer.server.service import Service
from steer.server.tokens import Tokens
from steer.ui.batches import BatchRoutes
from steer.ui.history import History
from steer.ui.people import PeopleRoutes
from steer.ui.room import Room
from steer.ui.runs import RunRoutes
from steer.ui.thumbnails import Thumbnails
from steer.users.interview import ANCHORS

PAGE = Path(__file__).parent / "page"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
DIALS = {  # of the page, by strength
    "light": "only the light changes",
    "gentle": "light, colours, mood and style",
    "free": "also framing and viewpoint",
    "surprise": "anything but the subject",
}


@dataclass(frozen=True)
class Ui:
    """The app, and where its page is: ``room`` is the path below which it lies."""

    app: Room
    batches: BatchRoutes

    @property
    def room(self) -> str:
        """As "/x/"."""
        return self.app.path


class PageRoutes:
    """The files of the page, and what it asks for when it opens."""

    def __init__(self, service: Service):
        self.service = service
        self.router = router = APIRouter(prefix="/ui")
        router.get("/")(self.page)
        router.get("/page/{name}")(self.file)
        router.get("/start")(self.start)

    async def page(self) -> Response:
        """The page."""
        return FileResponse(PAGE / "index.html", media_type="text/html")

    async def file(self, name: str) -> Response:
        """A file of the page."""
        path = PAGE / name
        if "/" in name or path.suffix not in KINDS or not path.is_file():
            raise Fault(404, "there is nothing at this address", "not_found")
        return FileResponse(path, media_type=KINDS[path.suffix], headers={"Cache-Control": "no-cache"})

    async def start(self, request: Request) -> dict[str, Any]:
        """What the page needs to know first."""
        service, token = self.service, caller_of(request).token
        config = service.parts.config
        return {
            "preset": service.name,
            "budget": config.search.budget,
            "most": service.settings.most(config),
            "strength": config.search.strength,
            "strengths": {name: DIALS[name] for name in STRENGTHS},
            "everybody": token.users is None,
            "anchors": ANCHORS,
            "teaches": service.parts.reward.teacher is not None,
            "out": service.settings.out.name,
        }


def create_ui(service: Service, tokens: Tokens, host: str = "127.0.0.1") -> Ui:
    """The server's own routes and the page's, for whoever has a token of ``tokens``."""
    history, thumbnails = History(service.settings.out), Thumbnails()
    batches = BatchRoutes(service, history, thumbnails)
    routes = (
        PageRoutes(service),
        RunRoutes(service, history, thumbnails),
        PeopleRoutes(service, history, thumbnails),
        batches,
    )
    served = create_app(service, tokens, host, [each.router for each in routes])
    return Ui(Room(served, tokens, host), batches)
