"""A checked request, and the folder it runs in."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from steer.config.search import MOST_PICTURES, MOST_SEED
from steer.errors import UsageError
from steer.parts import Parts
from steer.store.run_folder import RunFolder
from steer.types import Start, SteerRequest
from steer.words import check_prompt


def check_request(
    parts: Parts, prompt: str, user: str, budget: int | None = None, seed: int = 0, start: Start | None = None
) -> SteerRequest:
    """A request; ``budget`` None is the config's. Raises UsageError for an unusable prompt, user, budget, seed or
    start.
    """
    budget = parts.config.search.budget if budget is None else budget
    if not 1 <= budget <= MOST_PICTURES:
        raise UsageError(f"the budget is {budget}; it must be from 1 to {MOST_PICTURES} pictures")
    if not 0 <= seed <= MOST_SEED:
        raise UsageError(f"the seed is {seed}; it must be from 0 to {MOST_SEED}")
    text = check_prompt(prompt)
    parts.roster.people(user)
    if start is not None:
        if not parts.config.search.rewrite:
            raise UsageError("a run without rewrites draws the prompt alone, so it cannot start from another text")
        if not 0 <= start.seed <= MOST_SEED:
            raise UsageError(f"the seed to start from is {start.seed}; it must be from 0 to {MOST_SEED}")
        start = replace(start, text=check_prompt(start.text))
    return SteerRequest(text, user, budget, seed, start=start)


def run_folder(parts: Parts, request: SteerRequest, path: Path) -> RunFolder:
    """The request's folder: a new one, or the one of an earlier start of the same. Raises UsageError for another's."""
    people = parts.roster.people(request.user)
    told = plain(request), parts.config.model_dump(), parts.describe(people)
    if not (path / "manifest.json").exists():
        return RunFolder.create(path, *told, parts.taste(people))
    folder = RunFolder.open(path)
    folder.check_same(*told)
    return folder


def plain(request: SteerRequest) -> dict[str, Any]:
    """The request, JSON-ready."""
    told = {"prompt": request.prompt, "user": request.user, "budget": request.budget, "seed": request.seed}
    return told | ({"start": asdict(request.start)} if request.start else {})
