"""From a preset or file, and ``--set`` flags on top, to a checked configuration."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from steer.config.sections import DEFAULT, SteerConfig
from steer.errors import UsageError, unknown
from steer.resources import data_folder


def presets() -> list[str]:
    """Names of the shipped presets."""
    return sorted(p.stem for p in data_folder("configs").glob("*.yaml"))


def load_config(name_or_path: str | Path = DEFAULT, settings: Sequence[str] = ()) -> SteerConfig:
    """The preset or YAML file with ``settings`` ("search.seeds=2") on top.

    Raises UsageError with a suggestion for an unknown preset, key or value.
    """
    path = find_config(name_or_path)
    values = read_values(path)
    values.pop("card", None)  # facts about its model, for people; see steer.models
    for setting in settings:
        _set(values, setting)
    return parse_config(values, str(path))


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
    return _merged(read_values(found, (path, *above)), values)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Section by section; ``renderer: painter`` upon a section changes its kind."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merged(old, value)
        elif isinstance(old, dict) and isinstance(value, str):
            merged[key] = {**old, "kind": value}
        else:
            merged[key] = value
    return merged


def parse_config(values: dict[str, Any], source: str = "config") -> SteerConfig:
    """Checked configuration from plain values."""
    try:
        return SteerConfig.model_validate(values)
    except ValidationError as error:
        raise UsageError(_one_line(error, source)) from error


def _set(values: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise UsageError(f"--set '{setting}' has no value; write it as key=value, for example search.seeds=2")
    *parents, last = key.split(".")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if isinstance(inner, str):
            inner = values[parent] = {"kind": inner}
        values = inner
        if not isinstance(values, dict):
            raise UsageError(f"--set '{setting}': '{parent}' is a value, not a section")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--set '{setting}': the value is not YAML") from error
    if isinstance(value, str) and isinstance(values.get(last), dict):
        values[last] = {**values[last], ("model" if last == "reward" else "kind"): value}
    else:
        values[last] = value


def _one_line(error: ValidationError, source: str) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = _keys_at(first["loc"][:-1])
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(known)}."
        return f"unknown key '{key}' in {source}. {hint}"
    if first["type"] == "value_error":  # our own words
        return f"{source}: {key}: {first['ctx']['error']}"
    return f"{source}: '{key}' is {first['input']!r}: {first['msg'].lower()}"


def _keys_at(location: Sequence[Any]) -> list[str]:
    model: Any = SteerConfig
    for part in location:
        model = model.model_fields[part].annotation
    return list(model.model_fields)
