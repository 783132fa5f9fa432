"""YAML files by the core schema of YAML 1.2, within bounds.

PyYAML follows YAML 1.1, in which ``3:2`` is 182, ``no`` is false, ``1e3`` is text and ``0123`` is 83. Here they are
text, text, a float and the integer 123, as in the tools that people have learned YAML from since. A document is bounded
in length, depth and in what its aliases expand to; it holds no key twice, and nothing but text, numbers, truth values,
null, lists and mappings.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

YAMLError = yaml.YAMLError

MOST_CHARACTERS = 200_000  # of a document
MOST_DEPTH = 40  # lists and mappings in each other
MOST_NODES = 50_000  # with each alias counted as what it stands for
MOST_DIGITS = 40

# https://yaml.org/spec/1.2.2/#103-core-schema: tag, pattern, first characters
_CORE = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),  # of YAML 1.1, but widely used, and nobody means it as text
)
_TAGS = ("null", "bool", "int", "float", "str", "seq", "map")


class _CoreLoader(yaml.SafeLoader):
    """A safe loader with the core schema's plain scalars in place of those of YAML 1.1, and with bounds."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own attribute
    yaml_constructors = {  # noqa: RUF012
        None: yaml.SafeLoader.yaml_constructors[None],  # any other tag is an error
        **{f"tag:yaml.org,2002:{t}": yaml.SafeLoader.yaml_constructors[f"tag:yaml.org,2002:{t}"] for t in _TAGS},
    }
    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """A node of the document, at most ``MOST_DEPTH`` deep."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise YAMLError(f"more than {MOST_DEPTH} lists and mappings in each other")
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def get_single_node(self) -> Any:
        """The document, once its keys are checked and it is known how much its aliases expand to."""
        node = super().get_single_node()
        if node is not None:
            _count(node, {})
        return node


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Nodes below and with ``node``; each is visited once."""
    if id(node) in known:
        if not known[id(node)]:
            raise YAMLError("an anchor that contains itself")
        return known[id(node)]
    known[id(node)] = 0  # begun
    below: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        below = node.value
    elif isinstance(node, yaml.MappingNode):
        _check_keys(node)
        below = [each for pair in node.value for each in pair]
    found = known[id(node)] = 1 + sum(_count(each, known) for each in below)
    if found > MOST_NODES:
        raise YAMLError(f"more than {MOST_NODES} values, aliases written out")
    return found


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
            continue
        if (key.tag, key.value) in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{key.value[:40]}' stands twice", key.start_mark
            )
        seen.add((key.tag, key.value))


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    bases = {"0o": 8, "0x": 16}
    try:
        if len(text) > MOST_DIGITS:
            raise ValueError
        return int(text[2:], bases[text[:2]]) if text[:2] in bases else int(text)
    except ValueError as error:  # by a tag it may be anything
        raise _no(node, "whole number") from error


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node))
    try:
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan").replace("_", "?"))
    except ValueError as error:
        raise _no(node, "number") from error


def _truth(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    text = str(loader.construct_scalar(node)).lower()
    if text not in ("true", "false"):
        raise _no(node, "truth value")
    return text == "true"


def _no(node: yaml.ScalarNode, kind: str) -> YAMLError:
    return yaml.constructor.ConstructorError(None, None, f"'{node.value[:40]}' is no {kind}", node.start_mark)


for _name, _pattern, _first in _CORE:
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_pattern})\Z"), _first)
_CoreLoader.add_constructor("tag:yaml.org,2002:int", _integer)
_CoreLoader.add_constructor("tag:yaml.org,2002:float", _float)
_CoreLoader.add_constructor("tag:yaml.org,2002:bool", _truth)


def load(text: str) -> Any:
    """The plain values of one YAML document. Raises YAMLError, also for a document beyond the bounds.

    >>> load("{aspect: 3:2, tiling: on, lr: 1e3, id: 0123}")
    {'aspect': '3:2', 'tiling': 'on', 'lr': 1000.0, 'id': 123}
    """
    if len(text) > MOST_CHARACTERS:
        raise YAMLError(f"more than {MOST_CHARACTERS:,} characters")
    try:
        return yaml.load(text, Loader=_CoreLoader)  # a SafeLoader
    except (ValueError, TypeError) as error:  # a character that YAML does not have; a tag of another kind of value
        raise YAMLError(str(error)) from error
