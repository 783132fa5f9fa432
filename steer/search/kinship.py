"""How alike the worth of two texts is before a picture is seen: the covariance of texts.

Texts that name their phrases share a level, an effect of each phrase (saying nothing of a kind is one of its phrases)
and an effect of each pair of phrases. Others share what their words do and what their features say. Shapes: n and m
texts, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from steer.search.texts import TextSpace
from steer.types import Rewrite
from steer.words import content_words

LEVEL, PHRASE, PAIR = 0.02, 0.015, 0.004  # variances; of one phrase in a kind, and of two together
WORDING = 0.03  # variance of a text that names no phrases, beyond the level
NEAR = 0.15  # squared distance of features at which two texts have little in common


@dataclass
class Kinship:
    """``prompt``: the text that adds nothing, so it counts as one with named phrases. ``space``: features of texts,
    None for a reward that reads none. ``level``: variance of what all texts share.
    """

    prompt: str
    space: TextSpace | None = None
    level: float = LEVEL
    _words: dict[str, frozenset[str]] = field(default_factory=dict, repr=False)

    def covariance(self, a: Sequence[Rewrite], b: Sequence[Rewrite], scale: float = 1.0) -> np.ndarray:
        """(n, m); ``scale``: of all variances but the level's."""
        found = np.zeros((len(a), len(b)))
        rows, columns = self._named(a), self._named(b)
        if rows.any() and columns.any():
            found[np.ix_(rows, columns)] = _by_phrases(
                [r for r, named in zip(a, rows, strict=True) if named],
                [r for r, named in zip(b, columns, strict=True) if named],
            )
        if not rows.all() and not columns.all():
            found[np.ix_(~rows, ~columns)] = self._by_words(
                [r.text for r, named in zip(a, rows, strict=True) if not named],
                [r.text for r, named in zip(b, columns, strict=True) if not named],
            )
        return self.level + scale * found

    def _named(self, rewrites: Sequence[Rewrite]) -> np.ndarray:
        found: np.ndarray = np.array([bool(r.changes) or r.text == self.prompt for r in rewrites], dtype=bool)
        return found

    def _by_words(self, a: Sequence[str], b: Sequence[str]) -> np.ndarray:
        """Half by shared words (their cosine), half by the distance of features."""
        shared = np.array([[self._cosine(x, y) for y in b] for x in a])
        if self.space is None:
            return WORDING * shared
        squared = np.maximum(2 - 2 * self.space.vectors(a) @ self.space.vectors(b).T, 0)
        found: np.ndarray = WORDING * (shared + np.exp(-squared / NEAR)) / 2
        return found

    def _cosine(self, one: str, other: str) -> float:
        for text in (one, other):
            if text not in self._words:
                self._words[text] = frozenset(content_words(text))
        a, b = self._words[one], self._words[other]
        return len(a & b) / float(np.sqrt(len(a) * len(b))) if a and b else float(one == other)


def _by_phrases(a: Sequence[Rewrite], b: Sequence[Rewrite]) -> np.ndarray:
    """PHRASE for each kind on which two texts agree, PAIR for each two of these; kinds that nobody speaks of are left
    to the level.
    """
    kinds = sorted({kind for r in (*a, *b) for kind in r.changes})
    number: dict[tuple[str, str], int] = {}
    codes = [
        np.array([[number.setdefault((k, r.changes.get(k, "")), len(number)) for k in kinds] for r in side])
        for side in (a, b)
    ]
    if not kinds:
        return np.zeros((len(a), len(b)))
    same = (codes[0][:, None, :] == codes[1][None, :, :]).sum(axis=2)
    found: np.ndarray = PHRASE * same + PAIR * same * (same - 1) / 2
    return found
