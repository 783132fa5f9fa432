"""Which words raised or lowered this user's liking, and how surely."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steer.search.regression import posterior
from steer.types import History, Remembered, Rewrite
from steer.words import content_words

MOST = 60  # words, the most frequent ones


@dataclass(frozen=True)
class Effect:
    """What saying ``words`` adds to the mean liking: 95 % interval, and in how many texts it was said."""

    words: str
    mean: float
    low: float
    high: float
    n_texts: int


def modifiers(prompt: str, rewrite: Rewrite) -> tuple[str, ...]:
    """What a rewrite adds: the phrases it names itself, or else the words that the prompt does not have."""
    if rewrite.changes:
        return tuple(rewrite.changes.values())
    known = content_words(prompt)
    words = re.findall(r"[^\W_]+(?:[-'][^\W_]+)*", rewrite.text.lower())
    return tuple(dict.fromkeys(w for w in words if content_words(w) - known))


def word_effects(prompt: str, history: History) -> list[Effect]:
    """Effects of all modifiers, of a Bayesian regression on who said what, the highest mean first; [] for too few
    texts.

    Words that always come together share their effect, and the interval says so.
    """
    stats = history.stats()
    said = [set(modifiers(prompt, s.rewrite)) for s in stats]
    return _effects(said, [s.liking for s in stats], [len(s.seeds) for s in stats])


def earlier_effects(earlier: Sequence[Remembered]) -> list[Effect]:
    """The same of texts of earlier runs, each by what it added to the prompt of its own run."""
    said = [set(modifiers(e.prompt, Rewrite(e.text, e.changes))) for e in earlier]
    return _effects(said, [e.gain for e in earlier], [e.weight for e in earlier])


def _effects(said: Sequence[set[str]], values: Sequence[float], weights: Sequence[float]) -> list[Effect]:
    counts: dict[str, int] = {}
    for words in said:
        for word in sorted(words):
            counts[word] = counts.get(word, 0) + 1
    names = sorted(counts, key=lambda w: (-counts[w], w))[:MOST]
    if len(said) < 3 or not names:
        return []
    x = np.array([[float(name in words) for name in names] for words in said])
    y, weight = np.array(values), np.array(weights, dtype=float)
    mean, covariance = posterior(x, y - np.average(y, weights=weight), weight)
    half = 1.96 * np.sqrt(np.diag(covariance))
    effects = [
        Effect(n, float(m), float(m - h), float(m + h), counts[n]) for n, m, h in zip(names, mean, half, strict=True)
    ]
    return sorted(effects, key=lambda e: -e.mean)
