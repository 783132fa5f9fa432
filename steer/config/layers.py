"""Layers of plain values, one upon another: a preset's base, the preset, a study's settings, a condition's.

A layer that changes the kind of a section (``renderer: painter`` upon a preset of diffusers) leaves behind what the
layers below set for the old kind; what the layer itself sets must belong to the new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from steer.config.sections import KINDS, spelled_out
from steer.errors import UsageError

Setting = tuple[str, Any]  # "search.seeds", 2


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """A file's sections upon those of its base."""
    result = dict(below)
    for section, value in above.items():
        given, old = spelled_out(section, value), spelled_out(section, below.get(section))
        if (
            section in KINDS
            and isinstance(given, dict)
            and isinstance(old, dict)
            and isinstance(given.get("kind"), str)
        ):
            old = KINDS[section].switched(old, given["kind"])
        result[section] = _joined(old, given)
    return result


def _joined(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {**below, **{key: _joined(below.get(key), value) for key, value in above.items()}}


def with_settings(values: Mapping[str, Any], settings: Sequence[Setting]) -> dict[str, Any]:
    """A layer of single settings upon ``values``. Raises UsageError for a key below something that is not a section."""
    result = deepcopy(dict(values))
    for section, kinds in KINDS.items():
        named = [kind for key, value in settings if (kind := _kind_in(section, key, value)) is not None]
        below = spelled_out(section, result.get(section, {}))
        if named and isinstance(below, dict):
            result[section] = kinds.switched(below, named[-1])
    for key, value in settings:
        _set(result, key, value)
    return result


def kinds_of(values: Mapping[str, Any]) -> dict[str, str]:
    """The kind of each section that comes in several, as plain values name it."""
    kinds = {s: k.kind_of(spelled_out(s, values.get(s, {}))) for s, k in KINDS.items()}
    return {section: kind for section, kind in kinds.items() if kind is not None}


def names_a_kind(setting: Setting) -> bool:
    """Whether a setting says of which kind a section is."""
    return any(_kind_in(section, *setting) is not None for section in KINDS)


def _kind_in(section: str, key: str, value: Any) -> str | None:
    """The kind that a setting gives a section, if it gives one."""
    if key == section:
        value = spelled_out(section, value)
        value = value.get("kind") if isinstance(value, dict) else value
    elif key != f"{section}.kind":
        return None
    return value if isinstance(value, str) else None


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    inner = values
    for depth, parent in enumerate(parents):
        found = inner.setdefault(parent, {})
        if depth == 0:
            found = inner[parent] = spelled_out(parent, found)
        if found is None:  # renderer.draft.steps upon no draft
            found = inner[parent] = {}
        if not isinstance(found, dict):
            raise UsageError(f"'{key}' cannot be set: '{parent}' is a value, not a section")
        inner = found
    given = spelled_out(last, value) if not parents else value
    short = given is not value and isinstance(inner.get(last), (dict, str))
    inner[last] = {**spelled_out(last, inner[last]), **given} if short else given
