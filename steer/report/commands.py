"""What to do after a run, as commands to copy."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from reward_models import yaml12
from steer.config import DEFAULT, SteerConfig, load_config, parse_config, presets
from steer.errors import UsageError
from steer.result import Result
from steer.types import StopReason


@dataclass(frozen=True)
class Command:
    """What it does, in words, and the line to type."""

    words: str
    line: str


def next_commands(result: Result, manifest: dict[str, Any]) -> list[Command]:
    """Resume, draw the best again, search on from it, run again, rate, show: those that make sense after this run."""
    request, folder = result.request, result.folder
    found = []
    if result.stop is StopReason.INTERRUPTED:
        found.append(Command("Finish this run", _line("resume", folder)))
    settings = typed_settings(manifest["config"])
    if result.best is not None:
        found.append(Command("Draw the best on further seeds, or larger", _line("again", folder, "--seeds", "4")))
    if settings is not None:
        prompt = ["--prompt", request.prompt] if request.prompt.startswith("-") else [request.prompt]
        how = ["--user", request.user]
        how += [] if (name := manifest["config"]["name"]) == DEFAULT else ["--config", name]
        how += ["--budget", str(request.budget), "--seed", str(request.seed + 1)]
        how += [word for setting in settings for word in ("--set", setting)]
        if result.best is not None and "search.rewrite=false" not in settings:
            found.append(Command("Search on from the best", _line("run", "--from", folder, *how)))
        found.append(Command("Run it again with other seeds", _line("run", *prompt, *how)))
    in_store = manifest["parts"].get("people", {})  # people whose ratings steer has, and who can add to them
    rater = next((u for u in request.user.split(",") if u in in_store), "me")
    found.append(Command(f"Rate these pictures as '{rater}'", _line("user", "rate", rater, "--pictures", folder)))
    found.append(Command("Show it in the terminal", _line("show", folder)))
    return found


def typed_settings(config: dict[str, Any]) -> list[str] | None:
    """The settings which turn the preset that ``config`` names into it, as ``--set`` takes them; None where it comes
    from no preset.

    The number of pictures is left out: a run has its own.
    """
    if config["name"] not in presets():
        return None
    try:
        wanted = _plain(parse_config(config))
        preset = _plain(load_config(config["name"]))
        kinds = [
            f"{name}={section['kind']}"
            for name, section in wanted.items()
            if "kind" in section and section["kind"] != preset[name]["kind"]
        ]
        start = _plain(load_config(config["name"], kinds))
        changed = [
            f"{name}.{key}={_typed(value)}"
            for name, section in wanted.items()
            for key, value in section.items()
            if value != start[name].get(key)
        ]
        settings = [*kinds, *changed]
        return settings if _plain(load_config(config["name"], settings)) == wanted else None
    except UsageError:  # a plug-in that is gone, or an older version's settings
        return None


def _plain(config: SteerConfig) -> dict[str, dict[str, Any]]:
    """By section its values; without the budget."""
    sections = {k: v for k, v in config.model_dump(mode="json").items() if isinstance(v, dict)}
    return {**sections, "search": {**sections["search"], "budget": None}}


def _typed(value: Any) -> str:
    """A value as YAML on one line.

    >>> _typed("3:2"), _typed("7"), _typed(["a"])
    ('3:2', '"7"', '["a"]')
    """
    return value if isinstance(value, str) and yaml12.load(value or "''") == value else json.dumps(value)


def _line(*arguments: str) -> str:
    return shlex.join(["steer", *arguments])
