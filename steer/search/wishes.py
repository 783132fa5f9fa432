"""What a critic wants more or less of, as phrases of a lexicon, for a search that reads no sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from steer.search.texts import TextSpace
from steer.words import content_words, wished

LOW, HIGH = 1.0, 3.0  # standard deviations above a lexicon's mean likeness: from here near, from here the same


def wishes_of(
    critique: str,
    phrases: Sequence[str],
    space: TextSpace | None = None,
    reads: Callable[[str], bool] = lambda words: True,  # noqa: ARG005
) -> dict[str, float]:
    """From -1 to 1, how far each of the phrases is wished for: those that are named, and those near what is.

    ``space``: by which phrases are near what it ``reads``; without it only named ones are. Phrases that are neither
    wanted more nor less are left out.

    >>> wishes_of("more fog, less neon", ["in fog", "at dawn", "neon"])
    {'in fog': 1.0, 'neon': -1.0}
    """
    more, less = wished(critique)
    total = _near(more, phrases, space, reads) - _near(less, phrases, space, reads)
    return {p: round(float(wish), 3) for p, wish in zip(phrases, total, strict=True) if abs(wish) >= 0.01}


def _near(
    wanted: Sequence[str], phrases: Sequence[str], space: TextSpace | None, reads: Callable[[str], bool]
) -> np.ndarray:
    """How near each phrase (n,) is to any of the wanted words, in [0, 1]."""
    near = np.zeros(len(phrases))
    for words in wanted:
        asked = content_words(words)
        named = [bool(asked) and (asked <= content_words(p) or content_words(p) <= asked) for p in phrases]
        near = np.maximum(near, np.array(named, dtype=float))
    if space is not None and len(phrases) > 2 and (read := [words for words in wanted if reads(words)]):
        likeness = space.likeness(phrases, read)  # (n, m)
        above = (likeness - likeness.mean(axis=0)) / np.maximum(likeness.std(axis=0), 1e-6)
        near = np.maximum(near, np.clip((above - LOW) / (HIGH - LOW), 0, 1).max(axis=1))
    return near
