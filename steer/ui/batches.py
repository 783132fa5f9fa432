"""Batches: upload a file of prompts, watch its rows, take the results home."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse, Response, StreamingResponse

from reward_models.doors import Unreadable, inside
from steer.batch.folder import BatchFolder, is_batch
from steer.batch.results import write_results
from steer.batch.rows import Row, check_row_id
from steer.config.search import MOST_PICTURES
from steer.config.strength import StrengthName
from steer.errors import UsageError
from steer.server.errors import Fault
from steer.server.run import asked
from steer.server.service import Service
from steer.server.waiting import answered
from steer.ui.batch_work import BatchWork, new_batch
from steer.ui.export import IN_MEMORY, chunks
from steer.ui.history import History, picture_of
from steer.ui.thumbnails import SIDES, Thumbnails
from steer.ui.visitor import owner

PAGE = 50
KEPT_S = 3600  # a picture, by a browser
TABLES = ("results.csv", "index.html", "sheet.png")


class RowAnswer(BaseModel):
    """An answer to a question of a row: the index of the picture liked best, or a rating from 1 to 5; null skips."""

    model_config = ConfigDict(extra="forbid")

    row: str
    question: int
    value: float | None


class BatchRoutes:
    """Below ``/ui/batches``; for tokens for everybody, as a file may name anybody."""

    def __init__(self, service: Service, history: History, thumbnails: Thumbnails):
        self.service, self.history, self.thumbnails = service, history, thumbnails
        self.working: dict[str, BatchWork] = {}
        self.router = router = APIRouter(prefix="/ui/batches")
        router.get("")(self.batches)
        router.post("")(self.start)
        router.get("/{name}")(self.batch)
        router.post("/{name}/stop")(self.stop)
        router.post("/{name}/resume")(self.resume)
        router.get("/{name}/result")(self.result)
        router.get("/{name}/rows/{row}/picture")(self.picture)
        router.get("/{name}/rows/{row}/pictures/{index}")(self.asked_about)
        router.post("/{name}/answer")(self.answer)

    async def batches(self, request: Request) -> dict[str, Any]:
        """All batches of the output folder, the newest first."""
        owner(request)
        return {"batches": await asyncio.to_thread(self._list)}

    async def start(
        self,
        request: Request,
        file: str = Query(max_length=255),
        user: str = Query("", max_length=500),
        budget: int | None = Query(None, ge=1, le=MOST_PICTURES),
        strength: StrengthName | None = None,
        ask: int = Query(0, ge=0, le=20),
    ) -> Response:
        """A new batch; the body is the file of prompts, ``user`` is for rows that name none, ``ask``: questions that
        each row may ask.
        """
        owner(request)
        content = await request.body()
        settings: dict[str, object] = {} if budget is None else {"search.budget": budget}
        settings |= {} if strength is None else {"search.strength": strength}
        settings |= {"search.ask": ask} if ask else {}
        made = self.service.ask(lambda: new_batch(self.service, file, content, user or None, settings))
        folder = await answered(made)
        self.working[folder.path.name] = BatchWork(self.service, folder)
        return JSONResponse(await asyncio.to_thread(self._about, folder), 201)

    async def batch(self, request: Request, name: str, after: int = Query(0, ge=0)) -> dict[str, Any]:
        """How far a batch is, and some of its rows."""
        folder = self._folder(request, name)

        def look() -> dict[str, Any]:
            rows = [folder.outcome(row) for row in itertools.islice(folder.rows(), after, after + PAGE)]
            return {**self._about(folder), "rows": rows, "after": after}

        return await asyncio.to_thread(look)

    async def stop(self, request: Request, name: str) -> dict[str, Any]:
        """End a batch after the present picture; what was made stays."""
        folder = self._folder(request, name)
        if name in self.working:
            self.working[name].stop()
        return await asyncio.to_thread(self._about, folder)

    async def resume(self, request: Request, name: str) -> Response:
        """Go on with the rows that are not done; failed ones are tried again."""
        folder = self._folder(request, name)
        if name in self.working and not self.working[name].over:
            raise Fault(409, "this batch goes on already", "not_over")
        self.working[name] = BatchWork(self.service, folder, retry_failed=True)
        return JSONResponse(await asyncio.to_thread(self._about, folder), 202)

    async def result(self, request: Request, name: str) -> Response:
        """A zip of the table, the page and the two pictures of each row that is done."""
        folder = self._folder(request, name)
        file = await asyncio.to_thread(_zip_of, folder)
        headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
        return StreamingResponse(chunks(file), media_type="application/zip", headers=headers)

    async def picture(self, request: Request, name: str, row: str) -> Response:
        """The best picture of a row, small."""
        folder = self._folder(request, name)
        found = Row(check_row_id(row), "", "")
        folder.check_place(found)
        picture = await asyncio.to_thread(lambda: folder.outcome(found)["picture"])
        if picture is None:
            raise Fault(404, "this row has no picture", "not_found")
        try:
            path = inside(folder.path, picture)
            return await asyncio.to_thread(self.thumbnails.answer, path, SIDES[0], KEPT_S)
        except (OSError, Unreadable) as error:
            raise Fault(404, "this row has no picture", "not_found") from error

    async def asked_about(self, request: Request, name: str, row: str, index: int) -> Response:
        """A picture of a row, small."""
        folder = self._folder(request, name)
        found = Row(check_row_id(row), "", "")
        folder.check_place(found)
        try:
            path = picture_of(folder.run_of(found), index)
            return await asyncio.to_thread(self.thumbnails.answer, path, SIDES[0], KEPT_S)
        except (OSError, Unreadable) as error:
            raise Fault(404, f"this row has no picture {index}", "not_found") from error

    async def answer(self, request: Request, name: str, body: RowAnswer) -> dict[str, Any]:
        """Answer a question of a row; 409 where it is answered already, or nobody asked it."""
        folder = self._folder(request, name)
        work = self.working.get(folder.path.name)
        if work is None or not await asyncio.to_thread(work.answer, body.row, body.question, body.value):
            raise Fault(409, "this question is no longer open", "not_open")
        return {"row": body.row, "question": body.question, "value": body.value}

    def close(self) -> None:
        """End all batches; each keeps what it made."""
        for work in self.working.values():
            work.stop()

    def _folder(self, request: Request, name: str) -> BatchFolder:
        owner(request)
        path = self.history.out / name
        if Path(name).name != name or name in (".", "..") or path.is_symlink() or not is_batch(path):
            raise Fault(404, "there is no such batch", "not_found")
        return BatchFolder.open(path)

    def _list(self) -> list[dict[str, Any]]:
        folders = [self.history.out / name for name in self.history.names() if self.history.facts(name) is None]
        found = []
        for path in folders:
            if is_batch(path):
                try:
                    found.append(self._about(BatchFolder.open(path)))
                except UsageError as error:
                    found.append({"name": path.name, "states": {}, "rows_total": 0, "error": str(error)})
        return found

    def _about(self, folder: BatchFolder) -> dict[str, Any]:
        states = Counter(folder.state(row) for row in folder.rows())
        name = folder.path.name
        work = self.working.get(name)
        going_on = work is not None and not work.over
        return {
            "name": name,
            "created": str(folder.manifest.get("created", "")),
            "states": dict(states),
            "rows_total": sum(states.values()),
            "working": going_on,
            "stopping": bool(work and going_on and work.stopping),
            "row": work.row if work and going_on else "",
            "pictures": work.pictures if work and going_on else 0,
            "error": work.error if work else "",
            "questions": [{"row": row, **asked(q)} for row, q in work.open_questions()] if work else [],
        }


def _zip_of(folder: BatchFolder) -> BinaryIO:
    if not (folder.path / "results.csv").exists():
        write_results(folder)
    file: Any = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        for name in TABLES:
            if (folder.path / name).is_file():
                packed.write(folder.path / name, f"{folder.path.name}/{name}")
        for row in folder.rows():
            told = folder.outcome(row)
            for picture in {told["picture"], told["original_picture"]} - {None}:
                try:
                    packed.write(inside(folder.path, picture), f"{folder.path.name}/{picture}")
                except (OSError, Unreadable):
                    continue  # taken away since; the table has its row all the same
    file.seek(0)
    found: BinaryIO = file
    return found
