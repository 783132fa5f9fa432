"""A scorer as a command is told of it: ``KIND:MODEL``, ``NAME=KIND:MODEL`` or a YAML file as ``objective.scorers`` has
it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reward_models import yaml12
from reward_models.base import RewardError
from reward_models.doors import read_text
from reward_models.scorers.base import KINDS, Scorer, load_scorer, takes_device

FILES = (".yaml", ".yml", ".json")
SCALES = ("linear", "gaussian")  # of the objective; what is only compared needs none


@dataclass(frozen=True)
class Named:
    """``name``: how tables call it. ``settings``: passed to the scorer unchanged."""

    name: str
    kind: str
    settings: dict[str, Any] = field(default_factory=dict)

    def load(self, device: str = "cpu") -> Scorer:
        """The scorer, on ``device`` where its kind takes one and the settings name none. Raises RewardError."""
        return load_scorer(self.kind, **({"device": device} if takes_device(self.kind) else {}), **self.settings)


def named(text: str) -> Named:
    """What is meant. Raises RewardError for a text of another form, or a file that holds something else.

    >>> named("clip:outputs/pickscore")
    Named(name='clip:outputs/pickscore', kind='clip', settings={'model': 'outputs/pickscore'})
    >>> named("LAION=clip-mlp:outputs/laion").name
    'LAION'
    """
    if Path(text).suffix in FILES:
        return _of_file(Path(text))
    name, sign, rest = text.partition("=")
    kind, colon, model = (rest if sign else text).partition(":")
    if not (kind and colon and model) or (sign and not name):
        raise RewardError(f"'{text}' names no scorer; write KIND:MODEL (kinds: {', '.join(KINDS)}) or a YAML file")
    return Named(name if sign else text, kind, {"model": model})


def _of_file(path: Path) -> Named:
    try:
        values = yaml12.load(read_text(path, yaml12.MOST_CHARACTERS))
    except (yaml12.YAMLError, OSError, ValueError) as error:
        raise RewardError(f"'{path}' does not read as YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(values, dict) or not isinstance(values.get("kind"), str):
        raise RewardError(f"'{path}' must say the kind of scorer, such as kind: clip")
    if strange := sorted(set(map(str, values)) - {"kind", "settings", *SCALES}):
        raise RewardError(f"'{path}': there is no {strange[0]}; known: kind, settings, {', '.join(SCALES)}")
    settings = values.get("settings") or {}
    if not isinstance(settings, dict):
        raise RewardError(f"'{path}': settings must be a mapping")
    return Named(path.stem, values["kind"], {str(k): v for k, v in settings.items()})
