"""Tools of the Model Context Protocol: make a picture for a person, rate it, what is believed of them.

They answer with paths: an assistant that can open files sees the picture, and no conversation is filled with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from steer.config.search import MOST_SEED
from steer.errors import SteerError, UsageError
from steer.judging.audience import Audience
from steer.server.images import about
from steer.server.run import Run, Wish, chosen, told
from steer.server.service import Service, random_
from steer.server.settings import Quality
from steer.users.ids import AVERAGE, unknown_user

OWNER = "mcp"
SHOWN = 8  # leanings in each direction


def mcp_server(service: Service, users: Sequence[str] | None = None) -> MCPServer:
    """The tools over a service. ``users``: for whom alone; None for everybody."""
    server = MCPServer("steer", instructions="Pictures for one person's taste. Paths are of files on this machine.")
    tools = Tools(service, None if users is None else frozenset(users))
    for tool in (tools.make_picture, tools.rate_picture, tools.beliefs_about, tools.people):
        server.add_tool(tool)
    return server


class Tools:
    """The tools; their docstrings are what an assistant reads."""

    def __init__(self, service: Service, users: frozenset[str] | None):
        self.service, self.users = service, users

    async def make_picture(
        self,
        prompt: Annotated[str, Field(description="What to draw, in plain words.")],
        user: Annotated[str, Field(description="Whose taste decides: an id of `people`, or 'average' for nobody.")],
        quality: Annotated[Quality, Field(description="How many pictures the search may try.")] = "standard",
        seed: Annotated[int | None, Field(description="The same seed draws alike.", ge=0, le=MOST_SEED)] = None,
    ) -> dict[str, Any]:
        """Draw a prompt as a person would like it most. Answers with the picture's path and its text."""
        settings, config = self.service.settings, self.service.parts.config
        with _said():
            self._check(user)
            chosen_seed = random_.randint(0, MOST_SEED) if seed is None else seed
            run = self.service.start(Wish(prompt, user, settings.budget(quality, config), chosen_seed), OWNER)
        try:
            await _over(run)
        except asyncio.CancelledError:
            run.leave()
            raise
        with _said():
            if run.fault is not None:
                raise run.fault
            best = chosen(run.result, 1) if run.result else []
            if not best or run.folder is None:
                raise UsageError("no picture could be drawn")
            path = run.folder / best[0].picture
            return {"path": str(path.resolve()), "text": best[0].rewrite.text, **about(run), "picture": best[0].index}

    async def rate_picture(
        self,
        run: Annotated[str, Field(description="The `run` that make_picture answered.")],
        picture: Annotated[int, Field(description="The `picture` that make_picture answered.")],
        score: Annotated[float, Field(description="From 1, not liked at all, to 5, liked very much.", ge=1, le=5)],
        user: Annotated[str | None, Field(description="Whose rating it is, in a run for several people.")] = None,
    ) -> dict[str, Any]:
        """Keep what a person said about a picture; the next pictures for them go by it."""
        with _said():
            found = self.service.runs.get(run)
            if found is None:
                raise UsageError(f"there is no run '{run[:40]}' of this session")
            if user is not None and user not in found.users:
                raise UsageError("only the people of a run rate its pictures")
            rater = self.service.rates([user] if user else found.users)
            if rater is None:
                raise UsageError("people of a data set and 'average' are read-only; create a user: steer user add NAME")
            await asyncio.wrap_future(self.service.rate(found, picture, score, rater))
            return {"user": rater, "rated": told(found.candidates[picture])["text"], "score": score}

    async def beliefs_about(self, user: Annotated[str, Field(description="An id of `people`.")]) -> dict[str, Any]:
        """What is believed of a person's taste: phrases that they like more or less than others, and how surely."""
        with _said():
            self._check(user)
            if user == AVERAGE or not Audience.parse(user).single:
                raise UsageError("beliefs are about one person")
            found = await asyncio.wrap_future(self.service.beliefs(user))
        leanings: list[dict[str, Any]] = [
            {"phrase": x.phrase, "kind": x.kind, "more": x.mean, "low": x.low, "high": x.high, "sure": x.sure}
            for x in found.leanings
        ]
        likes, dislikes = leanings[:SHOWN], [x for x in leanings[::-1] if x["more"] < 0][:SHOWN]
        return {"user": user, "known": found.known, "likes": likes, "dislikes": dislikes}

    async def people(self) -> list[str]:
        """Everybody whose taste can decide."""
        return [u for u in self.service.users() if self.users is None or u in self.users]

    def _check(self, user: str) -> None:
        """Raise UsageError for somebody who is not known, or not of this server."""
        asked = Audience.parse(user).everyone
        if self.users is not None and any(u not in self.users and u != AVERAGE for u in asked):
            raise UsageError(f"this server is for {', '.join(sorted(self.users))} alone")
        if unknown := self.service.knows(asked):
            known = self.service.users() if self.users is None else sorted(self.users)
            raise unknown_user(unknown[0], known, create=True)


@contextmanager
def _said() -> Iterator[None]:
    """An error of steer is what the tool says."""
    try:
        yield
    except SteerError as error:
        raise ToolError(str(error)) from error


async def _over(run: Run) -> None:
    async with run.watch("end") as watch:
        while not run.over:
            await watch.changed(1.0)
