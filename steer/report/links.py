"""The way back from a page to the page that lists it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reward_models.doors import read_object


@dataclass(frozen=True)
class Link:
    """``href`` relative to the page, and what it says."""

    href: str
    words: str


def back_from_run(run: Path) -> Link | None:
    """To the page of the batch that a run folder, ``BATCH/runs/XX/ID``, belongs to; None for a run alone."""
    return Link("../../../index.html", "all rows of the batch") if _is(_up(run, 3) / "manifest.json", "batch") else None


def back_from_batch(batch: Path) -> Link | None:
    """To the report of the study that a batch, ``STUDY/looks`` or ``STUDY/runs/CONDITION``, belongs to; None for a
    batch alone.
    """
    for levels in (1, 2):
        if _is(_up(batch, levels) / "study.json", "study"):
            return Link("../" * levels + "report.html", "the study")
    return None


def _up(path: Path, levels: int) -> Path:
    """A folder so many levels above; the root's parent is the root."""
    path = path.resolve()
    for _ in range(levels):
        path = path.parent
    return path


def _is(file: Path, kind: str) -> bool:
    try:
        return bool(read_object(file).get("kind") == kind)
    except (OSError, ValueError):
        return False
