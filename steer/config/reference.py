"""What every setting is: for ``steer config`` and for the reference of settings in the docs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from reward_models import yaml12
from steer.config.section import Section
from steer.config.sections import KINDS, SteerConfig
from steer.config.typed import section_in
from steer.config.values import options

_NAMES = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null", Any: "anything"}
_CONTAINERS = {dict: "mapping", list: "list", tuple: "list"}


@dataclass(frozen=True)
class Setting:
    """One setting. ``kind``: of a section with several kinds, the one that has it; "" elsewhere.

    ``key``: as ``--set`` takes it ("renderer.draft.steps", "objective.scorers.NAME.kind"). ``type`` in words;
    ``default``: as YAML, "" where it must be given.
    """

    section: str
    key: str
    type: str
    default: str
    description: str
    kind: str = ""


def settings_table() -> Iterator[Setting]:
    """Every setting there is, by section and kind, in the order of the code. Plug-ins' own settings are unknown.

    >>> next(s for s in settings_table() if s.key == "search.seeds").type
    'integer (1 to 64)'
    """
    for name, field in SteerConfig.model_fields.items():
        if name in KINDS:
            for kind, model in KINDS[name].classes.items():
                yield from _of_section(name, name, model, kind)
        elif (only := section_in(field.annotation)) is not None:
            yield from _of_section(name, name, only)
        else:
            yield _setting("", name, field)


def section_about(name: str) -> str:
    """What a section is about, in one sentence."""
    return SteerConfig.model_fields[name].description or ""


def kind_about(section: str, kind: str) -> str:
    """What a kind of a section is, in a sentence or two."""
    return " ".join((KINDS[section].model(kind).__doc__ or "").split())


def as_yaml(config: SteerConfig) -> str:
    """A config as a YAML file with a comment above each setting; read again, it is the same config."""
    lines: list[str] = []
    for name, field in SteerConfig.model_fields.items():
        value = config.__dict__[name]
        lines += [f"# {_line(field)}"]
        if isinstance(value, Section):
            lines += [f"{name}:", *_section_lines(value), ""]
        else:
            lines += [f"{name}: {plain(value)}", ""]
    return "\n".join(lines)


def _section_lines(section: Section) -> Iterator[str]:
    values = section.model_dump(mode="json")
    for name, field in _fields(type(section)):
        choices = _words(field.annotation)
        yield f"  # {_line(field)}" + (f" ({choices})" if " | " in choices else "")
        yield f"  {name}: {plain(values[name])}"


def _line(field: FieldInfo) -> str:
    """A description in one line, as comments and tables have them."""
    return " ".join((field.description or "").split())


def _fields(model: type[Section]) -> list[tuple[str, FieldInfo]]:
    """The fields of a section, its kind first."""
    return sorted(model.model_fields.items(), key=lambda item: item[0] != "kind")


def plain(value: Any) -> str:
    """A value in one line of YAML.

    >>> plain("3:2"), plain("a fox"), plain("no"), plain(None), plain({"a": [1, "x"]})
    ('"3:2"', 'a fox', '"no"', 'null', '{a: [1, x]}')
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{plain(k)}: {plain(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(plain, value)) + "]"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9](?:[\w ./:'()-]*[\w.)])?", value):
        # tools that read by YAML 1.1 must see text too: there 3:2 and 1_000 are numbers and no is false
        odd = re.fullmatch(r"(?i)y|n|yes|no|on|off|[0-9_.:e+-]+", value)
        if not odd and ": " not in value and yaml12.load(value) == value:
            return value
    return json.dumps(value, ensure_ascii=False)


def _of_section(section: str, prefix: str, model: type[Section], kind: str = "") -> Iterator[Setting]:
    for name, field in _fields(model):
        key = f"{prefix}.{name}"
        yield _setting(section, key, field, kind)
        if inner := section_in(field.annotation):
            origins = {get_origin(option) for option in options(field.annotation)}
            below = f"{key}.NAME" if dict in origins else f"{key}[]" if list in origins else key
            yield from _of_section(section, below, inner, kind)


def _setting(section: str, key: str, field: FieldInfo, kind: str = "") -> Setting:
    default = field.get_default(call_default_factory=True)
    if isinstance(default, Section):
        default = default.model_dump(mode="json")
    shown = "" if default is PydanticUndefined else plain(default)
    type_ = _words(field.annotation, _bounds(field.metadata))
    return Setting(section, key, type_, shown, _line(field), kind)


def _words(declared: Any, bounds: str = "") -> str:
    """A type in words; ``bounds`` are those of its number."""
    if get_origin(declared) is Annotated:
        inner, *metadata = get_args(declared)
        return _words(inner, _bounds([m for each in metadata if isinstance(each, FieldInfo) for m in each.metadata]))
    if get_origin(declared) is Literal:
        return " | ".join(map(str, get_args(declared)))
    if get_origin(declared) in _CONTAINERS:
        return _CONTAINERS[get_origin(declared)]
    if declared in _NAMES:
        return _NAMES[declared] + (f" {bounds}" if bounds and declared in (int, float) else "")
    if section_in(declared) is declared:
        return "mapping"
    return " or ".join(dict.fromkeys(_words(option, bounds) for option in get_args(declared)))


def _bounds(metadata: list[Any]) -> str:
    """Bounds of a number in words, of the constraints that pydantic keeps."""
    low = next((m.ge for m in metadata if isinstance(m, Ge)), None)
    high = next((m.le for m in metadata if isinstance(m, Le)), None)
    above = next((m.gt for m in metadata if isinstance(m, Gt)), None)
    if above is not None:
        return f"(above {above}, up to {high})" if high is not None else f"(above {above})"
    if low is not None:
        return f"({low} to {high})" if high is not None else f"({low} or more)"
    return ""
