"""Folders that steer wrote: which kind each is, and what is in the output folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reward_models.doors import read_object
from steer.errors import UsageError

OUTPUTS = Path("outputs")
KINDS = ("run", "batch", "study")
LONGEST = 40  # characters of a time


@dataclass(frozen=True)
class Entry:
    """A run, batch or study in the output folder; ``when``: as ISO 8601, to sort by."""

    path: Path
    kind: str  # "run", "batch" or "study"
    when: str


def kind_of(path: Path) -> str:
    """ "run", "batch" or "study". Raises UsageError for a folder that is none of them."""
    if not (path / "study.json").exists() and not (path / "manifest.json").exists():
        raise UsageError(f"there is no run, batch or study in '{path}'")
    if read_json(path / "study.json").get("kind") == "study":
        return "study"
    return "batch" if read_json(path / "manifest.json").get("kind") == "batch" else "run"


def entries(parent: Path) -> list[Entry]:
    """What steer wrote into a folder, the newest first."""
    if not parent.is_dir():
        return []
    found = list(_entries(parent))
    return sorted(found, key=lambda entry: (entry.when, entry.path.name), reverse=True)


def latest(parent: Path = OUTPUTS) -> Path:
    """The newest run, batch or study. Raises UsageError where there is none."""
    found = entries(parent)
    if not found:
        raise UsageError(f"there are no runs in '{parent}'; give the folder of one, or make one with: steer run")
    return found[0].path


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty where there is none to read."""
    try:
        return read_object(path)
    except (OSError, ValueError):
        return {}


def _entries(parent: Path) -> Iterator[Entry]:
    for path in parent.iterdir() if os.access(parent, os.R_OK) else ():
        for name in ("study.json", "manifest.json"):
            if facts := read_json(path / name):
                made = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime((path / name).stat().st_mtime))
                kind = facts.get("kind", "run")
                yield Entry(path, kind if kind in KINDS else "run", str(facts.get("created", made))[:LONGEST])
                break
