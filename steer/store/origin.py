"""What a picture says of how it was drawn, to go on from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reward_models.doors import Unreadable
from reward_models.pictures import open_picture
from steer.config import DiffusersConfig, RemoteConfig, RendererConfig
from steer.config.search import MOST_SEED
from steer.errors import UsageError
from steer.store.provenance import facts_of
from steer.types import Start
from steer.words import check_prompt

SETTINGS = re.compile(r"^(Negative prompt:|Steps: \d)", re.MULTILINE)  # what follows the text
SEED = re.compile(r"\bSeed: (\d+)")


@dataclass(frozen=True)
class Origin:
    """``prompt``: as it was typed. ``kind`` and ``model``: of the renderer; "" where the picture does not say."""

    prompt: str
    start: Start
    kind: str = ""
    model: str = ""

    def drawn_otherwise(self, renderer: RendererConfig) -> str:
        """In one sentence, that the picture was drawn by another model; "" where it was not, or does not say."""
        own = renderer.model if isinstance(renderer, (DiffusersConfig, RemoteConfig)) else renderer.kind
        if not self.model or (self.kind, self.model) == (renderer.kind, own):
            return ""
        return f"the picture was drawn by {self.model}, and this run draws with {own}, so it will look different"


def origin_of(picture: Path) -> Origin:
    """Of a PNG that steer wrote, or of one whose text and seed stand in it as AUTOMATIC1111's web UI writes them.

    Raises UsageError for a picture that says neither.
    """
    try:
        facts, parameters = facts_of(picture), _parameters(picture)
    except (OSError, Unreadable) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"--from: '{picture}' cannot be read as a PNG picture: {why}") from error
    found = _of_steer(facts) if facts else _of_others(parameters)
    if found is None:
        raise UsageError(
            f"--from: '{picture}' does not say which text and seed it was drawn with; pictures in a run's folder do"
        )
    return found


def _of_steer(facts: dict[str, Any]) -> Origin | None:
    text, seed, prompt, changes = (facts.get(name) for name in ("text", "seed", "prompt", "changes"))
    if not (isinstance(text, str) and isinstance(prompt, str) and _is_seed(seed)):
        return None
    kinds = changes if isinstance(changes, dict) else {}
    told = {k: v for k, v in kinds.items() if isinstance(v, str)}
    try:
        start = Start(check_prompt(text), seed, told)  # type: ignore[arg-type]
        return Origin(check_prompt(prompt), start, _text(facts.get("renderer")), _text(facts.get("model")))
    except UsageError:
        return None


def _of_others(parameters: str) -> Origin | None:
    """The text and the seed; the rest of the settings is the other tool's."""
    settings = SETTINGS.search(parameters)
    seed = SEED.search(parameters, settings.start()) if settings else None
    if settings is None or seed is None or not _is_seed(int(seed[1][:32])):
        return None
    try:
        text = check_prompt(parameters[: settings.start()])
    except UsageError:
        return None
    return Origin(text, Start(text, int(seed[1])))


def _parameters(picture: Path) -> str:
    with open_picture(picture, ("PNG",)) as image:
        image.load()
        return _text(image.info.get("parameters"))[:100_000]


def _is_seed(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_SEED


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
