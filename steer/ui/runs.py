"""Stored runs: list, look, rate, keep as a favourite, go on with, export."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response, StreamingResponse

from reward_models.doors import Unreadable, read_bytes
from steer.errors import UsageError
from steer.server.errors import Fault
from steer.server.runs import state_of
from steer.server.service import Service
from steer.server.waiting import answered
from steer.ui.export import chunks, zip_of
from steer.ui.favourites import favourites_of, set_favourite
from steer.ui.history import PAGE, History, picture_of
from steer.ui.thumbnails import SIDES, Thumbnails
from steer.ui.visitor import run_of, sees, visitor

WRITTEN_S = 5.0  # the disk may be behind a run that goes on
MOST_CHOSEN = 500  # pictures or runs in one export
Chosen = Annotated[Sequence[str], Query(max_length=MOST_CHOSEN)]
KEPT_S = 86400  # a picture of a run never changes
KEPT = {"Cache-Control": f"private, max-age={KEPT_S}"}


class Favourite(BaseModel):
    """A picture, and whether it is a favourite from now on."""

    model_config = ConfigDict(extra="forbid")

    picture: int = Field(ge=0)
    favourite: bool


class Score(BaseModel):
    """How much a user likes a picture, from 1 to 5. ``user``: whose it is, in a run for several."""

    model_config = ConfigDict(extra="forbid")

    picture: int = Field(ge=0)
    score: float = Field(ge=1, le=5)
    user: str | None = None


class RunRoutes:
    """Below ``/ui/runs``, and ``/ui/export``."""

    def __init__(self, service: Service, history: History, thumbnails: Thumbnails):
        self.service, self.history, self.thumbnails = service, history, thumbnails
        self.router = router = APIRouter()
        router.get("/ui/runs")(self.page)
        router.get("/ui/runs/{name}")(self.run)
        router.get("/ui/runs/{name}/pictures/{index}")(self.picture)
        router.post("/ui/runs/{name}/favourite")(self.favourite)
        router.post("/ui/runs/{name}/rate")(self.rate)
        router.post("/ui/runs/{name}/resume")(self.resume)
        router.get("/ui/export")(self.export)

    async def page(
        self,
        request: Request,
        query: str = Query("", max_length=200),
        after: str = Query("", max_length=255),
        favourites: bool = False,
        most: int = Query(PAGE, ge=1, le=100),
    ) -> dict[str, Any]:
        """So many runs, the newest first, that have all words of ``query``; ``after``: behind the run of this name."""
        caller = visitor(request)
        return await asyncio.to_thread(
            self.history.page, lambda facts: sees(caller, facts), query, after, most, favourites
        )

    async def run(self, request: Request, name: str) -> dict[str, Any]:
        """All of one run. ``rater``: whose ratings are taken; ``live``: its id while it goes on."""
        facts = run_of(request, self.history, name)
        caller = visitor(request)
        found = await asyncio.to_thread(self.history.run, name)
        rater = self.service.rates(list(facts.users))
        live = next((run.id for run in self._live(name) if caller.sees(run)), None)
        return {**found, "rater": rater if rater and caller.token.allows([rater]) else None, "live": live}

    async def picture(self, request: Request, name: str, index: int, side: int | None = None) -> Response:
        """The PNG of a picture, or a picture no larger than ``side``, 256 or 768 pixels."""
        run_of(request, self.history, name)
        if side is not None and side not in SIDES:
            raise Fault(400, f"side is {side}; it must be 256 or 768", "invalid_value", "side")
        path = picture_of(self.history.folder(name), index)
        tries = round(WRITTEN_S / 0.05)
        for _ in range(tries):
            try:
                if side is None:
                    return Response(await asyncio.to_thread(read_bytes, path), media_type="image/png", headers=KEPT)
                return await asyncio.to_thread(self.thumbnails.answer, path, side, KEPT_S)
            except FileNotFoundError:
                if not self._live(name):
                    break
            except (OSError, Unreadable) as error:
                raise Fault(404, f"the picture {index} cannot be read: {error}", "not_found") from error
            await asyncio.sleep(0.05)
        raise Fault(404, f"the run has no picture {index}", "not_found")

    async def favourite(self, request: Request, name: str, body: Favourite) -> dict[str, Any]:
        """Keep a picture as a favourite, or no more."""
        run_of(request, self.history, name)
        folder = self.history.folder(name)
        if body.favourite and not picture_of(folder, body.picture).exists():
            raise Fault(404, f"the run has no picture {body.picture}", "not_found")
        return {"favourites": await asyncio.to_thread(set_favourite, folder, body.picture, body.favourite)}

    async def rate(self, request: Request, name: str, body: Score) -> dict[str, Any]:
        """Keep a rating; the next run for this user takes it into account."""
        facts = run_of(request, self.history, name)
        if body.user is not None and body.user not in facts.users:
            raise Fault(403, "only the people of a run rate its pictures", "forbidden_user", "user")
        user = self.service.rates([body.user] if body.user else list(facts.users))
        if user is None or not visitor(request).token.allows([user]):
            raise Fault(400, "nobody of this run is a user whose ratings are kept", "read_only", "user")
        path = picture_of(self.history.folder(name), body.picture)
        if not path.exists():
            raise Fault(404, f"the run has no picture {body.picture}", "not_found")
        await answered(self.service.rate_file(path, facts.prompt, body.score, user, name))
        return {"user": user, "picture": body.picture, "score": body.score}

    async def resume(self, request: Request, name: str) -> Response:
        """Go on with a run that ended early; 202 with the id under which it goes on."""
        run_of(request, self.history, name)
        caller = visitor(request)
        if self._live(name):
            raise Fault(409, "this run goes on already", "not_over")
        run = self.service.resume(self.history.folder(name), caller.token.name)
        return JSONResponse(state_of(self.service, run), 202, {"Location": f"/v1/runs/{run.id}"})

    async def export(
        self,
        request: Request,
        run: Chosen = (),
        picture: Chosen = (),
        favourites: bool = False,
    ) -> Response:
        """A zip of whole runs, of pictures written "RUN/INDEX", and of all favourites."""
        caller = visitor(request)
        chosen: dict[str, list[int] | None] = {}
        for each in picture:
            name, _, index = each.rpartition("/")
            if not index.isdecimal():
                raise UsageError(f"picture '{each[:80]}' is not like RUN/3")
            chosen.setdefault(name, [])
            chosen[name] = [*(chosen[name] or []), int(index)]
        if favourites:
            for name in await asyncio.to_thread(self.history.names):
                facts = self.history.facts(name)
                if facts and sees(caller, facts) and (kept := favourites_of(self.history.out / name)):
                    chosen.setdefault(name, kept)
        chosen |= dict.fromkeys(run)
        for name in chosen:
            run_of(request, self.history, name)
        file = await asyncio.to_thread(zip_of, self.history, list(chosen.items()))
        title = next(iter(chosen)) if len(chosen) == 1 else "pictures"
        headers = {"Content-Disposition": f'attachment; filename="{_safe(title)}.zip"'}
        return StreamingResponse(chunks(file), media_type="application/zip", headers=headers)

    def _live(self, name: str) -> list[Any]:
        """Runs of this server in a folder that have not ended."""
        return [r for r in list(self.service.runs.values()) if not r.over and r.at == name]


def _safe(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name)[:100]
