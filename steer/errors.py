"""Errors by cause. Each message is one line: what happened, the value, what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reward_models.registry import not_found


class SteerError(Exception):
    """Something went wrong that is not the user's input; exit code 1."""

    exit_code = 1


class UsageError(SteerError):
    """The input is wrong; exit code 2."""

    exit_code = 2


class MissingWeights(SteerError):
    """A shipped or named weight file is missing or does not open."""

    def __init__(self, where: Path | str, cause: object = ""):
        detail = f" ({str(cause).splitlines()[0]})" if str(cause) else ""
        super().__init__(
            f"weights in '{where}' are missing or damaged{detail}; "
            "reinstall steer or point the config at another folder"
        )


class StorageError(SteerError):
    """The run folder cannot be written (disk full, no permission)."""


class ProposerError(SteerError):
    """The proposer cannot go on (no key, server gone, nothing usable)."""


class ProposerBudgetSpent(SteerError):
    """A run's calls or tokens are spent; what was proposed before stays and the search comes to its end."""


class RenderError(SteerError):
    """The renderer cannot work at all; one bad picture is a ``RenderFailure`` instead."""


def unknown(kind: str, value: str, known: Iterable[str]) -> UsageError:
    """A usage error for a name that does not exist, with the nearest names that do.

    >>> str(unknown("user", "u71", ["u17", "u2"]))
    "user 'u71' not found (2 known). Did you mean 'u17'?"
    """
    return UsageError(not_found(kind, value, known))
