"""One run under way: what the loop drives, and a batch drives many of side by side."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import replace

from steer.errors import SteerError
from steer.events import Listener, PhaseBegan, PromptDoubted, RoundProposed, RunStopped
from steer.parts import Parts
from steer.protocols import Meter, Proposer
from steer.report import write_report
from steer.result import Outlook, Result, Taste
from steer.run.after import after_round, asking_of
from steer.run.critic import critic_at_work
from steer.search.belief import counting
from steer.search.search import Search
from steer.store.files import lock
from steer.store.run_folder import RunFolder
from steer.types import Candidate, Dropped, Rewrite, SteerRequest, StopReason

EXPLAINED = 6  # attributes named of a picture
COMPARED = 4  # pictures of the prompt that the best one is compared with
ORPHAN_S = 60.0  # a worker whose batch was killed may live this long


class Session:
    """A request, its people, its search and its folder.

    It holds the folder until :meth:`release`. ``proposer``: its own where it counts what it costs; ``alone``: whether
    the renderer's costs are this run's alone. Raises StorageError where another process works on the run.
    """

    def __init__(
        self,
        parts: Parts,
        request: SteerRequest,
        folder: RunFolder,
        emit: Listener,
        proposer: Proposer | None = None,
        alone: bool = True,
    ):
        request = replace(request, taste=folder.taste, earlier=folder.earlier)
        self.request, self.folder, self.emit = request, folder, emit
        writer = proposer or parts.proposer
        writer.wrote = lambda done, total: emit(PhaseBegan("writing", done, total))
        self._roster, self._renderer = parts.roster, parts.renderer
        self.people = self._roster.people(request.user)
        self.judge = parts.judge(self.people)
        self.critic = critic_at_work(parts, self.people, request.prompt, folder, writer)
        self.asking = asking_of(parts, self.judge, request, folder, emit)
        self.after_round = after_round(parts, self.judge, request, folder, self.critic, self.asking)
        self.result: Result | None = None
        self._lock = lock(folder.path, "run", 0 if alone else ORPHAN_S)
        self._begun = time.monotonic()
        self._meters: dict[str, Meter] = {}
        meters = {"proposer": writer.meter, "critic": self.critic.critic.meter if self.critic else None}
        if alone:  # pictures and scores of several runs are made together
            meters |= {"renderer": parts.renderer.meter, "reward": parts.reward.meter}
        for name, meter in meters.items():
            if meter is not None:
                self._meters[name] = meter
                meter.start(folder.manifest.get("usage", {}).get(name, {}))
        self.search = Search(
            request,
            parts.funnel(request, self.judge, writer, written=folder.written, on_written=self._written),
            parts.config.search,
            parts.config.objective,
            folder.proposed,
            self._proposed,
            parts.renderer.drafts is not None,
            folder.dropped,
        )
        doubts = parts.warnings(request.prompt)
        self.warnings = [str(each) for each in doubts]
        if doubts:
            folder.record_warnings(self.warnings)
            emit(PromptDoubted(request, doubts))

    def finish(self) -> Result:
        """The result, in the folder too."""
        self.emit(PhaseBegan("reporting"))
        result = self.conclude()
        self.emit(RunStopped(result))
        return result

    def conclude(self) -> Result:
        """:meth:`finish` without the event; mostly the report's pictures, so a batch does it in another thread."""
        self._record_usage()
        noticed = [*self._renderer.remarks, *(self.critic.warnings() if self.critic else [])]
        if self.asking:
            self.asking.close()
            noticed += self.asking.remarks()
        if told := [each for each in noticed if each not in self.warnings]:
            self.warnings += told
            self.folder.record_warnings(self.warnings)
        self.folder.flush()
        result = self._result()
        result.explained.update(self._explained(result))
        self.folder.record_stop(result.stop.name, result.seconds)
        self.folder.flush()
        write_report(result, self.folder)
        self.result = result
        return result

    def give_up(self, error: SteerError) -> SteerError:
        """Keep what was made; the error with the way to go on."""
        with suppress(SteerError):  # the disk's own fault is the one already said
            if self.asking:
                self.asking.close()
            self._record_usage()
            self.folder.flush()
        return type(error)(f"{error}; then go on with 'steer resume {self.folder.path}'")

    def release(self) -> None:
        """Let others work on the folder; harmless a second time."""
        self._lock.release()

    def _result(self) -> Result:
        search = self.search
        original = next((s for s in search.history.stats() if s.rewrite.text == self.request.prompt), None)
        return Result(
            self.request,
            str(self.folder.path),
            search.stop or StopReason.BUDGET,
            original,
            search.winner(),
            search.best(),
            search.history.candidates,
            time.monotonic() - self._begun,
            because=search.because,
            warnings=self.warnings,
            comments=self.critic.said() if self.critic else {},
            tastes=[
                Taste(user, found.used, 1 - found.uncertainty)
                for user, found in self._roster.learned(self.people).items()
            ],
            outlook=self._outlook(),
        )

    def _outlook(self) -> Outlook | None:
        """Of the best picture; against the prompt's own pictures, unless it is one of them."""
        best, prompt = self.search.best(), self.request.prompt
        if best is None:
            return None
        own = [c for c in counting(self.search.history) if c.rewrite.text == prompt and c.picture]
        better = math.nan
        if best.picture and best.rewrite.text != prompt and own:
            pictures = [self.folder.load_picture(c) for c in own[:COMPARED]]
            better = self.judge.surely_better(self.folder.load_picture(best), pictures, prompt)
        return Outlook(round(self.search.expected(), 6), round(better, 4))

    def _explained(self, result: Result) -> dict[str, dict[str, float]]:
        """The few attributes that matter most in the original's and the best picture."""

        def reasons(candidate: Candidate) -> dict[str, float]:
            found = self.judge.reasons(self.folder.load_picture(candidate), self.request.prompt)
            return dict(list(found.items())[:EXPLAINED])

        if self.judge.panel.reward.words is None:
            return {}
        shown = {"original": result.first, "best": result.best}
        told = {name: reasons(c) for name, c in shown.items() if c is not None and c.picture}
        return {name: found for name, found in told.items() if found}

    def _record_usage(self) -> None:
        for name, meter in self._meters.items():
            self.folder.record_usage(name, meter.spent())

    def _proposed(self, round_: int, rewrites: list[Rewrite], dropped: list[Dropped]) -> None:
        self.folder.record_proposed(round_, rewrites, dropped)
        self._record_usage()
        self.emit(RoundProposed(round_, rewrites, dropped))

    def _written(self, round_: int, rewrites: list[Rewrite]) -> None:
        self.folder.record_written(round_, rewrites)
        self._record_usage()
