"""The round: propose, render, score, tell. Prints nothing and knows no concrete class."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from PIL import Image

from reward_models import Person, RewardModel
from steer.events import CandidateDone, Listener
from steer.protocols import Renderer
from steer.run.early import EarlyStop
from steer.search.search import Search
from steer.store.run_folder import RunFolder
from steer.types import Candidate, RenderFailure, State, Stopped, StopReason


def run_loop(
    search: Search,
    renderer: Renderer,
    reward: RewardModel,
    person: Person,
    folder: RunFolder,
    emit: Listener,
    chunk: int,
    learn: Callable[[Search], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Drive ``search`` to its end, ``chunk`` pictures at a time; every picture is kept. ``learn`` is called after each round."""
    begun, limit = clock(), search.config.time_limit_s
    candidates: list[Candidate] = []
    early = _early_stop(search, renderer, reward, person)
    try:
        while candidates := search.ask():
            _prepare(candidates, renderer, folder)
            for start in range(0, len(candidates), chunk):
                part = candidates[start : start + chunk]
                if limit and clock() - begun > limit and search.round > 0:
                    _skip(candidates[start:], search, folder)
                    search.stop = StopReason.TIME
                    break
                _render(part, renderer, folder, early)
                _score(part, search, reward, person, folder)
                for candidate in part:
                    emit(CandidateDone(candidate, search.history))
            search.tell(candidates)
            learn(search)
            if search.stop is StopReason.TIME:
                return
    except KeyboardInterrupt:
        told = {c.index for c in search.history.candidates}
        done = [c for c in candidates if c.state in (State.SCORED, State.FAILED) and c.index not in told]
        search.tell(done)
        search.stop = StopReason.INTERRUPTED


def _early_stop(search: Search, renderer: Renderer, reward: RewardModel, person: Person) -> EarlyStop | None:
    if renderer.previews is None:
        return None
    return EarlyStop(search, lambda picture: reward.score([picture], [search.request.prompt], person))


def _prepare(candidates: Sequence[Candidate], renderer: Renderer, folder: RunFolder) -> None:
    """Tell the renderer which texts the round will draw."""
    renderer.prepare([c.rewrite.text for c in candidates if c.index not in folder.candidates])


def _draw(
    candidates: Sequence[Candidate], renderer: Renderer, early: EarlyStop | None
) -> Sequence[Image.Image | RenderFailure | Stopped]:
    """A result for each; a search asks for one tier at a time."""
    texts, seeds = [c.rewrite.text for c in candidates], [c.seed for c in candidates]
    if not candidates:
        return []
    if renderer.drafts and candidates[0].tier == "draft":
        return renderer.drafts.render(texts, seeds)
    if renderer.previews and early and all(early.watches(c) for c in candidates):
        return renderer.previews.render(texts, seeds, lambda i, preview: early.goes_on(candidates[i], preview))
    return renderer.render(texts, seeds)


def _render(
    candidates: Sequence[Candidate], renderer: Renderer, folder: RunFolder, early: EarlyStop | None = None
) -> None:
    """Give each candidate its picture: from the journal where it is, else from the renderer."""
    missing = [c for c in candidates if not folder.restore(c)]
    for candidate, result in zip(missing, _draw(missing, renderer, early), strict=True):
        take_picture(candidate, result, folder)


def take_picture(candidate: Candidate, result: Image.Image | RenderFailure | Stopped, folder: RunFolder) -> None:
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
