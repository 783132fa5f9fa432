"""Texts of others as they may be shown: nothing in them moves a cursor, sets a title or turns the words around."""

from __future__ import annotations

from markupsafe import Markup

_LINES = "\n\t"
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]  # C0, DEL and C1: what terminals obey
_TURNING = [0x061C, *range(0x200E, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]  # directions of writing
_BREAKS = [0x2028, 0x2029]
_HALVES = range(0xD800, 0xE000)  # of a pair; no encoding has one alone

_TABLE = {c: f"\\u{c:04x}" for c in (*_CONTROLS, *_TURNING, *_BREAKS, *_HALVES) if chr(c) not in _LINES}


def printable(text: str) -> str:
    r"""``text`` with each character that a terminal obeys or cannot encode written as JSON escapes it.

    JSON stays the same JSON. Newlines and tabs stay.

    >>> printable("\x1b[31mred\u202e")
    '\\u001b[31mred\\u202e'
    """
    return text.translate(_TABLE)


def finalized(value: object) -> object:
    """What a template shows of a value: text made :func:`printable`; markup, which was made so before, as it is."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
