"""From a preset or file, and ``--set`` flags on top, to a checked configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reward_models import yaml12
from reward_models.addresses import without_password
from reward_models.doors import read_text, shown
from steer.config.faults import first_fault
from steer.config.layers import Setting, kinds_of, merged, names_a_kind, with_settings
from steer.config.pipeline import names_pipeline, pipeline_values
from steer.config.sections import DEFAULT, KINDS, SteerConfig
from steer.config.typed import read_typed, type_of
from steer.config.values import MOST_DEPTH
from steer.errors import UsageError, unknown
from steer.resources import data_folder

MOST_BASES = 8  # files upon each other


def presets() -> list[str]:
    """Names of the shipped presets."""
    return sorted(p.stem for p in data_folder("configs").glob("*.yaml"))


def load_config(
    name_or_path: str | Path = DEFAULT, *layers: Sequence[str], typed_as: str = "the setting"
) -> SteerConfig:
    """The preset, YAML file or pipeline with layers of settings ("search.seeds=2") on top, each upon those before it.

    All ``--set`` of a command are one layer; ``typed_as`` is what an error calls a setting. Values are read as the
    type of their setting, see :mod:`steer.config.typed`. Raises UsageError with a suggestion for an unknown preset,
    key or value, and for a setting that does not belong to the kind that its layer names.
    """
    values, source = values_of(name_or_path)
    values.pop("card", None)  # facts about its model, for people; see steer.models
    typed: dict[str, str] = {}
    for layer in layers:
        pairs = [_pair(text, typed_as) for text in layer]
        typed |= {key: f"{typed_as} {key}={value}" for key, value in pairs}
        values = with_settings(values, _read(pairs, values, typed))
    return parse_config(values, source, typed)


def values_of(name_or_path: str | Path) -> tuple[dict[str, Any], str]:
    """Plain values, and what an error calls them: of a preset, a file, or a pipeline by its name or folder.

    A pipeline that has a preset gets it. Raises UsageError as :func:`load_config` does.
    """
    name = str(name_or_path)
    if name in presets() or not names_pipeline(name):
        path = find_config(name_or_path)
        return read_values(path), str(path)
    if (preset := _preset_of(name)) is not None:
        return read_values(find_config(preset)), preset
    values = pipeline_values(name)
    base = read_values(find_config(values.pop("base")))
    base.pop("card", None)
    base["renderer"] = {}  # its own is another model's
    return merged(base, values), name


def _preset_of(model: str) -> str | None:
    """The preset for a model; of several, the one that changes nothing of it."""
    found = []
    for name in presets():
        renderer = read_values(find_config(name)).get("renderer")
        if isinstance(renderer, dict) and renderer.get("model") == model:
            found.append((len(renderer.get("loras", [])), name))
    return min(found)[1] if found else None


def find_config(name_or_path: str | Path) -> Path:
    """The file of a preset or path. Raises UsageError with a suggestion."""
    path = Path(name_or_path)
    if os.path.isfile(path):
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise UsageError(f"config file '{path}' does not exist; presets: {', '.join(presets())}")
    if str(name_or_path) not in presets():
        raise unknown("config", str(name_or_path), presets())
    return data_folder("configs") / f"{name_or_path}.yaml"


def read_values(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The plain values of a file, upon those of the preset or file that its ``base`` names."""
    try:
        values = yaml12.load(read_text(path, yaml12.MOST_CHARACTERS)) or {}
    except (yaml12.YAMLError, ValueError) as error:
        raise UsageError(f"config '{path}' is not YAML: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise UsageError(f"config '{path}' cannot be read: {error.strerror}") from error
    if not isinstance(values, dict):
        raise UsageError(f"config '{path}' must be a mapping such as 'search: {{budget: 24}}'")
    if (base := values.pop("base", None)) is None:
        return values
    if not isinstance(base, str) or not base:
        raise UsageError(f"config '{path}': base {shown(base)} is not the name of a preset or file")
    found = find_config(base)
    if found.resolve() in [each.resolve() for each in (path, *above)]:
        raise UsageError(f"config '{path}' is based on itself")
    if len(above) >= MOST_BASES:
        raise UsageError(f"config '{path}' is based on a file that is based on another, {MOST_BASES} times over")
    return merged(read_values(found, (path, *above)), values)


def parse_config(
    values: Mapping[str, Any], source: str = "config", typed: Mapping[str, str] | None = None
) -> SteerConfig:
    """Checked configuration from plain values.

    ``typed``: how settings were typed, by key. Raises UsageError that blames one of them, or else ``source``.
    """
    try:
        return SteerConfig.model_validate(values)
    except ValidationError as error:
        raise UsageError(without_password(first_fault(error, values, source, typed or {}))) from error


def override(config: SteerConfig, settings: Mapping[str, Any]) -> SteerConfig:
    """``config`` with a layer of settings ({"search.seeds": 2}) upon it. Raises UsageError as :func:`load_config` does.

    Text is read as the type of its setting, as it is on the command line.

    >>> override(load_config(), {"search.seeds": "2"}).search.seeds
    2
    """
    values = config.model_dump()
    typed = {key: f"{key}={value}" for key, value in settings.items()}
    layer = _read(list(settings.items()), values, typed)
    return parse_config(with_settings(values, layer), "the settings", typed)


def _pair(text: str, typed_as: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"{typed_as} {text}: there is no value; write key=value, for example search.seeds=2")
    if key.count(".") > MOST_DEPTH:
        raise UsageError(f"{typed_as} {key[:80]}...: there is no setting that deep")
    return key, value


def _read(pairs: Sequence[Setting], values: Mapping[str, Any], typed: Mapping[str, str]) -> list[Setting]:
    """The settings of a layer upon ``values``, with text read as the type of its setting."""
    short = [(key, read_typed(value, type_of(key, {})) if key in KINDS else value) for key, value in pairs]
    kinds = kinds_of(with_settings(values, [s for s in short if names_a_kind(s)]))
    found: list[Setting] = []
    for key, value in pairs:
        try:
            found.append((key, read_typed(value, type_of(key, kinds)) if isinstance(value, str) else value))
        except UsageError as error:
            raise UsageError(f"{typed[key]}: {error}") from error
    return found
