"""What a value of a setting may be, whatever its field: plain, finite, bounded; true is no number."""

from __future__ import annotations

import math
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator

MOST_VALUES = 2000  # in one free mapping
MOST_DEPTH = 12


def options(declared: Any) -> list[Any]:
    """The members of a union, without annotations; the type itself if it is none.

    >>> options(int | None)
    [<class 'int'>, <class 'NoneType'>]
    """
    if get_origin(declared) is Annotated:
        return options(get_args(declared)[0])
    if get_origin(declared) in (Union, types.UnionType):
        return [found for option in get_args(declared) for found in options(option)]
    return [declared]


def truth_as_number(value: Any, declared: Any, place: str = "") -> str | None:
    """Where in ``value`` true or false stands for a number, as "" or ".key"; None where it does nowhere.

    >>> truth_as_number(True, int | None), truth_as_number({"a": True}, dict[str, float]), truth_as_number(True, bool)
    ('', '.a', None)
    """
    found = options(declared)
    if isinstance(value, bool):
        takes_truth = any(o in (bool, Any) or (get_origin(o) is Literal and value in get_args(o)) for o in found)
        return place if not takes_truth and any(o in (int, float) for o in found) else None
    for option in found:
        for key, each, inner in _inside(value, option):
            if (where := truth_as_number(each, inner, f"{place}.{key}")) is not None:
                return where
    return None


def _inside(value: Any, declared: Any) -> Iterator[tuple[object, Any, Any]]:
    """Key, value and declared type of what a list or mapping holds."""
    kind, inner = get_origin(declared), get_args(declared)
    if kind is dict and isinstance(value, dict):
        yield from ((key, each, inner[1]) for key, each in value.items())
    elif kind in (list, tuple) and isinstance(value, (list, tuple)) and inner:
        yield from ((i, each, inner[min(i, len(inner) - 1)]) for i, each in enumerate(value))


def check_plain(value: dict[str, Any]) -> dict[str, Any]:
    """A free mapping as it is. Raises ValueError for what a manifest cannot hold."""
    if sum(1 for _ in _checked(value, 0)) > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES} values")
    return value


def _checked(value: Any, depth: int) -> Iterator[Any]:
    if depth > MOST_DEPTH:
        raise ValueError(f"more than {MOST_DEPTH} lists and mappings in each other")
    yield value
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("a key is not text")
        for each in value.values():
            yield from _checked(each, depth + 1)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _checked(each, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    elif not isinstance(value, (str, int, float, bool, type(None))):
        raise ValueError(f"a {type(value).__name__} is neither text, number, truth value, list nor mapping")


Free = Annotated[dict[str, Any], AfterValidator(check_plain)]
"""Settings of a part of others: passed on unchanged, so only their form is known."""
