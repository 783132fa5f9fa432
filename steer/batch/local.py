"""Rows side by side in this process: their pictures share batches, their scores too, and chat models write
meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field

from PIL import Image

from reward_models import Scores
from steer.batch.folder import BatchFolder
from steer.batch.row_parts import RowParts
from steer.batch.rows import Row
from steer.errors import ProposerError, RenderError, SteerError, StorageError
from steer.events import CandidateDone, Listener, RunStopped
from steer.judging.judge import answered
from steer.protocols import Meter
from steer.result import Result
from steer.run.loop import Drawn, take_picture
from steer.run.requests import check_request, run_folder
from steer.run.session import Session
from steer.types import Candidate, RenderFailure, State

BESIDE = 8  # rows under way
REPORTERS = 2  # threads that write pages and sheets of runs that are over
Work = list[tuple["_Row", Candidate]]
Made = Image.Image | RenderFailure
OUTAGE = 3  # rows whose writer failed one after another: then it is not the rows


@dataclass
class _Row:
    """A row under way. ``open`` are candidates of the present round that have no score yet."""

    row: Row
    session: Session
    round: list[Candidate] = field(default_factory=list)
    open: list[Candidate] = field(default_factory=list)
    asking: Future[list[Candidate]] | None = None


class LocalEngine:
    """Steers rows of a batch folder; each run is what ``steer run`` would have made of it.

    A picture does not depend on what is drawn beside it, as batches have one fixed shape, and neither does a score.
    ``counts``: whether what the renderer takes is written into the batch's manifest, which one process alone may do.
    """

    def __init__(
        self,
        folder: BatchFolder,
        parts: RowParts,
        beside: int = BESIDE,
        counts: bool = True,
        emit: Listener = lambda event: None,  # noqa: ARG005
    ):
        self.folder, self.parts, self.beside, self.counts, self.emit = folder, parts, beside, counts, emit
        self.renderer, self.panel = parts.base.renderer, parts.base.panel
        if together := folder.manifest.get("drawn_together"):
            self.renderer.narrow(together)
        self.chunk = self.renderer.batch_size
        self._writers = ThreadPoolExecutor(max_workers=beside, thread_name_prefix="writer-of-texts")
        self._outage: list[tuple[Row, str]] = []
        self._failed: list[Row] = []  # to be told
        self._drawers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="drawer")
        self._drawing: deque[tuple[Work, Future[list[Made]]]] = deque()  # elsewhere, beside all other work
        self._reporters = ThreadPoolExecutor(max_workers=REPORTERS, thread_name_prefix="report")
        self._reporting: list[tuple[_Row, Future[Result]]] = []

    def run(self, rows: Iterator[Row]) -> Iterator[tuple[Row, Result | None]]:
        """Yields each row when it is done, with its result, or has failed. Raises SteerError where nothing can go on;
        what was made is kept.
        """
        active: list[_Row] = []
        more = True
        for name, meter in self._meters().items():
            meter.start(self.folder.manifest.get("usage", {}).get(name, {}))
        try:
            while True:
                while more and len(active) < self.beside:
                    row = next(rows, None)
                    if row is None:
                        more = False
                    elif (begun := self._begin(row)) is not None:
                        active.append(begun)
                yield from self._tell_failed()
                if not active:
                    break
                for ended in self._turn(active):
                    active.remove(ended)
                    if not any(ended is each for each, _ in self._reporting):
                        ended.session.release()
                yield from self._reported(at_most=2 * self.beside)
            yield from self._reported(at_most=0)
            self._settle_outage()
            yield from self._tell_failed()
        except BaseException:
            while self._drawing:  # is paid for, so it is kept
                with suppress(SteerError):  # the one that is raised, or another of its kind
                    self._take_drawn()
                    continue
                self._drawing.popleft()
            for each in active:
                each.session.give_up(SteerError(""))
            raise
        finally:
            self._reporters.shutdown(wait=True)  # what is over is told whole
            for each in [*active, *(each for each, _ in self._reporting)]:
                each.session.release()
            self._count()
            self._drawers.shutdown(wait=False, cancel_futures=True)
            self._writers.shutdown(wait=False, cancel_futures=True)

    def _tell_failed(self) -> Iterator[tuple[Row, None]]:
        while self._failed:
            yield self._failed.pop(0), None

    def _reported(self, at_most: int) -> Iterator[tuple[Row, Result]]:
        """Rows whose report is written; waits while there are more than ``at_most`` others."""
        while self._reporting:
            each, report = self._reporting[0]
            if not report.done() and len(self._reporting) <= at_most:
                return
            result = report.result()
            self._reporting.pop(0)
            each.session.release()
            each.session.emit(RunStopped(result))
            self._count()
            yield each.row, result

    def _fail(self, row: Row, reason: str) -> None:
        self.folder.fail(row, reason)
        self._failed.append(row)

    def _count(self) -> None:
        """What pictures and scores have taken, where they cost something."""
        for name, meter in self._meters().items():
            self.folder.record_usage(name, meter.spent())

    def _meters(self) -> dict[str, Meter]:
        both = {"renderer": self.renderer.meter, "reward": self.panel.reward.meter}
        return {name: meter for name, meter in both.items() if meter is not None} if self.counts else {}

    def _begin(self, row: Row) -> _Row | None:
        """A row begins or goes on; None where it failed at once."""
        try:
            self.folder.check_place(row)
            parts = self.parts.of(row)
            request = check_request(parts, row.prompt, row.user, row.budget, row.seed)
            run = run_folder(parts, request, self.folder.run_of(row))
            return _Row(row, Session(parts, request, run, self.emit, parts.proposer.fork(), alone=False))
        except (StorageError, RenderError):
            raise
        except SteerError as error:
            self._fail(row, str(error))
            return None

    def _turn(self, active: list[_Row]) -> list[_Row]:
        """Tell whose round is whole and on the disk, ask who has nothing to do, draw and score one batch; those that
        ended.
        """
        for each in active:
            if self._is_whole(each) and each.session.folder.settled():
                self._tell(each)
        ended = [each for each in active if not each.open and not self._asked(each)]
        going = [each for each in active if each not in ended]
        work = [(each, c) for each in going for c in each.open if c.state in (State.PROPOSED, State.RENDERED)]
        if not work:
            asking = [each.asking for each in going if each.asking]
            kept = [each for each in going if self._is_whole(each)]
            if kept and not ended:
                kept[0].session.folder.flush()
            elif asking and not ended:
                wait(asking, return_when=FIRST_COMPLETED)
            return ended
        proposed = [(each, c) for each, c in work if c.state is State.PROPOSED]
        self.renderer.prepare([c.rewrite.text for _, c in proposed])  # text encoders that come onto the card come once
        self._draw(proposed)
        waiting = [(each, c) for each, c in work if c.state is State.RENDERED]
        rest = [c for _, c in work if c.state is State.PROPOSED]
        if len(waiting) >= self.panel.reward.batch_size or not rest or any(self._only_scores_missing(e) for e in going):
            self._score(waiting)
        return ended

    def _asked(self, each: _Row) -> bool:
        """Whether the row has, or waits for, candidates; False when its search is over or failed."""
        search, folder = each.session.search, each.session.folder
        if each.asking is None:
            each.asking = self._writers.submit(search.ask)
            if not search.funnel.proposer.slow:
                wait([each.asking])  # quick, and torch is used by one thread at a time
        if not each.asking.done():
            return True
        asking, each.asking = each.asking, None
        try:
            each.round = asking.result()
            if not each.round:
                self._reporting.append((each, self._reporters.submit(each.session.conclude)))
                self._settle_outage()
                return False
        except (StorageError, RenderError):  # no fault of this row
            raise
        except ProposerError as error:
            self._writer_failed(each, error)
            return False
        except SteerError as error:
            self._fail(each.row, str(each.session.give_up(error)))
            return False
        each.open = [c for c in each.round if not (folder.restore(c) and c.state is not State.RENDERED)]
        for candidate in each.round:
            if candidate not in each.open:
                each.session.emit(CandidateDone(candidate, search.history))
        if not each.open:
            self._tell(each)
        return True

    def _draw(self, missing: Work) -> None:
        """One batch of one tier; of a renderer elsewhere, which is given the next before the last is taken from it."""
        if self.renderer.elsewhere:
            under_way = {id(c) for work, _ in self._drawing for _, c in work}
            ahead = [(each, c) for each, c in missing if id(c) not in under_way][: self.chunk]
            if ahead:
                texts, seeds = [c.rewrite.text for _, c in ahead], [c.seed for _, c in ahead]
                self._drawing.append((ahead, self._drawers.submit(self.renderer.render, texts, seeds)))
            if len(self._drawing) > 1 or not ahead:
                self._take_drawn()
            return
        if not missing:
            return
        tier = missing[0][1].tier
        missing = [(each, c) for each, c in missing if c.tier == tier][: self.chunk]
        renderer = self.renderer.drafts if tier == "draft" and self.renderer.drafts else self.renderer
        results = renderer.render([c.rewrite.text for _, c in missing], [c.seed for _, c in missing])
        self._take(missing, results)
        if self.counts:
            self.folder.record_together(self.renderer.drawn_together)

    def _take_drawn(self) -> None:
        """Wait for what is drawn elsewhere, the oldest first, and keep it. Raises as render does."""
        if self._drawing:
            work, drawing = self._drawing[0]
            results = drawing.result()  # an interrupt here leaves it to be waited for at the end
            self._drawing.popleft()
            self._take(work, results)

    @staticmethod
    def _take(work: Work, results: Sequence[Drawn]) -> None:
        for (each, candidate), result in zip(work, results, strict=True):
            take_picture(candidate, result, each.session.folder)

    @staticmethod
    def _is_whole(each: _Row) -> bool:
        """Whether the round has all its scores. It is told when they are on the disk; others draw meanwhile."""
        return bool(each.open) and all(c.state not in (State.PROPOSED, State.RENDERED) for c in each.open)

    @classmethod
    def _only_scores_missing(cls, each: _Row) -> bool:
        return bool(each.open) and not cls._is_whole(each) and all(c.state is not State.PROPOSED for c in each.open)

    def _score(self, waiting: list[tuple[_Row, Candidate]]) -> None:
        """Runs that share a panel are read in one batch, then each is judged for its own people."""
        by_panel: dict[int, list[tuple[_Row, Candidate]]] = {}
        for each, candidate in waiting:
            by_panel.setdefault(id(each.session.judge.panel), []).append((each, candidate))
        for group in by_panel.values():
            images = [c.image or each.session.folder.load_picture(c) for each, c in group]
            prompts = [each.session.request.prompt for each, _ in group]
            with answered():
                look = group[0][0].session.judge.panel.read(images, prompts)
            rows: dict[int, list[int]] = {}
            for i, (each, _) in enumerate(group):
                rows.setdefault(id(each), []).append(i)
            for own in rows.values():
                scores = group[own[0]][0].session.judge.judge(look.rows(own))
                for k, i in enumerate(own):
                    self._scored(*group[i], scores, k)

    @staticmethod
    def _scored(each: _Row, candidate: Candidate, scores: Scores, row: int) -> None:
        candidate.take(scores, row)
        candidate.image = None
        each.session.folder.record(candidate)
        each.session.emit(CandidateDone(candidate, each.session.search.history))

    def _tell(self, each: _Row) -> None:
        each.session.search.tell(each.round)
        for after in each.session.after_round:
            after(each.session.search)
        each.round, each.open = [], []

    def _writer_failed(self, each: _Row, error: ProposerError) -> None:
        """One row's writer may fail for its own reasons; row after row it is an outage, and the batch stops for another
        day.
        """
        each.session.give_up(error)
        self._outage.append((each.row, str(error)))
        if len(self._outage) >= OUTAGE:
            raise ProposerError(
                f"the writer of texts failed for {OUTAGE} rows one after another, last: {error}"
            ) from error

    def _settle_outage(self) -> None:
        """The writer works for others, or there are no others: then it was these rows."""
        for row, reason in self._outage:
            self._fail(row, reason)
        self._outage.clear()
