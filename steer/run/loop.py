"""The round: propose, render, score, tell. Prints nothing and knows no concrete class."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PIL import Image

from steer.events import CandidateDone, Listener, PhaseBegan
from steer.judging.judge import Judge
from steer.protocols import Renderer
from steer.run.after import AfterRound
from steer.run.early import EarlyStop
from steer.search.search import Search
from steer.store.run_folder import RunFolder
from steer.types import Candidate, RenderFailure, State, Stopped, StopReason

Drawn = Image.Image | RenderFailure | Stopped


def run_loop(
    search: Search,
    renderer: Renderer,
    judge: Judge,
    folder: RunFolder,
    emit: Listener,
    after_round: Sequence[AfterRound] = (),
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Drive ``search`` to its end, a batch of pictures at a time; every picture is kept."""
    if folder.drawn_together:
        renderer.narrow(folder.drawn_together)
    begun, limit, chunk = clock(), search.config.time_limit_s, renderer.batch_size
    candidates: list[Candidate] = []
    early = None if renderer.previews is None else EarlyStop(search, judge)
    try:
        while candidates := _next(search, emit):
            renderer.prepare([c.rewrite.text for c in candidates if c.index not in folder.candidates])
            for start in range(0, len(candidates), chunk):
                part = candidates[start : start + chunk]
                if limit and clock() - begun > limit and search.round > 0:
                    _skip(candidates[start:], folder)
                    search.end(StopReason.TIME)
                    break
                emit(PhaseBegan("drawing"))
                _render(part, renderer, folder, early)
                emit(PhaseBegan("scoring"))
                _score(part, search, judge, folder)
                for candidate in part:
                    emit(CandidateDone(candidate, search.history))
            folder.flush()  # what the next texts follow from cannot be lost any more
            search.tell(candidates)
            for each in after_round:
                each(search)
            if search.stop is StopReason.TIME:
                return
    except KeyboardInterrupt:
        told = {c.index for c in search.history.candidates}
        done = [c for c in candidates if c.state in (State.SCORED, State.FAILED) and c.index not in told]
        search.tell(done)
        search.end(StopReason.INTERRUPTED)


def _next(search: Search, emit: Listener) -> list[Candidate]:
    emit(PhaseBegan("proposing"))
    return search.ask()


def _draw(candidates: Sequence[Candidate], renderer: Renderer, early: EarlyStop | None) -> Sequence[Drawn]:
    """A result for each; a search asks for one tier at a time."""
    texts, seeds = [c.rewrite.text for c in candidates], [c.seed for c in candidates]
    if not candidates:
        return []
    if candidates[0].tier == "draft" and renderer.drafts is not None:
        return renderer.drafts.render(texts, seeds)
    if early and renderer.previews is not None and all(early.watches(c) for c in candidates):
        return renderer.previews.render(texts, seeds, lambda i, preview: early.goes_on(candidates[i], preview))
    return renderer.render(texts, seeds)


def _render(
    candidates: Sequence[Candidate], renderer: Renderer, folder: RunFolder, early: EarlyStop | None = None
) -> None:
    """Give each candidate its picture: from the journal where it is, else from the renderer."""
    missing = [c for c in candidates if not folder.restore(c)]
    for candidate, result in zip(missing, _draw(missing, renderer, early), strict=True):
        take_picture(candidate, result, folder)
    folder.record_together(renderer.drawn_together)


def take_picture(candidate: Candidate, result: Drawn, folder: RunFolder) -> None:
    """Give a candidate what the renderer made of it, and keep it."""
    if isinstance(result, RenderFailure):
        candidate.state, candidate.reason = State.FAILED, result.reason
        folder.record(candidate)
        return
    if isinstance(result, Stopped):
        candidate.tier, candidate.reason = "preview", f"stopped after {result.steps} steps"
        result = result.preview
    candidate.image = result
    folder.save_picture(candidate, result)


def _score(candidates: Sequence[Candidate], search: Search, judge: Judge, folder: RunFolder) -> None:
    """Score the rendered ones, each against the ORIGINAL prompt."""
    rendered = [c for c in candidates if c.state is State.RENDERED]
    if not rendered:
        return
    scores = judge.score([c.image or folder.load_picture(c) for c in rendered], search.request.prompt)
    for i, candidate in enumerate(rendered):
        candidate.take(scores, i)
        candidate.image = None
        folder.record(candidate)


def _skip(candidates: Sequence[Candidate], folder: RunFolder) -> None:
    for candidate in candidates:
        if not folder.restore(candidate):
            candidate.state, candidate.reason = State.SKIPPED, "the time was up"
