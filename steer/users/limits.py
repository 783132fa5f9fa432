"""How long texts about people may be, and what is a text at all."""

from __future__ import annotations

import unicodedata

from steer.errors import UsageError

PROFILE = 2_000  # characters of somebody's taste in words
FACT = 200  # of a demographic fact, its name, or the name of a data set
FACTS = 100  # demographic facts of one person
PROMPT = 10_000
SHOWN = 40  # characters of a wrong text that are shown


def check_text(text: str, what: str, most: int = PROMPT) -> str:
    """Return the text. Raises UsageError for one that is too long, has control characters or is not Unicode.

    ``what`` is it, for the message: "the profile".
    """
    if len(text) > most:
        raise UsageError(f"{what} has {len(text):,} characters; it may have {most:,}")
    if bad := next((c for c in text if not printed(c)), None):
        shown = text[:SHOWN].encode("unicode_escape").decode()
        raise UsageError(
            f"{what} has a character that is not text ({bad.encode('unicode_escape').decode()}): '{shown}'"
        )
    return text


def printed(character: str) -> bool:
    """Whether a character can stand in a text: half an emoji cannot, nor a control character but tab or newline."""
    return character in "\t\n\r" or unicodedata.category(character) not in ("Cc", "Cs")


def check_facts(facts: dict[str, str]) -> dict[str, str]:
    """Return demographic facts. Raises UsageError for too many, and for one that :func:`check_text` refuses."""
    if len(facts) > FACTS:
        raise UsageError(f"{len(facts)} demographic facts are too many; there may be {FACTS}")
    for key, value in facts.items():
        check_text(key, "the name of a demographic fact", FACT)
        check_text(value, "a demographic fact", FACT)
    return facts
