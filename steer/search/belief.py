"""What a run believes: a Gaussian process over what texts are worth, and from it what each picture is worth.

    y(text) = imagined(text) + g(text),     score(picture) = y(its text) + deviation

``g`` is 0 before the first picture where the reward imagines, and all there is where it does not. What the pictures
cannot tell, who the person is, is no part of the variance: the reward's mean over what the person may be is what is
believed, and no picture drawn makes it surer. The score of one picture among many is too good to be true where it is
the best of them, so only the share ``REAL`` of its deviation from its text counts. Shapes: n texts, m pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr

from steer.search.kinship import LEVEL, Kinship
from steer.search.texts import TextSpace
from steer.types import PICTURE_NOISE, Candidate, History, Rewrite, RewriteStats

Imagine = Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]  # n texts to mean and standard deviation (n,)

REAL = 0.4  # share of a picture's deviation from its text that people feel; measured on the miniature
LEFT = (0.1, 0.4, 1.0)  # shares of the covariance that an imagination may leave unexplained, the likeliest is taken
KNOWN = 0.25  # the same of the level
MOST = 160  # texts that a belief rests on: the best and the latest, so that a decision takes as long after any history
BELIEVED = 3.0  # nats of evidence that it takes to leave more unexplained than the least share


@dataclass
class Prior:
    """What is believed of texts before a picture: ``imagine`` None where the reward cannot say."""

    prompt: str
    space: TextSpace | None = None
    imagine: Imagine | None = None
    _known: dict[str, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.kinship = Kinship(self.prompt, self.space, LEVEL if self.imagine is None else KNOWN * LEVEL)

    def mean(self, rewrites: Sequence[Rewrite]) -> np.ndarray:
        """(n,); each text is imagined once in a run."""
        if self.imagine is None:
            return np.zeros(len(rewrites))
        if new := [t for t in dict.fromkeys(r.text for r in rewrites) if t not in self._known]:
            self._known |= dict(zip(new, map(float, self.imagine(new)[0]), strict=True))
        return np.array([self._known[r.text] for r in rewrites])


class Belief:
    """The posterior after a ``history`` (Rasmussen and Williams 2006, eq. 2.25-2.26; without imagination the level is
    unknown, 2.41-2.42).
    """

    def __init__(self, prior: Prior, history: History):
        self.prior, self.history = prior, history
        self.seen = _few(history.stats())
        self.rewrites = [s.rewrite for s in self.seen]
        y = np.array([s.mean for s in self.seen])
        self._noise = np.array([PICTURE_NOISE**2 / len(s.objectives) for s in self.seen])
        self._residual = y - prior.mean(self.rewrites)
        self.scale, self._inverse, self._level = 1.0, np.zeros((0, 0)), 0.0
        if self.seen:
            self.scale, self._inverse = self._fitted()
            if prior.imagine is None:
                weight = self._inverse.sum(axis=0)
                self._level = float(weight @ self._residual / weight.sum())
        elif prior.imagine is not None:
            self.scale = LEFT[0]
        self._solved = self._inverse @ (self._residual - self._level)

    def texts(self, rewrites: Sequence[Rewrite]) -> tuple[np.ndarray, np.ndarray]:
        """Mean (n,) and covariance (n, n) of what texts are worth."""
        own = self.prior.kinship.covariance(rewrites, rewrites, self.scale)
        mean = self.prior.mean(rewrites) + self._level
        if not self.seen:
            return mean, own
        cross = self.prior.kinship.covariance(rewrites, self.rewrites, self.scale)
        return mean + cross @ self._solved, own - cross @ self._inverse @ cross.T

    def pictures(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """What scored pictures (m,) are worth."""
        if not candidates:
            return np.zeros(0)
        texts = list({c.rewrite.text: c.rewrite for c in candidates}.values())
        row = {r.text: i for i, r in enumerate(texts)}
        mean = self.texts(texts)[0][[row[c.rewrite.text] for c in candidates]]
        score = np.array([c.objective for c in candidates])
        found: np.ndarray = mean + REAL * (score - mean)
        return found

    def best(self) -> float:
        """What the best picture so far is worth; minus infinity before the first."""
        return float(self.pictures(counting(self.history)).max(initial=-math.inf))

    def choose(self, rewrites: Sequence[Rewrite], n: int) -> list[int]:
        """The n rows of which a picture is expected to gain most, one after another as if each were already seen as
        expected (a "kriging believer", Ginsbourger et al. 2010), so that they differ.
        """
        mean, covariance = self.texts(rewrites)
        best = self.best()
        if not math.isfinite(best):
            best = float(mean.max(initial=0.0))
        chosen: list[int] = []
        for _ in range(min(n, len(rewrites))):
            variance = np.maximum(np.diag(covariance), 1e-12)
            worth = gain(mean, _shown(variance), best)
            worth[chosen] = -math.inf
            row = int(np.argmax(worth + 1e-9 * mean))
            chosen.append(row)
            along = covariance[:, row]
            covariance = covariance - np.outer(along, along) / (variance[row] + PICTURE_NOISE**2)
        return chosen

    def gains(self, rewrites: Sequence[Rewrite]) -> np.ndarray:
        """What one picture more of each text (n,) is expected to add to the best."""
        mean, covariance = self.texts(rewrites)
        return gain(mean, _shown(np.maximum(np.diag(covariance), 1e-12)), self.best())

    def promise(self, rewrites: Sequence[Rewrite], pictures: int) -> float:
        """What so many pictures more of such texts would add to the best, if they had nothing in common: at most."""
        best = self.best()
        if not rewrites or not math.isfinite(best):
            return math.inf
        mean, covariance = self.texts(rewrites)
        spread = _shown(np.maximum(np.diag(covariance), 1e-12))
        above = np.linspace(best, max(best, float((mean + 5 * spread).max())), 200)
        below = ndtr((above[:, None] - mean) / spread) ** (pictures / len(rewrites))
        return float(np.trapezoid(1 - below.prod(axis=1), above))

    def _fitted(self) -> tuple[float, np.ndarray]:
        """Scale of the covariance and the inverse of that of what was seen."""
        shares = (1.0,) if self.prior.imagine is None else LEFT
        found = [self._inverted(share) for share in shares]
        chosen = max(range(len(shares)), key=lambda i: found[i][0] - (BELIEVED if i else 0.0))
        return shares[chosen], found[chosen][1]

    def _inverted(self, scale: float) -> tuple[float, np.ndarray]:
        """Log evidence (Rasmussen and Williams 2006, eq. 2.30, less its constant) and the inverse."""
        own = self.prior.kinship.covariance(self.rewrites, self.rewrites, scale) + np.diag(self._noise)
        inverse = np.linalg.inv(own)
        inverse = (inverse + inverse.T) / 2
        fit = self._residual @ inverse @ self._residual
        return float(-(fit + np.linalg.slogdet(own)[1]) / 2), inverse


def gain(mean: np.ndarray, spread: np.ndarray, best: float) -> np.ndarray:
    """Expected improvement (n,) over ``best`` of values N(mean, spread^2) (Mockus 1975; Jones et al. 1998)."""
    above = (mean - best) / spread
    density = np.exp(-(above**2) / 2) / math.sqrt(2 * math.pi)
    found: np.ndarray = spread * (above * ndtr(above) + density)
    return found


def counting(history: History) -> list[Candidate]:
    """The scored pictures that can be chosen: in full, or drafts while there is none in full."""
    scored = history.scored()
    return [c for c in scored if c.tier == "full"] or scored


def _shown(variance: np.ndarray) -> np.ndarray:
    """Standard deviation of what a picture will be believed to be worth, from the variance of its text: what it teaches
    of the text, and what is real of its own deviation.
    """
    found: np.ndarray = np.sqrt(variance**2 / (variance + PICTURE_NOISE**2) + (REAL * PICTURE_NOISE) ** 2)
    return found


def _few(stats: list[RewriteStats]) -> list[RewriteStats]:
    """At most ``MOST``: half of them the best, the others the latest."""
    if len(stats) <= MOST:
        return stats
    best = {id(s) for s in sorted(stats[: -MOST // 2], key=lambda s: -s.mean)[: MOST // 2]}
    return [s for s in stats[: -MOST // 2] if id(s) in best] + stats[-MOST // 2 :]
