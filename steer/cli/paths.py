"""Paths as they are typed."""

from __future__ import annotations

from pathlib import Path

from steer.errors import UsageError

SHOWN = 60  # characters


def named(path: Path | str) -> Path:
    """The path. Raises UsageError for one that no file can have, or that this person may not look at."""
    try:
        Path(path).lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        shown = str(path).encode("unicode_escape").decode()
        raise UsageError(f"'{shown[:SHOWN]}{'...' if len(shown) > SHOWN else ''}': {why}") from error
    return Path(path)
