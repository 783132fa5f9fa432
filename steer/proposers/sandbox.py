"""Templates of others, filled in within bounds: so much text, so many steps, and nothing that grows what it is given.

Jinja2's sandbox keeps a template from reaching out of it; it does not keep one from filling the memory or never ending.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import SandboxedEnvironment, SecurityError

MOST_SOURCE = 100_000  # characters of a template
MOST_TEXT = 500_000  # characters of what it makes, and of any text on the way
MOST_NUMBER = 10**12
SECONDS = 5.0

FILTERS = (
    *(
        "abs",
        "capitalize",
        "d",
        "default",
        "first",
        "float",
        "int",
        "items",
        "last",
        "length",
        "count",
        "list",
        "lower",
    ),
    *("map", "max", "min", "reject", "rejectattr", "reverse", "round", "select", "selectattr", "sort", "string"),
    *("title", "tojson", "trim", "truncate", "unique", "upper", "wordcount"),
)
METHODS = ("capitalize", "endswith", "get", "items", "keys", "lower", "startswith", "strip", "title", "upper", "values")


class BoundedSandbox(SandboxedEnvironment):
    """Compiles one template whose every step is counted. Beyond the bounds it raises SecurityError, a TemplateError."""

    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, finalize=self._finalized
        )
        self.filters = {name: self.filters[name] for name in FILTERS}
        self.filters |= {"join": _join, "format": _format, BOUND: self._each}
        self.globals = {"range": self.globals["range"], "loop": None}
        self._ends, self._made = 0.0, 0

    def compiled(self, source: str) -> jinja2.Template:
        """The template. Raises TemplateError for one that does not compile or has a part that could grow."""
        if len(source) > MOST_SOURCE:
            raise SecurityError(f"it has more than {MOST_SOURCE:,} characters")
        tree = self.parse(source)
        for node in tree.find_all((nodes.Concat, nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends)):
            raise SecurityError(f"line {node.lineno}: {FORBIDDEN[type(node)]}")
        for loop in list(tree.find_all(nodes.For)):
            loop.iter = nodes.Filter(loop.iter, BOUND, [], [], None, None, lineno=loop.lineno)
        self.begin()
        try:
            return jinja2.Template.from_code(self, self.compile(tree), self.globals)
        except RecursionError as error:
            raise SecurityError("it is nested too deeply") from error

    def begin(self) -> None:
        """Count time and text from now on."""
        self._ends, self._made = time.monotonic() + SECONDS, 0

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call in the template."""
        self._step()
        return _small(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """An operator in the template: on numbers of a size that numbers have."""
        self._step()
        for side in (left, right):
            if isinstance(side, bool) or not isinstance(side, (int, float)):
                raise SecurityError(f"'{operator}' is for numbers alone; write texts one after the other")
            if abs(side) > MOST_NUMBER or (operator == "**" and abs(side) > 64):
                raise SecurityError(f"the number {side:g} is too large for '{operator}'")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may use an attribute: fields, and methods that do not grow what they belong to."""
        self._step()
        return super().is_safe_attribute(obj, attr, value) and (not callable(value) or attr in METHODS)

    def wrap_str_format(self, value: Any) -> None:
        """No ``str.format``: a width may be any number."""

    def _finalized(self, value: Any) -> Any:
        self._step()
        self._made += len(value) if isinstance(value, str) else 20
        if self._made > MOST_TEXT:
            raise SecurityError(f"it makes more than {MOST_TEXT:,} characters")
        return _small(value)

    def _each(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self._step()
            yield value

    def _step(self) -> None:
        if time.monotonic() > self._ends:
            raise SecurityError(f"it takes longer than {SECONDS:g} seconds")

    @staticmethod
    def concat(parts: Iterable[str]) -> str:
        """What a macro or the template makes of its parts."""
        found, size = [], 0
        for part in parts:
            size += len(part)
            if size > MOST_TEXT:
                raise SecurityError(f"it makes more than {MOST_TEXT:,} characters")
            found.append(part)
        return "".join(found)


BOUND = "bounded by steer"  # a filter around what a loop goes over; no template can write its name
FORBIDDEN: dict[type[nodes.Node], str] = {
    nodes.Concat: "'~' joins texts without bound; write them one after the other",
    nodes.Import: "a template stands alone: no import",
    nodes.FromImport: "a template stands alone: no import",
    nodes.Include: "a template stands alone: no include",
    nodes.Extends: "a template stands alone: no extends",
}


def _small(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MOST_TEXT:
        raise SecurityError(f"it makes more than {MOST_TEXT:,} characters")
    return value


def _join(values: Iterable[Any], between: str = "", attribute: str | None = None) -> str:
    texts: list[str] = []
    size, pick = 0, _picker(attribute)
    for value in values:
        texts.append(str(pick(value)))
        size += len(texts[-1]) + len(between)
        if size > MOST_TEXT:
            raise SecurityError(f"it makes more than {MOST_TEXT:,} characters")
    return str(between).join(texts)


def _picker(attribute: str | None) -> Callable[[Any], Any]:
    if attribute is None:
        return lambda value: value
    if attribute.startswith("_") or not attribute.isidentifier():
        raise SecurityError(f"there is no attribute '{attribute[:40]}'")
    return lambda value: value[attribute] if isinstance(value, dict) else getattr(value, attribute)


def _format(text: str, *values: Any) -> str:
    """``"%.2f"|format(x)``, of at most three digits of width."""
    if re.search(r"%[^a-zA-Z%]*(\*|\d{4})", text):
        raise SecurityError("a format has a width of at most 999")
    return str(text) % values
