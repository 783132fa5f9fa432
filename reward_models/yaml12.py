"""YAML files by the core schema of YAML 1.2.

PyYAML follows YAML 1.1, in which ``3:2`` is 182, ``no`` is false, ``1e3`` is text and ``0123`` is 83. Here they are
text, text, a float and the integer 123, as in the tools that people have learned YAML from since.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

YAMLError = yaml.YAMLError

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


class _CoreLoader(yaml.SafeLoader):
    """A safe loader with the core schema's plain scalars in place of those of YAML 1.1."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own attribute


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    bases = {"0o": 8, "0x": 16}
    return int(text[2:], bases[text[:2]]) if text[:2] in bases else int(text)


for _name, _pattern, _first in _CORE:
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_pattern})$"), _first)
_CoreLoader.add_constructor("tag:yaml.org,2002:int", _integer)


def load(text: str) -> Any:
    """The plain values of one YAML document. Raises YAMLError.

    >>> load("{aspect: 3:2, tiling: on, lr: 1e3, id: 0123}")
    {'aspect': '3:2', 'tiling': 'on', 'lr': 1000.0, 'id': 123}
    """
    return yaml.load(text, Loader=_CoreLoader)  # a SafeLoader
