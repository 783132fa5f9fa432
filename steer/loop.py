"""The round: propose, render, score, tell. Prints nothing and knows no concrete class."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PIL import Image

from reward_models import Person, RewardModel
from steer.events import CandidateDone, Listener
from steer.protocols import Renderer
from steer.search import Search
from steer.store.run_folder import RunFolder
from steer.types import Candidate, RenderFailure, State, StopReason


def run_loop(
    search: Search, renderer: Renderer, reward: RewardModel, person: Person, folder: RunFolder,
    emit: Listener, chunk: int, clock: Callable[[], float] = time.monotonic,
) -> None:  # fmt: skip
    """Drive ``search`` to its end, ``chunk`` pictures at a time; every picture is kept."""
    begun, limit = clock(), search.config.time_limit_s
    candidates: list[Candidate] = []
    try:
        while candidates := search.ask():
            for start in range(0, len(candidates), chunk):
                part = candidates[start : start + chunk]
                if limit and clock() - begun > limit and search.round > 0:
                    _skip(candidates[start:], search, folder)
                    search.stop = StopReason.TIME
                    break
                _render(part, renderer, folder)
                _score(part, search, reward, person, folder)
                for candidate in part:
                    emit(CandidateDone(candidate, search.history))
            search.tell(candidates)
            if search.stop is StopReason.TIME:
                return
    except KeyboardInterrupt:
        told = {c.index for c in search.history.candidates}
        done = [c for c in candidates if c.state in (State.SCORED, State.FAILED) and c.index not in told]
        search.tell(done)
        search.stop = StopReason.INTERRUPTED


def _render(candidates: Sequence[Candidate], renderer: Renderer, folder: RunFolder) -> None:
    """Give each candidate its picture: from the journal where it is, else from the renderer."""
    missing = [c for c in candidates if not folder.restore(c)]
    if any(c.tier == "draft" for c in missing):  # a search asks for one tier at a time
        renderer = renderer.drafts  # type: ignore[attr-defined]
    results = renderer.render([c.rewrite.text for c in missing], [c.seed for c in missing]) if missing else []
    for candidate, result in zip(missing, results, strict=True):
        if isinstance(result, RenderFailure):
            candidate.state, candidate.reason = State.FAILED, result.reason
            folder.record(candidate)
        else:
            candidate.image = result
            folder.save_picture(candidate, result)


def _score(
    candidates: Sequence[Candidate], search: Search, reward: RewardModel, person: Person, folder: RunFolder
) -> None:
    """Score the rendered ones, each against the ORIGINAL prompt."""
    rendered = [c for c in candidates if c.state is State.RENDERED]
    if not rendered:
        return
    images: list[Image.Image] = [c.image or folder.load_picture(c) for c in rendered]
    scores = reward.score(images, [search.request.prompt] * len(images), person)
    for i, candidate in enumerate(rendered):
        candidate.take(scores, i)
        candidate.image = None
        folder.record(candidate)


def _skip(candidates: Sequence[Candidate], search: Search, folder: RunFolder) -> None:
    for candidate in candidates:
        if not folder.restore(candidate):
            candidate.state, candidate.reason = State.SKIPPED, "the time was up"
