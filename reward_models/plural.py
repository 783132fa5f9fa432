"""Numbers with their nouns."""

from __future__ import annotations


def count(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun.

    >>> count(1, "picture"), count(0, "picture"), count(2, "person", "people")
    ('1 picture', '0 pictures', '2 people')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
