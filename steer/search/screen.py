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
from steer.types import PICTURE_NOISE, History, Remembered, Rewrite

EARLIER = 40  # texts of earlier runs that are heeded
Imagine = Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]  # n texts to mean and standard deviation (n,)


@dataclass
class Screen:
    """``beta``: how much of a text's uncertainty is credited to it."""

    imagine: Imagine
    space: TextSpace
    beta: float = 1.0
    earlier: Sequence[Remembered] = ()  # of earlier runs, their texts said of the present prompt
    prompt: str = ""
    _known: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False)

    def choose(self, rewrites: Sequence[Rewrite], history: History, n: int) -> list[Rewrite]:
        """The n of highest upper confidence bound, one after another as if each were already seen as expected (a
        "kriging believer", Ginsbourger et al. 2010), so that they differ.
        """
        if len(rewrites) <= n:
            return list(rewrites)
        seen = history.stats()
        before = self._before({s.rewrite.text for s in seen})
        known_texts = [s.rewrite.text for s in seen] + [e.text for e in before]
        texts = known_texts + [r.text for r in rewrites]
        prior, spread, features = self._look_up([*texts, self.prompt] if before else texts)
        base = next((s.mean for s in seen if s.rewrite.text == self.prompt), float(prior[-1]))
        prior, spread, features = prior[: len(texts)], spread[: len(texts)], features[: len(texts)]
        kernel = self._kernel(features, spread)
        m = len(known_texts)
        known = list(range(m))
        means = [s.mean for s in seen] + [min(1.0, max(0.0, base + e.gain)) for e in before]
        residual = [mean - prior[i] for i, mean in enumerate(means)]
        # the level at which this prompt's pictures are liked is learnt with the rest: imagined means share an error
        noise = [PICTURE_NOISE**2 / len(s.objectives) for s in seen] + [PICTURE_NOISE**2 / e.weight for e in before]
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

    def forget(self) -> None:
        """Imagine everything anew."""
        self._known.clear()

    def _before(self, seen: set[str]) -> list[Remembered]:
        """What earlier runs say of texts that this one has not drawn: the weightiest, the newest first."""
        left = [e for e in reversed(self.earlier) if e.text not in seen and e.weight > 0]
        return sorted(left, key=lambda e: -e.weight)[:EARLIER]

    def promising(self, most: int) -> list[str]:
        """The texts of highest imagined liking and uncertainty, of all that were ranked."""
        return sorted(self._known, key=lambda t: (-(self._known[t][0] + self.beta * self._known[t][1]), t))[:most]

    def _look_up(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Imagined mean and deviation (n,), features (n, D); each text is read once while nothing changes."""
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
