"""Folders that steer wrote: which kind each is, and what is in the output folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steer.errors import UsageError

OUTPUTS = Path("outputs")


@dataclass(frozen=True)
class Entry:
    """A run, batch or study in the output folder; ``when``: as ISO 8601, to sort by."""

    path: Path
    kind: str  # "run", "batch" or "study"
    when: str


def kind_of(path: Path) -> str:
    """ "run", "batch", "study", or "" for anything else."""
    from steer.batch.folder import is_batch
    from steer.study.folder import is_study

    if is_study(path):
        return "study"
    if is_batch(path):
        return "batch"
    return "run" if "request" in read_json(path / "manifest.json") else ""


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
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _entries(parent: Path) -> Iterator[Entry]:
    for path in parent.iterdir():
        if kind := kind_of(path):
            manifest = path / ("study.json" if kind == "study" else "manifest.json")
            made = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(manifest.stat().st_mtime))
            yield Entry(path, kind, str(read_json(manifest).get("created", made)))
