"""Docstrings as Markdown, for the API reference: an extension of griffe, which mkdocstrings reads code with."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|meth|mod|data|attr|func):`~?([^`]+)`")
DOCTEST = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", re.MULTILINE)  # up to the next empty line


def as_markdown(text: str) -> str:
    """Sphinx's roles as plain code, and doctests as code blocks.

    >>> as_markdown("See :class:`~steer.types.Result`.")
    'See `Result`.'
    """
    text = ROLE.sub(lambda role: f"`{role[1].removeprefix('steer.').rsplit('.', 1)[-1]}`", text)
    text = DOCTEST.sub(lambda block: f"\n```pycon\n{block[0]}\n```\n", text)
    return re.sub(r"\s+# doctest: \+\w+$", "", text, flags=re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites each docstring when its object is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)
