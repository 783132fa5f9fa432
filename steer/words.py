"""Prompts as text: cleaned, bounded, and the words that carry meaning."""

from __future__ import annotations

import re
import unicodedata

from steer.errors import UsageError

MAX_CHARACTERS = 600


_FUNCTION_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "in",
        "on",
        "at",
        "by",
        "to",
        "and",
        "or",
        "with",
        "from",
        "for",
        "is",
        "are",
        "its",
        "his",
        "her",
        "this",
        "that",
        "some",
        "over",
        "under",
        "near",
    ]
)


def clean(text: str) -> str:
    """One line without control or format characters (tabs and newlines become spaces)."""
    spaced = re.sub(r"\s+", " ", text)
    return "".join(c for c in spaced if unicodedata.category(c)[0] != "C").strip()


def check_prompt(prompt: str) -> str:
    """The user's prompt, cleaned. Raises UsageError when empty or too long."""
    text = clean(prompt)
    if not text:
        raise UsageError("the prompt is empty; say what to draw, for example 'a fox in the snow'")
    if len(text) > MAX_CHARACTERS:
        raise UsageError(
            f"the prompt has {len(text)} characters, more than {MAX_CHARACTERS}; shorten it "
            f"(it begins '{text[:40]}...')"
        )
    return text


def content_words(text: str) -> set[str]:
    """Lower-case words that carry meaning, plural endings removed."""
    words = re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", text.lower())
    return {w.removesuffix("s") for w in words if w not in _FUNCTION_WORDS}


def wished(critique: str) -> tuple[list[str], list[str]]:
    """What a critique wants more of, and less of.

    >>> wished("keep the low view, more evening light, less neon")
    (['evening light'], ['neon'])
    """
    said = [part.strip().partition(" ") for part in re.split(r"[,;\n]", critique)]
    more, less = ([what.strip() for how, _, what in said if how.lower() == word] for word in ("more", "less"))
    return [what for what in more if what], [what for what in less if what]


def kept_share(prompt: str, rewrite: str) -> float:
    """Share of the prompt's content words that the rewrite still has, in [0, 1]."""
    wanted = content_words(prompt)
    return len(wanted & content_words(rewrite)) / len(wanted) if wanted else 1.0
