"""``steer doctor``: what a preset needs, before anything is fetched or paid for."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import typer
from rich.markup import escape

from steer.cli.console import console, print_line
from steer.cli.options import AsJson, Config, Settings
from steer.config import DEFAULT


def doctor(config: Config = DEFAULT, as_json: AsJson = False, settings: Settings = None) -> None:
    """Say what a preset will fetch and cost, and whether this machine can run it.

    steer doctor --config flux2-klein

    Nothing is fetched but names and sizes, and no API is asked. Exit code 0 if a run can begin, 1 if something is
    missing.
    """
    from steer.config import load_config, values_of
    from steer.doctor import examine, lines

    loaded = load_config(config, settings or (), typed_as="--set")
    found = examine(loaded, values_of(config)[0].get("card") or {})
    if as_json:
        facts = {**asdict(found), "next": found.next, "to_fetch": found.to_fetch}
        print_line(json.dumps(_plain(facts), ensure_ascii=False))
    else:
        for line in lines(found):
            console.print(escape(line))
    if found.problems:
        raise typer.Exit(1)


def _plain(value: object) -> object:
    """JSON has no NaN and no sets."""
    if isinstance(value, dict):
        return {k.rstrip("_") if isinstance(k, str) else k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    return None if isinstance(value, float) and math.isnan(value) else value
