"""Favourite pictures: ``favourites.json`` in the folder of their run, so that they are copied and deleted with it."""

from __future__ import annotations

import threading
from pathlib import Path

from reward_models.doors import read_object
from steer.store.files import write_json

NAME = "favourites.json"
MOST = 10_000  # in one run
_lock = threading.Lock()


def favourites_of(folder: Path) -> list[int]:
    """Indices of a run's favourite pictures, in order; those that the file names wrongly are left out."""
    try:
        found = read_object(folder / NAME).get("pictures")
    except (OSError, ValueError):
        return []
    return sorted({i for i in found[:MOST] if type(i) is int and i >= 0}) if isinstance(found, list) else []


def set_favourite(folder: Path, index: int, favourite: bool) -> list[int]:
    """Make a picture a favourite, or no more; all of the run's. Raises StorageError."""
    with _lock:
        kept = set(favourites_of(folder)) - {index} | ({index} if favourite else set())
        if kept:
            write_json(folder / NAME, {"pictures": sorted(kept)})
        else:
            (folder / NAME).unlink(missing_ok=True)
    return sorted(kept)
