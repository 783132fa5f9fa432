"""From a preset or file, and ``--set`` flags on top, to a checked configuration."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from steer.config.layers import Setting, merged, with_settings
from steer.config.section import UNKNOWN_KIND, Section
from steer.config.sections import DEFAULT, KINDS, SteerConfig, spelled_out
from steer.errors import UsageError, unknown
from steer.resources import data_folder


def presets() -> list[str]:
    """Names of the shipped presets."""
    return sorted(p.stem for p in data_folder("configs").glob("*.yaml"))


def load_config(name_or_path: str | Path = DEFAULT, *layers: Sequence[str]) -> SteerConfig:
    """The preset or YAML file with layers of settings ("search.seeds=2") on top, each upon those before it.

    All ``--set`` of a command are one layer. Raises UsageError with a suggestion for an unknown preset, key or
    value, and for a setting that does not belong to the kind that its layer names.
    """
    path = find_config(name_or_path)
    values = read_values(path)
    values.pop("card", None)  # facts about its model, for people; see steer.models
    typed: dict[str, str] = {}
    for layer in layers:
        settings = [_setting(text) for text in layer]
        typed |= {key: text for (key, _), text in zip(settings, layer, strict=True)}
        values = with_settings(values, settings)
    return parse_config(values, str(path), typed)


def find_config(name_or_path: str | Path) -> Path:
    """The file of a preset or path. Raises UsageError with a suggestion."""
    path = Path(name_or_path)
    if path.is_file():
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise UsageError(f"config file '{path}' does not exist; presets: {', '.join(presets())}")
    if str(name_or_path) not in presets():
        raise unknown("config", str(name_or_path), presets())
    return data_folder("configs") / f"{name_or_path}.yaml"


def read_values(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The plain values of a file, upon those of the preset or file that its ``base`` names."""
    try:
        values = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"config '{path}' is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UsageError(f"config '{path}' must be a mapping of sections")
    if (base := values.pop("base", None)) is None:
        return values
    found = find_config(base)
    if found in (path, *above):
        raise UsageError(f"config '{path}' is based on itself")
    return merged(read_values(found, (path, *above)), values)


def parse_config(
    values: Mapping[str, Any], source: str = "config", typed: Mapping[str, str] | None = None
) -> SteerConfig:
    """Checked configuration from plain values.

    ``typed``: settings as they were typed, by key. Raises UsageError, which blames one of them or else ``source``.
    """
    try:
        return SteerConfig.model_validate(values)
    except ValidationError as error:
        raise UsageError(_one_line(error, values, source, typed or {})) from error


def override(config: SteerConfig, settings: Mapping[str, Any], source: str = "config") -> SteerConfig:
    """``config`` with a layer of settings ({"search.seeds": 2}) upon it. Raises UsageError as :func:`load_config` does.

    >>> override(load_config(), {"search.seeds": 2}).search.seeds
    2
    """
    return parse_config(with_settings(config.model_dump(), list(settings.items())), source)


def _setting(text: str) -> Setting:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--set '{text}' has no value; write it as key=value, for example search.seeds=2")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"--set '{text}': the value is not YAML") from error


def _one_line(error: ValidationError, values: Mapping[str, Any], source: str, typed: Mapping[str, str]) -> str:
    first = error.errors()[0]
    section, *rest = first["loc"]
    kinds = KINDS.get(str(section))
    kind = kinds.kind_of(spelled_out(str(section), values.get(str(section), {}))) if kinds else None
    if kinds and rest:
        rest.pop(0)  # pydantic names the kind between section and key
    key = ".".join(str(part) for part in (section, *rest))
    above = [typed[k] for k in typed if f"{key}.".startswith(f"{k}.")]
    source = f"the setting '{above[-1]}'" if above else source
    if first["type"] == "extra_forbidden":
        model = kinds.model(str(kind)) if kinds else SteerConfig
        owners = kinds.owners(str(rest[0])) if kinds and len(rest) == 1 else []
        if owners:
            return f"{source}: {key} is a setting of {_either(owners)}, not of {kind!r}"
        known = _keys_at(model, rest if kinds else first["loc"])
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(known)}."
        return f"unknown key '{key}' in {source}. {hint}"
    if first["type"] == UNKNOWN_KIND:
        return f"{source}: {first['msg']}"
    if first["type"] == "value_error":  # our own words
        return f"{source}: {key}: {first['ctx']['error']}"
    return f"{source}: '{key}' is {first['input']!r}: {first['msg'].lower()}"


def _either(names: Sequence[str]) -> str:
    """'a', 'b' or 'c'."""
    *most, last = [f"'{name}'" for name in names]
    return f"{', '.join(most)} or {last}" if most else last


def _keys_at(model: Any, location: Sequence[Any]) -> list[str]:
    """The keys beside the last one of ``location``, which begins at a key of ``model``."""
    for part in location[:-1]:
        if part in model.model_fields:  # else an index of a list, or a name in a mapping
            model = _section_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _section_in(annotation: Any) -> Any:
    """The section's class in a type such as ``DraftConfig | None``."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _section_in(inner))), None)
