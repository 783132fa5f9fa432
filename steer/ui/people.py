"""People: who there is, what is believed of them, and how they are taught."""

from __future__ import annotations

import asyncio
import tempfile
from collections import OrderedDict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from reward_models.doors import Unreadable
from reward_models.pictures import read_picture
from steer.errors import UsageError
from steer.server.errors import Fault
from steer.server.service import Service
from steer.server.waiting import answered
from steer.ui.history import History
from steer.ui.thumbnails import SIDES, Thumbnails
from steer.ui.visitor import person_of, visitor
from steer.users.database import StillRead
from steer.users.enrolment import teacher_of
from steer.users.interview import ANCHORS, Interview
from steer.users.liked import ENOUGH_LIKED, rate_folders, read_folders
from steer.users.pictures import shipped_pictures
from steer.users.profile import understood

SHOWN = 8  # leanings in each direction
OTHERS = 200  # people of the reward's data set that are listed
KEPT_S = 3600  # a picture, by a browser
INTERVIEWS = 4  # that are kept for the next answer


class Added(BaseModel):
    """A new user; ``profile``: their taste in words."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200)
    profile: str = ""


class Described(BaseModel):
    """A user's taste in words, in place of what they said before."""

    model_config = ConfigDict(extra="forbid")

    profile: str


class Answer(BaseModel):
    """An answer to a question: a score from 1 to 5 of a picture, named by its hash, or that it is skipped; or the last
    one taken back.
    """

    model_config = ConfigDict(extra="forbid")

    picture: str = ""
    score: float | None = Field(None, ge=1, le=5)
    undo: bool = False


