"""Which of the texts so far are shown to whoever writes the next ones."""

from __future__ import annotations

import math
from collections.abc import Callable

from steer.types import PICTURE_NOISE, History, RewriteStats
from steer.words import content_words

Memory = Callable[[History, int], list[RewriteStats]]


def elitist(history: History, n: int) -> list[RewriteStats]:
    """The n best, the best first."""
    return history.ranked()[:n]


def diverse(history: History, n: int) -> list[RewriteStats]:
    """The best, then again and again the one of highest reward less its likeness to those chosen; ranked.

    Maximal marginal relevance (Carbonell and Goldstein 1998) with shared words as likeness, the two weighed alike over
    the range of rewards.
    """
    return _diverse(history.ranked(), n)


def contrast(history: History, n: int) -> list[RewriteStats]:
    """Diverse good ones and, last, the worst of all: what to move away from is worth a line."""
    ranked = history.ranked()
    return ranked if len(ranked) <= n else [*_diverse(ranked, n - 1, but_last=True), ranked[-1]]


def exploring(history: History, n: int) -> list[RewriteStats]:
    """The n of highest upper confidence bound: what few pictures have spoken for may be better than it looks;
    ranked.
    """
    hopeful = sorted(history.stats(), key=lambda s: -(s.mean + 2 * PICTURE_NOISE / math.sqrt(len(s.objectives))))[:n]
    return sorted(hopeful, key=lambda s: -s.mean)


def _diverse(ranked: list[RewriteStats], n: int, but_last: bool = False) -> list[RewriteStats]:
    if not ranked:
        return []
    low, high = ranked[-1].mean, ranked[0].mean
    left = ranked[:-1] if but_last else list(ranked)
    words = {s.rewrite.text: content_words(s.rewrite.text) for s in left}
    chosen = [left.pop(0)]

    def value(s: RewriteStats) -> float:
        own = words[s.rewrite.text]
        likeness = max(_shared(own, words[c.rewrite.text]) for c in chosen)
        return (s.mean - low) / (high - low + 1e-9) - likeness

    while left and len(chosen) < n:
        best = max(left, key=value)  # of equals the better ranked
        left.remove(best)
        chosen.append(best)
    return sorted(chosen, key=lambda s: -s.mean)


def _shared(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


MEMORIES: dict[str, Memory] = {"elitist": elitist, "diverse": diverse, "contrast": contrast, "exploring": exploring}
