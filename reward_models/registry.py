"""Parts by name: those that ship, as lazy ``module:attribute``, and those that plug-ins register as entry points."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any


class UnknownName(LookupError):
    """No part has this name, or its plug-in does not load; the message is one line, ready to be shown."""


class Registry:
    """Parts of one ``kind``. Nothing is imported before :meth:`load`; what ships wins over a plug-in of the same name.

    ``group``: the entry point group of plug-ins; ``shipped``: ``module:attribute`` by name.

    >>> maths = Registry("function", "tests.functions", {"root": "math:sqrt", "power": "math:pow"})
    >>> maths.load("root")(9.0)
    3.0
    >>> maths.load("rot")
    Traceback (most recent call last):
    reward_models.registry.UnknownName: function 'rot' not found (2 known). Did you mean 'root'?
    """

    def __init__(self, kind: str, group: str, shipped: Mapping[str, str]):
        self.kind, self.group, self.shipped = kind, group, dict(shipped)
        self.added: dict[str, Any] = {}

    def add(self, name: str, part: Any) -> None:
        """Make a part known in this process, in place of any other of its name."""
        self.added[name] = part

    def names(self) -> list[str]:
        """What ships, in the order given, then the plug-ins' names."""
        return list(dict.fromkeys([*self.shipped, *self.added, *sorted(self._plugins())]))

    def __contains__(self, name: object) -> bool:
        return name in self.shipped or name in self.added or name in self._plugins()

    def check(self, name: str) -> None:
        """Raises UnknownName for a name that :meth:`names` does not have."""
        if name not in self:
            raise UnknownName(not_found(self.kind, name, self.names()))

    def load(self, name: str) -> Any:
        """The part of this name, imported now.

        Raises UnknownName with close matches, or with the reason why a plug-in does not load.
        """
        self.check(name)
        if name in self.added:
            return self.added[name]
        if name in self.shipped:
            module, _, attribute = self.shipped[name].partition(":")
            return getattr(importlib.import_module(module), attribute)
        plugin = self._plugins()[name]
        try:
            return plugin.load()
        except (ImportError, AttributeError) as error:
            raise UnknownName(
                f"the {self.kind} '{name}' of the plug-in '{plugin.value}' does not load: {error}"
            ) from error

    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}


def not_found(kind: str, value: str, known: Iterable[str]) -> str:
    """One line for a name that does not exist, with the nearest name that does, or else the names there are.

    >>> not_found("user", "u71", ["u17", "u2"])
    "user 'u71' not found (2 known). Did you mean 'u17'?"
    """
    options = list(known)
    swapped = [o for o in options if sorted(o) == sorted(value)][:1]
    close = swapped or difflib.get_close_matches(value, options, n=1, cutoff=0.5)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    if not hint and options:
        more = f" and {len(options) - 12} more" if len(options) > 12 else ""
        hint = f" Known: {', '.join(options[:12])}{more}."
    return f"{kind} '{value}' not found ({len(options)} known).{hint}"
