"""Numbers with their nouns."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun.

    >>> counted(1, "picture"), counted(1200, "picture"), counted(2, "person", "people")
    ('1 picture', '1,200 pictures', '2 people')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
