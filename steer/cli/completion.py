"""What the shell offers after Tab: users, presets and folders. Nothing slow is imported, and no fault is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from steer.cli.folders import OUTPUTS, entries

MOST = 50  # folders


def users(incomplete: str) -> Iterator[str]:
    """Ids of the store, and "average"."""
    from steer.users.store import UserStore

    with suppress(Exception):  # a terminal that is completing a line has no place for an error
        yield from (name for name in [*UserStore().ids(), "average"] if name.startswith(incomplete))


def presets(incomplete: str) -> Iterator[str]:
    """Names of presets."""
    from steer.config import presets as shipped

    yield from (name for name in shipped() if name.startswith(incomplete))


def run_folders(incomplete: str) -> list[str]:
    """Folders of runs, the newest first."""
    return _folders(incomplete, ("run",))


def made_folders(incomplete: str) -> list[str]:
    """Folders of runs, batches and studies, the newest first."""
    return _folders(incomplete, ("run", "batch", "study"))


def _folders(incomplete: str, kinds: tuple[str, ...]) -> list[str]:
    """Those of outputs/ whose path begins so, or whose name holds what was typed: "fox" finds a fox's run."""
    with suppress(OSError):
        found = [str(entry.path) for entry in entries(OUTPUTS) if entry.kind in kinds]
        begin = [path for path in found if path.startswith(incomplete)]
        return (begin or [path for path in found if incomplete in path])[:MOST]
    return []
