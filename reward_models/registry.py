"""Names of parts: the built-in ones, imported when they are asked for, and those of other packages (entry points)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any


class UnknownName(LookupError):
    """There is no part of this name; the message suggests close ones."""


class Registry:
    """Parts of one ``kind`` by name: ``built_in`` as "module:attribute", and the entry points of ``group``."""

    def __init__(self, kind: str, group: str, built_in: Mapping[str, str]):
        self.kind, self.group, self.built_in = kind, group, dict(built_in)
        self.added: dict[str, Any] = {}

    def add(self, name: str, part: Any) -> None:
        """Make a part known in this process, in place of another of its name."""
        self.added[name] = part

    def names(self) -> list[str]:
        """Every known name; the built-in ones first."""
        return list(
            dict.fromkeys([*self.built_in, *self.added, *sorted(p.name for p in entry_points(group=self.group))])
        )

    def load(self, name: str) -> Any:
        """The part itself. Raises UnknownName."""
        if name in self.added:
            return self.added[name]
        if name in self.built_in:
            module, _, attribute = self.built_in[name].partition(":")
            return getattr(import_module(module), attribute)
        for point in entry_points(group=self.group):
            if point.name == name:
                return point.load()
        known = self.names()
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"
        raise UnknownName(f"there is no {self.kind} '{name}'; {hint}")
