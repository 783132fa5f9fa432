"""Batches beside runs: each row is one job of the queue, so that a run in another tab has its turn between two rows."""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from steer.batch.folder import BatchFolder
from steer.batch.local import LocalEngine
from steer.batch.results import write_results
from steer.batch.row_parts import RowParts
from steer.batch.rows import Row, read_rows
from steer.config import override
from steer.errors import SteerError, UsageError
from steer.events import CandidateDone, Event, QuestionAsked, RoundProposed
from steer.judging.audience import Audience
from steer.question import RunQuestion
from steer.server.queue import Cancelled, Closed, Full, Job
from steer.server.service import Service
from steer.store.names import slug
from steer.users.answers_in_runs import keep_answer

log = logging.getLogger(__name__)
KINDS = (".txt", ".csv", ".jsonl", ".parquet")
FREE = ("search", "objective")  # what a row of an uploaded file may set for itself


def new_batch(
    service: Service, file: str, content: bytes, user: str | None, settings: dict[str, object]
) -> BatchFolder:
    """A batch of the rows of an uploaded file, which nothing has begun. In the models' thread.

    ``user``: for rows that name none. ``settings``: of all rows. Raises UsageError that lists what is wrong.
    """
    name = Path(file)
    if name.suffix.lower() not in KINDS:
        raise UsageError(f"'{name.name[:80]}' is no file of prompts; they end in {', '.join(KINDS)}")
    parts = service.parts.with_config(override(service.parts.config, settings)) if settings else service.parts
    rows = RowParts(parts)

    def check(row: Row) -> None:
        if other := [key for key in row.settings if key.partition(".")[0] not in FREE]:
            raise UsageError(f"a row of an uploaded file may change search and objective, not '{other[0][:40]}'")
        rows.check(row)

    stem = slug(name.stem, 40) or "prompts"
    folder = BatchFolder(_free(service.settings.out, f"batch-{stem}"))
    with tempfile.TemporaryDirectory(prefix="steer-rows-") as place:
        source = Path(place) / f"{stem}{name.suffix.lower()}"  # an error names it
        source.write_bytes(content)
        try:
            typed = [f"{key}={value}" for key, value in settings.items()]
            values = parts.config.model_dump(mode="json")
            folder.prepare(values, typed, parts.config.name, read_rows([str(source)], user, check))
        except UsageError as error:
            raise UsageError(str(error).replace(f"{source.parent}/", "")) from error
    return folder


class BatchWork:
    """One batch on its way, in a thread that hands its rows to the models' thread one by one."""

    def __init__(self, service: Service, folder: BatchFolder, retry_failed: bool = False):
        self.service, self.folder, self.retry_failed = service, folder, retry_failed
        self.stopping = False
        self.error = ""
        self.row = ""  # the id of the one being drawn
        self.pictures = 0  # of that row
        self.questions: dict[tuple[str, int], RunQuestion] = {}  # by row and number
        parts = service.parts_of(folder.manifest["config"], folder.path)
        self._rows = RowParts(parts)
        self._thread = threading.Thread(target=self._work, name=f"batch {folder.path.name}", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether it is done, or was stopped."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End after the picture that is being drawn; what was made stays."""
        self.stopping = True

    def open_questions(self) -> list[tuple[str, RunQuestion]]:
        """The questions of all rows that nobody answered yet, with the row; of rows that are over too."""
        return [(row, q) for (row, _), q in list(self.questions.items()) if not q.answered]

    def answer(self, row: str, number: int, value: float | None) -> bool:
        """Answer a question of a row; whether it was open. Where the row is over, the answer counts for the rows behind
        it. Raises UsageError for a wrong value.
        """
        question = self.questions.get((row, number))
        if question is None or question.answered:
            return False
        if question.answer(value):
            return True
        question.answered, question.value = True, value  # the row takes it no more, so it is kept here
        parts = self.service.parts
        self.service.ask(lambda: keep_answer(parts.store, parts.reward, question)).result()
        return True

    def join(self, timeout_s: float) -> None:
        """Wait for its end, or so long."""
        self._thread.join(timeout_s)

    def _work(self) -> None:
        try:
            for row in self._due():
                if self.stopping:
                    break
                self._wait_for(row)
            self.row = ""
            write_results(self.folder)
        except (Closed, Cancelled):
            pass
        except SteerError as error:
            self.error = str(error).partition("; then go on with")[0]
        except Exception as error:
            log.exception("a batch failed")
            self.error = f"{type(error).__name__}: this is a bug; the log says more"

    def _due(self) -> Iterator[Row]:
        for row in self.folder.rows():
            state = self.folder.state(row)
            if state == "failed" and self.retry_failed:
                self.folder.forgive(row)
                state = self.folder.state(row)
            if state in ("begun", "waiting"):
                yield row

    def _wait_for(self, row: Row) -> None:
        job = Job(f"batch {self.folder.path.name}", lambda: self._draw(row))
        while True:
            try:
                self.service.queue.submit(job)
                break
            except Full as full:
                time.sleep(min(full.retry_s, 5))
        job.done.result()

    def _draw(self, row: Row) -> None:
        """In the models' thread."""
        self.row, self.pictures = row.id, 0
        users = Audience.parse(row.user).everyone
        self.service.refresh(users)
        with suppress(KeyboardInterrupt), self.folder.alone(), self.service.busy_for(users):
            for _ in LocalEngine(self.folder, self._rows, 1, emit=self._heard).run(iter([row])):
                pass

    def _heard(self, event: Event) -> None:
        """Between two pictures: the small questions of others, and whether to stop."""
        if isinstance(event, QuestionAsked):
            self.questions[(self.row, event.question.number)] = event.question
        if not self.service.queue.in_thread() or not isinstance(event, (CandidateDone, RoundProposed)):
            return
        if isinstance(event, CandidateDone):
            self.pictures += 1
        if self.stopping or self.service.queue.closed:
            raise KeyboardInterrupt
        self.service.queue.between()


def _free(parent: Path, name: str) -> Path:
    """A folder that is not there yet."""
    path, number = parent / name, 2
    while path.exists():
        path, number = parent / f"{name}-{number}", number + 1
    return path
