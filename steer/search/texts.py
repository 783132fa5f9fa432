"""Texts as the reward's encoder reads them, and how alike they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Embed = Callable[[Sequence[str]], np.ndarray]  # n texts to unit features (n, D)

SAME = 0.97  # likeness from which two texts ask for the same picture: other order, commas, articles
# plain captions that have nothing to do with each other: what "unlike" means to an encoder
UNRELATED = (
    "a fox in the snow",
    "a castle at night",
    "a red balloon by the sea",
    "a teapot in a room",
    "a boat in fog",
    "a horse in the city",
    "a tree in a meadow",
    "a rocket in the desert",
    "a house in the mountains",
    "a cat at dawn",
)


class TextSpace:
    """Unit vectors of texts, each read once, and a likeness without units: 1 is the same text, 0 as unlike as unrelated
    ones.

    Cosines of one encoder mean nothing to another; so they are measured from the mean cosine of :data:`UNRELATED`.
    """

    def __init__(self, embed: Embed):
        self._embed = embed
        self._known: dict[str, np.ndarray] = {}
        cosines = self.vectors(UNRELATED) @ self.vectors(UNRELATED).T
        self.unrelated = float(cosines[np.triu_indices(len(UNRELATED), 1)].mean())

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """(n, D)."""
        if new := [t for t in dict.fromkeys(texts) if t not in self._known]:
            self._known |= dict(zip(new, np.asarray(self._embed(new), dtype=float), strict=True))
        return (
            np.stack([self._known[t] for t in texts]) if texts else np.zeros((0, len(next(iter(self._known.values())))))
        )

    def likeness(self, texts: Sequence[str], others: Sequence[str]) -> np.ndarray:
        """(n, m), at most 1; negative where two texts are less alike than unrelated ones."""
        cosines = self.vectors(texts) @ self.vectors(others).T
        return (cosines - self.unrelated) / (1 - self.unrelated)
