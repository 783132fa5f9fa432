"""Optional packages: a missing one is one line that names the extra to install."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from steer.errors import UsageError


@contextmanager
def extra(name: str, *packages: str) -> Iterator[None]:
    """Raise UsageError if the block imports one of ``packages``, which the extra ``name`` installs, and it is missing.

    Any other missing module is a bug and stays a ModuleNotFoundError.

    >>> with extra("lora", "peft"):
    ...     raise ModuleNotFoundError("No module named 'peft'", name="peft")
    Traceback (most recent call last):
    ...
    steer.errors.UsageError: this needs the package 'peft'; install steer with the extra: pip install 'steer-t2i[lora]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in packages:
            raise
        raise _missing(name, package) from error


def need_extra(name: str, package: str) -> None:
    """Raise the same UsageError without importing ``package``, which may take seconds."""
    if importlib.util.find_spec(package) is None:
        raise _missing(name, package)


def _missing(name: str, package: str) -> UsageError:
    return UsageError(
        f"this needs the package '{package}'; install steer with the extra: pip install 'steer-t2i[{name}]'"
    )
