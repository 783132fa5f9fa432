"""Values that were typed on the command line, read as the type of their setting.

``renderer.aspect=3:2`` is text because an aspect is text, ``search.budget=1e2`` is 100 because a budget is a number.
Lists and mappings are written in YAML's flow style: ``renderer.call={guidance_scale: 4}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from reward_models import yaml12
from reward_models.doors import shown
from steer.config.section import Section
from steer.config.sections import KINDS, SteerConfig
from steer.config.values import options
from steer.errors import UsageError

UNKNOWN = None  # the type of a key that does not exist; validation says so


def type_of(key: str, kinds: Mapping[str, str]) -> Any:
    """The declared type of a setting such as "search.seeds"; ``kinds`` are the kinds of sections that have several.

    :data:`UNKNOWN` for a key that does not exist.
    """
    first, *rest = key.split(".")
    if first not in SteerConfig.model_fields:
        return UNKNOWN
    if not rest:
        return SteerConfig.model_fields[first].annotation
    if first in KINDS:
        return _inside(KINDS[first].model(kinds.get(first, KINDS[first].default)), rest)
    return _inside(SteerConfig.model_fields[first].annotation, rest)


def _inside(declared: Any, keys: Sequence[str]) -> Any:
    """The type below ``declared`` that ``keys`` lead to."""
    if not keys:
        return declared
    for option in options(declared):
        if isinstance(option, type) and issubclass(option, Section) and keys[0] in option.model_fields:
            return _inside(option.model_fields[keys[0]].annotation, keys[1:])
        if get_origin(option) is dict:
            return _inside(get_args(option)[1], keys[1:])
        if option is Any:
            return Any
    return UNKNOWN


def section_in(declared: Any) -> type[Section] | None:
    """The section's class in a type such as ``DraftConfig | None`` or ``list[LoraConfig]``, else None."""
    for option in options(declared):
        if isinstance(option, type) and issubclass(option, Section):
            return option
        if get_origin(option) in (list, dict) and (found := section_in(get_args(option)[-1])):
            return found
    return None


def read_typed(text: str, declared: Any) -> Any:
    """The value that ``text`` means for a setting of this type. Raises UsageError for broken YAML where YAML is meant.

    >>> read_typed("3:2", str | None), read_typed("null", str | None), read_typed("on", Literal["on", "off"])
    ('3:2', None, 'on')
    >>> read_typed("1e3", int), read_typed("[1, 2]", tuple[float, float]), read_typed("no", dict[str, Any])
    (1000.0, [1, 2], 'no')
    """
    if declared is UNKNOWN:
        return text
    kinds = options(declared)
    text_is_meant = all(kind in (str, bool, type(None)) or _all_text(kind) for kind in kinds)
    if type(None) in kinds and text in ("null", "~", "None", ""):
        return None
    if text_is_meant and text[:1] not in ('"', "'"):
        return text  # of a bool too: pydantic knows on, off, yes and no
    value = _yaml(text)
    if isinstance(value, (dict, list)) or declared is Any:
        return value
    if any(kind in (int, float) for kind in kinds) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return value if isinstance(value, str) else text


def _all_text(kind: Any) -> bool:
    return get_origin(kind) is Literal and all(isinstance(value, str) for value in get_args(kind))


def _yaml(text: str) -> Any:
    try:
        return yaml12.load(text)
    except yaml12.YAMLError as error:
        raise UsageError(f"{shown(text)} is not YAML: {' '.join(str(error).split())}") from error
