"""What a language model is told about a person: a card of a few lines, in a fixed order. Nothing is invented.

How much it says is a level, each with all that the one before it says:

    neutral        nothing
    coarse         age and gender
    demographics   every other field that is no trait
    traits         what a questionnaire says of their personality and their interest in art
    words          their taste in their own words
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

PARTS = ("coarse", "demographics", "traits", "words")
LEVELS: dict[str, tuple[str, ...]] = {"neutral": (), **{part: PARTS[: i + 1] for i, part in enumerate(PARTS)}}
MOST = 2000  # characters of a person's own words; models read no more than they are paid for

_COARSE = re.compile(r"^(age|gender|sex)(_|$)", re.I)
_TRAIT = re.compile(
    r"^(personality|trait|vaiak|art_(?:interest|knowledge)|big_?five|openness|conscientiousness|extraversion|extroversion|agreeableness|neuroticism)",
    re.I,
)
_UNKNOWN = {"", "unknown", "na", "n/a", "nan", "none", "prefer not to say", "prefer_not_to_say"}


def part_of(field: str) -> str:
    """Which part of a card a field belongs to.

    >>> part_of("age_binned"), part_of("nationality"), part_of("personality-openness")
    ('coarse', 'demographics', 'traits')
    """
    name = field.replace("-", "_").strip()
    if _COARSE.match(name):
        return "coarse"
    return "traits" if _TRAIT.match(field.strip()) or _TRAIT.match(name) else "demographics"


def card(fields: Mapping[str, str], words: str = "", parts: Collection[str] = ("words",)) -> str:
    """The card of a person; "" where there is nothing to say.

    ``fields``: demographics and traits by name; ``words``: their taste in their own words; ``parts``: what may be said,
    some of :data:`PARTS` or a level of :data:`LEVELS`.

    >>> print(card({"gender": "female", "age": "30-39", "city": "unknown"}, "warm light, no neon", LEVELS["words"]))
    age: 30-39
    gender: female
    In their own words: "warm light, no neon"
    """
    known = {k.strip(): _plain(str(v)) for k, v in fields.items() if _plain(str(v)).lower() not in _UNKNOWN}
    lines = [
        f"{_plain(name.replace('_', ' '))}: {known[name][:200]}"
        for part in PARTS[:-1]
        if part in parts
        for name in sorted(known, key=str.casefold)
        if part_of(name) == part
    ]
    if "words" in parts and (said := _plain(words)):
        lines.append(f'In their own words: "{said[:MOST]}"')
    return "\n".join(lines)


def _plain(text: str) -> str:
    """One line, without the quotation marks that fence a person's words."""
    return re.sub(r"\s+", " ", text.replace('"', "'")).strip()
