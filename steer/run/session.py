"""One run under way: what the loop drives, and a batch drives many of side by side."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from reward_models import Person, RewardModel
from steer.errors import SteerError
from steer.events import Event, RoundProposed, RunStopped
from steer.protocols import Meter, Proposer
from steer.search.search import Search
from steer.store.files import lock
from steer.store.run_folder import RunFolder
from steer.types import Result, Rewrite, SteerRequest, StopReason

if TYPE_CHECKING:
    from steer.steerer import Steerer

EXPLAINED = 6  # attributes named of a picture
ORPHAN_S = 60.0  # a worker whose batch was killed may live this long


class Session:
    """A request, its search and its folder.

    It holds the folder until :meth:`release`. ``proposer``: its own where it counts what it costs; ``alone``: whether the renderer's costs
    are this run's alone. Raises StorageError where another process works on the run.
    """

    def __init__(
        self,
        steerer: Steerer,
        request: SteerRequest,
        folder: RunFolder,
        proposer: Proposer,
        learn: Callable[[Search], None],
        alone: bool = True,
    ):
        self.request, self.folder, self._emit = request, folder, steerer.emit
        self.learn = learn
        self.reward: RewardModel = steerer.reward_for(request.user)
        self.person: Person = steerer.asked_about(request.user)
        self.result: Result | None = None
        self._lock = lock(folder.path, "run", 0 if alone else ORPHAN_S)
        self._begun = time.monotonic()
        explains = getattr(steerer.personal, "explains", False) and self.person.id is not None
        self._explain = partial(steerer.personal.reasons, person=self.person.id) if explains else None
        meters: dict[str, Meter | None] = {
            "proposer": proposer.meter,
            "renderer": steerer.renderer.meter if alone else None,
        }
        self._meters = {name: meter for name, meter in meters.items() if meter is not None}
        for name, meter in self._meters.items():
            meter.start(folder.manifest.get("usage", {}).get(name, {}))
        config = steerer.config
        self.search = Search(
            request,
            steerer.funnel(request, proposer, written=folder.written, on_written=self._written),
            config.search,
            config.objective,
            folder.proposed,
            self._proposed,
            steerer.renderer.drafts is not None,
        )

    def finish(self) -> Result:
        """The result, in the folder too."""
        result = self.conclude()
        self._emit(RunStopped(result))
        return result

    def conclude(self) -> Result:
        """:meth:`finish` without telling; mostly the report's pictures, so a batch does it in another thread."""
        self._record_usage()
        self.folder.flush()
        result = _result(self.search, self.folder, time.monotonic() - self._begun)
        if self._explain is not None:
            result.explained.update(self._explained(result))
        self.folder.record_stop(result.stop.name, result.seconds)
        self.folder.flush()
        from steer.report import write_report

        write_report(result, self.folder)
        self.result = result
        return result

    def _explained(self, result: Result) -> dict[str, dict[str, float]]:
        """The few attributes that matter most in the original's and the best picture."""
        assert self._explain is not None
        shown = {"original": result.first, "best": result.best}
        told = {k: self._explain(self.folder.load_picture(c)) for k, c in shown.items() if c is not None and c.picture}
        return {k: dict(list(added.items())[:EXPLAINED]) for k, added in told.items()}

    def give_up(self, error: SteerError) -> SteerError:
        """Keep what was made; the error with the way to go on."""
        with suppress(SteerError):  # the disk's own fault is the one already said
            self._record_usage()
            self.folder.flush()
        return type(error)(f"{error}; then go on with 'steer resume {self.folder.path}'")

    def release(self) -> None:
        """Let others work on the folder; harmless a second time."""
        self._lock.release()

    def emit(self, event: Event) -> None:
        self._emit(event)

    def _record_usage(self) -> None:
        for name, meter in self._meters.items():
            self.folder.record_usage(name, meter.spent())

    def _proposed(self, round_: int, rewrites: list[Rewrite], dropped: list[tuple[str, str]]) -> None:
        self.folder.record_proposed(round_, rewrites, dropped)
        self._record_usage()
        self._emit(RoundProposed(round_, rewrites, dropped))

    def _written(self, round_: int, rewrites: list[Rewrite]) -> None:
        self.folder.record_written(round_, rewrites)
        self._record_usage()


def _result(search: Search, folder: RunFolder, seconds: float) -> Result:
    original: Any = next((s for s in search.history.stats() if s.rewrite.text == search.request.prompt), None)
    return Result(
        search.request,
        str(folder.path),
        search.stop or StopReason.BUDGET,
        original,
        search.winner(),
        search.best(),
        search.history.candidates,
        seconds,
    )
