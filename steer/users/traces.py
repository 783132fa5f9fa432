"""What deleted people leave outside the store: runs and exported files."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from steer.judging.audience import Audience


def exported_file(user: str, folder: Path) -> Path:
    """Where ``steer user export`` writes by default. ``folder``: that of the runs."""
    return folder / f"{user}.json"


def traces_of(users: Collection[str], folder: Path) -> list[Path]:
    """Runs below ``folder`` that steered for or away from any of these people, and their exported files in it."""
    found = []
    for manifest in sorted(folder.rglob("manifest.json")):
        try:
            audience = Audience.parse(json.loads(manifest.read_text(encoding="utf-8"))["request"]["user"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        if not set(users).isdisjoint(audience.everyone):
            found.append(manifest.parent)
    return found + [file for user in users if (file := exported_file(user, folder)).is_file()]


def has_words(run: Path) -> bool:
    """Whether a run keeps what a language model was told of its users' taste."""
    try:
        return bool(json.loads((run / "manifest.json").read_text(encoding="utf-8")).get("taste"))
    except (OSError, ValueError, AttributeError):
        return False
