"""What a person says of their taste in their own words, as statements of liking."""

from __future__ import annotations

import re

AGAINST = re.compile(
    r"^(?:i |please )*(?:(?:really |absolutely )*(?:hate|dislike|avoid|can't stand)|(?:do not|don't) (?:like|want)"
    r"|no|not|never|without|less|nothing)\b\s*",
    re.I,
)
FOR = re.compile(
    r"^(?:i |please )*(?:(?:really |absolutely )*(?:like|love|prefer|enjoy|want)|always|more|lots of|much)\b\s*", re.I
)
BREAKS = re.compile(r"[,;.\n!?]|\band\b|\bbut\b", re.I)


def statements(text: str) -> list[tuple[str, bool]]:
    """Phrases and whether they are liked.

    >>> statements("I love warm light, lots of empty space, no neon; I don't like crowds")
    [('warm light', True), ('empty space', True), ('neon', False), ('crowds', False)]
    """
    found = []
    for part in BREAKS.split(text):
        phrase = part.strip()
        liked = not (against := AGAINST.match(phrase))
        phrase = phrase[against.end() :] if against else phrase
        while match := FOR.match(phrase):
            phrase = phrase[match.end() :]
        if phrase := phrase.strip(" :-"):
            found.append((phrase[:200], liked))
    return found


SAID_LIKED, SAID_DISLIKED = 0.85, 0.15  # what "warm light" and "no neon" say of a picture of just that
SAID_NOISE = 0.35  # of such a statement, in [0, 1]: more than twice a rating's


def as_ratings(text: str) -> tuple[list[str], list[float]]:
    """The statements of a profile as ratings of pictures that show just that: phrases and likings in [0, 1].

    >>> as_ratings("warm light, no neon")
    (['warm light', 'neon'], [0.85, 0.15])
    """
    said = statements(text)
    return [phrase for phrase, _ in said], [SAID_LIKED if liked else SAID_DISLIKED for _, liked in said]