class PeopleRoutes:
    """Below ``/ui/people``. Whatever needs the reward is done in the models' thread."""

    def __init__(self, service: Service, history: History, thumbnails: Thumbnails):
        self.service, self.history, self.thumbnails = service, history, thumbnails
        self._interviews: OrderedDict[str, Interview] = OrderedDict()
        self.router = router = APIRouter(prefix="/ui/people")
        router.get("")(self.people)
        router.post("")(self.add)
        router.get("/{user}")(self.person)
        router.post("/{user}/describe")(self.describe)
        router.post("/{user}/liked")(self.liked)
        router.delete("/{user}")(self.delete)
        router.get("/{user}/question")(self.question)
        router.post("/{user}/answer")(self.answer)
        router.get("/{user}/pictures/{hash_}")(self.picture)

    async def people(self, request: Request) -> dict[str, Any]:
        """One's own users, and the people of the reward's data set, as many as can be listed."""
        own = visitor(request).token.users
        store = self.service.parts.store
        users = [u for u in await asyncio.to_thread(store.users) if own is None or u.id in own]
        trained = self.service.parts.roster.trained
        others = [p for p in self.service.parts.reward.people() if p in trained and (own is None or p in own)]
        rows = [
            {"id": u.id, "profile": u.profile, "ratings": u.ratings, "choices": u.choices, "read_only": bool(u.source)}
            for u in users
            if u.id not in trained
        ]
        return {"own": rows, "others": others[:OTHERS], "more": max(0, len(others) - OTHERS)}

    async def add(self, request: Request, body: Added) -> Response:
        """A new user, with a description if they like."""
        name = person_of(request, body.name.strip())
        service = self.service
        if name.lower() in {p.lower() for p in service.parts.roster.trained}:
            raise UsageError(f"'{name}' is a person of the reward's data set; choose another name")
        if service.parts.store.get(name) is not None:
            raise UsageError(f"there is already a user '{name}'")
        await asyncio.to_thread(service.parts.store.add, name, None, body.profile.strip())
        return JSONResponse(await self.person(request, name), 201)

    async def person(self, request: Request, user: str) -> dict[str, Any]:
        """What somebody told, and what is believed of their taste. ``note``: why nothing can be said, if so."""
        user, token = person_of(request, user), visitor(request).token
        if self.service.knows([user]):
            raise Fault(404, f"there is no user '{user}'", "not_found")
        parts, stored = self.service.parts, self.service.parts.store.get(user)
        of_reward = user in parts.roster.trained
        told: dict[str, Any] = {"id": user, "read_only": of_reward or stored is None or bool(stored.source)}
        if stored and not of_reward:
            told |= {"profile": stored.profile, "ratings": stored.ratings, "choices": stored.choices}
            told |= {"created": stored.created}
        try:
            found = await answered(self.service.beliefs(user))
            phrases = await answered(self.service.ask(lambda: _phrases(self.service, told.get("profile", ""))))
        except UsageError as error:
            return told | {"note": str(error)}
        sure = [asdict(x) for x in found.leanings if x.sure]
        unsure = sorted((x for x in found.leanings if not x.sure), key=lambda x: -abs(x.mean - x.average))
        return told | {
            "known": found.known,
            "likes": [x for x in sure if x["mean"] > 0][:SHOWN],
            "dislikes": [x for x in reversed(sure) if x["mean"] < 0][:SHOWN],
            "perhaps": [] if sure else [asdict(x) for x in unsure[:3]],
            "similar": [(other, likeness) for other, likeness in found.similar if token.allows([other])],
            "surprises": [asdict(s) for s in found.surprises],
            "phrases": phrases,
        }

    async def describe(self, request: Request, user: str, body: Described) -> dict[str, Any]:
        """Another description."""
        user = person_of(request, user)
        await asyncio.to_thread(self.service.parts.store.describe, user, None, body.profile.strip())
        self._interviews.pop(user, None)
        return await self.person(request, user)

    async def liked(self, request: Request, user: str) -> dict[str, Any]:
        """One picture that a user likes, as the body of the request."""
        user = person_of(request, user)
        content = await request.body()

        def look() -> bytes:
            try:
                read_picture(content)
            except (OSError, Unreadable) as error:
                raise UsageError(f"this file cannot be read as a picture: {error}") from error
            return content

        await asyncio.to_thread(look)

        def keep() -> int:
            store, reward = self.service.parts.store, self.service.parts.reward
            teacher = None if store.user(user).keep_pictures else teacher_of(reward, user)
            with tempfile.TemporaryDirectory(prefix="steer-liked-") as name:
                (Path(name) / "uploaded.png").write_bytes(content)
                return rate_folders(store, teacher, user, read_folders(Path(name), None))

        new = await answered(self.service.ask(keep))
        self._interviews.pop(user, None)
        known = self.service.parts.store.user(user)
        return {"new": new, "ratings": known.ratings, "enough": known.ratings >= ENOUGH_LIKED}

    async def delete(self, request: Request, user: str) -> dict[str, Any]:
        """Remove every trace of a user from the store; ``runs``: how many folders still name them."""
        user = person_of(request, user)
        waiting = [run for run in list(self.service.runs.values()) if not run.over and user in run.users]
        if waiting or user in self.service.busy:
            raise Fault(409, f"something is being drawn for '{user}'; stop it first", "not_over")
        if self.service.parts.store.get(user) is None:
            raise Fault(404, f"there is no user '{user}' in your store", "not_found")
        try:
            gone = await asyncio.to_thread(self.service.parts.store.delete, user)
            note = ""
        except StillRead as late:
            gone, note = late.gone, str(late)
        self._interviews.pop(user, None)
        await answered(self.service.ask(lambda: self.service.refresh([user])))
        runs = await asyncio.to_thread(self._runs_of, user)
        return {"gone": gone, "runs": runs, "note": note}

    def _runs_of(self, user: str) -> int:
        found = (self.history.facts(name) for name in self.history.names())
        return sum(1 for facts in found if facts and user in facts.users)

    # an interview

    async def question(self, request: Request, user: str) -> dict[str, Any]:
        """The picture whose rating tells most now."""
        user = person_of(request, user)
        return await answered(self.service.ask(lambda: self._told(self._interview(user))))

    async def answer(self, request: Request, user: str, body: Answer) -> dict[str, Any]:
        """Keep an answer, and learn from it; the next question."""
        user = person_of(request, user)

        def work() -> dict[str, Any]:
            interview = self._interview(user)
            shown = next((q for q in interview.pictures if q.hash == body.picture), None)
            if body.undo:
                interview.undo()
            elif shown is None:
                raise UsageError("that picture is none of this interview's")
            elif body.score is None:
                interview.skip(shown)
            else:
                interview.rate(shown, body.score)
            return self._told(interview)

        return await answered(self.service.ask(work))

    async def picture(self, request: Request, user: str, hash_: str) -> Response:
        """A picture of an interview."""
        user = person_of(request, user)
        interview = self._interviews.get(user)
        shown = next((q for q in interview.pictures if q.hash == hash_), None) if interview else None
        if shown is None:
            raise Fault(404, "there is no such picture", "not_found")
        return await asyncio.to_thread(self.thumbnails.answer, shown.path, SIDES[1], KEPT_S)

    def _interview(self, user: str) -> Interview:
        """In the models' thread."""
        service = self.service
        if any(not r.over and not r.wish.learns and user in r.users for r in list(service.runs.values())):
            raise UsageError(f"a run for '{user}' goes on that does not learn; rate when it is over")
        if user not in self._interviews:
            store = service.parts.store
            if store.get(user) is None:
                raise UsageError(f"there is no user '{user}' in your store")
            self._interviews[user] = Interview(store, service.parts.reward, user, shipped_pictures())
            while len(self._interviews) > INTERVIEWS:
                self._interviews.popitem(last=False)
        self._interviews.move_to_end(user)
        return self._interviews[user]

    @staticmethod
    def _told(interview: Interview) -> dict[str, Any]:
        question, progress = interview.next(), interview.progress()
        shown = {"picture": question.hash, "prompt": question.prompt} if question else None
        return {"question": shown, **asdict(progress), "anchors": ANCHORS}


def _phrases(service: Service, profile: str) -> list[dict[str, Any]]:
    found = understood(service.parts.reward, service.parts.config.reward.model, profile) if profile else []
    return [asdict(phrase) for phrase in found]
