"""Many cheap texts in, the few worth a picture out: what the reward imagines, corrected by what was really seen.

A text's mean objective is modelled as

    y(t) = imagined(t) + g(t),    g a Gaussian process over text features, 0 before the first picture

so the first round already leans on the person's taste, and every rendered picture corrects the texts like it (Srinivas
et al. 2010 for the upper confidence bound by which texts are taken).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from steer.search.texts import TextSpace
from steer.types import PICTURE_NOISE, History, Rewrite

Imagine = Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]  # n texts to mean and standard deviation (n,)


@dataclass
class Screen:
    """``beta``: how much of a text's uncertainty is credited to it."""

    imagine: Imagine
    space: TextSpace
    beta: float = 1.0
    _known: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False)

    def choose(self, rewrites: Sequence[Rewrite], history: History, n: int) -> list[Rewrite]:
        """The n of highest upper confidence bound, one after another as if each were already seen as expected (a
        "kriging believer", Ginsbourger et al. 2010), so that they differ.
        """
        if len(rewrites) <= n:
            return list(rewrites)
        seen = history.stats()
        texts = [s.rewrite.text for s in seen] + [r.text for r in rewrites]
        prior, spread, features = self._look_up(texts)
        kernel = self._kernel(features, spread)
        m = len(seen)
        known = list(range(m))
        residual = [s.mean - prior[i] for i, s in enumerate(seen)]
        # the level at which this prompt's pictures are liked is learnt with the rest: imagined means share an error
        noise = [PICTURE_NOISE**2 / len(s.objectives) for s in seen]
        chosen: list[int] = []
        left = list(range(m, len(texts)))
        for _ in range(n):
            mean, deviation = _posterior(kernel, known, np.array(residual), np.array(noise), left)
            best = int(np.argmax(prior[left] + mean + self.beta * deviation))
            row = left.pop(best)
            chosen.append(row)
            known.append(row)
            residual.append(float(mean[best]))
            noise.append(PICTURE_NOISE**2)
        return [rewrites[row - m] for row in chosen]

    def promising(self, most: int) -> list[str]:
        """The texts of highest imagined liking and uncertainty, of all that were ranked."""
        return sorted(self._known, key=lambda t: (-(self._known[t][0] + self.beta * self._known[t][1]), t))[:most]

    def _look_up(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Imagined mean and deviation (n,), features (n, D); each text is read once in a run."""
        if new := [t for t in dict.fromkeys(texts) if t not in self._known]:
            self._known |= dict(zip(new, zip(*self.imagine(new), strict=True), strict=True))
        mean, deviation = zip(*(self._known[t] for t in texts), strict=True)
        return np.array(mean), np.array(deviation), self.space.vectors(texts)

    @staticmethod
    def _kernel(features: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """Squared exponential of the distance between texts, a third of their median squared distance its scale; what
        is imagined less surely may be further off. Half of the variance is shared by all texts.
        """
        squared = np.maximum(2 - 2 * features @ features.T, 0)
        apart = squared[np.triu_indices(len(squared), 1)]
        scale = float(np.median(apart)) / 3 or 1.0
        return np.outer(spread, spread) * (0.5 + 0.5 * np.exp(-squared / scale))


def _posterior(
    kernel: np.ndarray, known: list[int], residual: np.ndarray, noise: np.ndarray, asked: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (len(asked),) of g (Rasmussen and Williams 2006, eq. 2.25-2.26)."""
    own = np.diag(kernel)[asked]
    if not known:
        return np.zeros(len(asked)), np.sqrt(own)
    cross = kernel[np.ix_(known, asked)]
    solved = np.linalg.solve(kernel[np.ix_(known, known)] + np.diag(noise), np.column_stack([residual, cross]))
    variance = own - (cross * solved[:, 1:]).sum(0)
    return cross.T @ solved[:, 0], np.sqrt(np.maximum(variance, 0))
