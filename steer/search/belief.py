"""What a run believes: a Gaussian process over what texts are worth, and from it what each picture is worth.

    y(text) = imagined(text) + g(text),     score(picture) = y(its text) + deviation
    worth(text) = imagined(text) + felt * g(text)

``g`` is 0 before the first picture where the reward imagines, and all there is where it does not. It is partly the
reward's own error about pictures, which all pictures of a text share and nobody feels: ``felt`` is the share of g that
is not (all of it where nothing is imagined). What the pictures cannot tell, who the person is, is no part of the
variance: the reward's mean over what the person may be is what is believed, and no picture drawn makes it surer. The
score of one picture among many is too good to be true where it is the best of them, so only the share ``REAL`` of its
deviation from its text counts. Shapes: n texts, m pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import ndtr

from steer.search.kinship import LEVEL, Kinship
from steer.search.texts import TextSpace
from steer.types import PICTURE_NOISE, Candidate, History, Remembered, Rewrite, RewriteStats, SteerRequest

Imagine = Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]]  # n texts to mean and standard deviation (n,)
Compose = Callable[[str, Mapping[str, str]], str | None]  # the text of a prompt with phrases by kind
EARLIER = 40  # texts of earlier runs that are heeded

REAL = 0.25  # share of a picture's deviation from its text that people feel; measured on the miniature
LEFT = (0.03, 0.2, 1.0)  # shares of the covariance that an imagination may leave unexplained, the likeliest is taken
MISJUDGED = 0.02  # of that share, the reward's own error about pictures, which nobody feels (benchmarks/imagined.py)
KNOWN = 0.25  # the same of the level
MOST = 160  # texts that a belief rests on: the best and the latest, so that a decision takes as long after any history
NOISY = (1.0, 0.5, 2.0)  # times the usual noise of a picture, the likeliest is taken
BELIEVED = 2.0  # nats of evidence that it takes to leave the first of either


@dataclass
class Prior:
    """What is believed of texts before a picture: ``imagine`` None where the reward cannot say."""

    prompt: str
    space: TextSpace | None = None
    imagine: Imagine | None = None
    earlier: Sequence[Remembered] = ()  # of earlier runs of the same people, their texts said of this prompt
    _known: dict[str, float] = field(default_factory=dict, repr=False)
    _last: tuple[tuple[tuple[int, float], ...], Belief] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.kinship = Kinship(self.prompt, self.space, LEVEL if self.imagine is None else KNOWN * LEVEL)

    def after(self, history: History) -> Belief:
        """What is believed after a history; the last one is kept."""
        key = tuple((c.index, c.objective) for c in history.scored())
        if self._last is None or self._last[0] != key:
            self._last = key, Belief(self, history)
        return self._last[1]

    def forget(self) -> None:
        """More is known of the people: what was imagined for them no longer holds."""
        self._known.clear()
        self._last = None

    def promising(self, most: int) -> list[str]:
        """The texts that were imagined to be liked most."""
        return sorted(self._known, key=lambda text: (-self._known[text], text))[:most]

    def before(self, seen: Sequence[RewriteStats]) -> list[Remembered]:
        """What earlier runs say of texts that this one has not drawn: the weightiest, the newest first."""
        drawn = {s.rewrite.text for s in seen}
        left = [e for e in reversed(self.earlier) if e.text not in drawn and e.weight > 0]
        return sorted(left, key=lambda e: -e.weight)[:EARLIER]

    def mean(self, rewrites: Sequence[Rewrite]) -> np.ndarray:
        """(n,); each text is imagined once."""
        if self.imagine is None:
            return np.zeros(len(rewrites))
        if new := [t for t in dict.fromkeys(r.text for r in rewrites) if t not in self._known]:
            self._known |= dict(zip(new, map(float, self.imagine(new)[0]), strict=True))
        return np.array([self._known[r.text] for r in rewrites])


def said_of(request: SteerRequest, compose: Compose) -> list[Remembered]:
    """What earlier runs of the user taught, each text said of the present prompt; nothing where the writer has no
    phrases for it.
    """
    found = []
    for each in request.earlier:
        unchanged = request.prompt if each.text == each.prompt else None
        text = compose(request.prompt, each.changes) if each.changes else unchanged
        if text is not None:
            found.append(replace(each, text=text))
    return found


class Belief:
    """The posterior after a ``history`` (Rasmussen and Williams 2006, eq. 2.25-2.26). Without imagination the level is
    unknown.
    """

    def __init__(self, prior: Prior, history: History):
        self.prior, self.history = prior, history
        self.seen = _few(history.stats())
        before = prior.before(self.seen)  # by how much a text is liked more than its prompt
        original = Rewrite(prior.prompt)
        base = next((s.mean for s in self.seen if s.rewrite.text == prior.prompt), float(prior.mean([original])[0]))
        self.rewrites = [*(s.rewrite for s in self.seen), *(Rewrite(e.text, e.changes) for e in before)]
        y = np.array([*(s.mean for s in self.seen), *(base + e.gain for e in before)])
        self._counts = np.array([*(len(s.objectives) for s in self.seen), *(e.weight for e in before)])
        self._residual = y - prior.mean(self.rewrites)
        self._fit = self._fitted() if self.rewrites else _Fit(self._shares[0], PICTURE_NOISE)
        self.felt = 1.0 if prior.imagine is None else 1 - MISJUDGED / self._fit.scale
        self.noise = self.felt * self._fit.noise

    def texts(self, rewrites: Sequence[Rewrite]) -> tuple[np.ndarray, np.ndarray]:
        """Mean (n,) and covariance (n, n) of what texts are worth; of the covariance, what pictures can still tell."""
        imagined, apart, covariance = self._said(rewrites)
        return imagined + self.felt * apart, self.felt**2 * covariance

    def _said(self, rewrites: Sequence[Rewrite]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is imagined of texts (n,), by how much pictures of them score otherwise (n,), and its covariance."""
        fit, kinship = self._fit, self.prior.kinship
        own = kinship.covariance(rewrites, rewrites, fit.scale)
        imagined, level = self.prior.mean(rewrites), np.full(len(rewrites), fit.level)
        if not self.rewrites:
            return imagined, level, own
        cross = kinship.covariance(rewrites, self.rewrites, fit.scale)
        return imagined, level + cross @ fit.solved, own - cross @ fit.inverse @ cross.T

    def pictures(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """What scored pictures (m,) are worth."""
        if not candidates:
            return np.zeros(0)
        texts = list({c.rewrite.text: c.rewrite for c in candidates}.values())
        row = {r.text: i for i, r in enumerate(texts)}
        imagined, apart, _ = self._said(texts)
        at = [row[c.rewrite.text] for c in candidates]
        score = np.array([c.objective for c in candidates])
        found: np.ndarray = (imagined + self.felt * apart)[at] + REAL * (score - (imagined + apart)[at])
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
            worth = gain(mean, self._shown(variance), best)
            worth[chosen] = -math.inf
            row = int(np.argmax(worth + 1e-9 * mean))
            chosen.append(row)
            along = covariance[:, row]
            covariance = covariance - np.outer(along, along) / (variance[row] + self.noise**2)
        return chosen

    def gains(self, rewrites: Sequence[Rewrite]) -> np.ndarray:
        """What one picture more of each text (n,) is expected to add to the best."""
        mean, covariance = self.texts(rewrites)
        return gain(mean, self._shown(np.diag(covariance)), self.best())

    def promise(self, rewrites: Sequence[Rewrite], pictures: int) -> float:
        """What so many pictures more of such texts would add to the best, if they had nothing in common: at most."""
        best = self.best()
        if not rewrites or not math.isfinite(best):
            return math.inf
        mean, covariance = self.texts(rewrites)
        spread = self._shown(np.diag(covariance))
        above = np.linspace(best, max(best, float((mean + 5 * spread).max())), 200)
        below = ndtr((above[:, None] - mean) / spread) ** (pictures / len(rewrites))
        return float(np.trapezoid(1 - below.prod(axis=1), above))

    def _shown(self, variance: np.ndarray) -> np.ndarray:
        """Standard deviation of what a picture will be believed to be worth, from the variance of its text: what it
        teaches of the text, and what is real of its own deviation.
        """
        variance = np.maximum(variance, 1e-12)
        found: np.ndarray = np.sqrt(variance**2 / (variance + self.noise**2) + (REAL * self.noise) ** 2)
        return found

    @property
    def _shares(self) -> tuple[float, ...]:
        return (1.0,) if self.prior.imagine is None else LEFT

    def _fitted(self) -> _Fit:
        """Of highest evidence."""
        fits = []
        for i, scale in enumerate(self._shares):
            own = self.prior.kinship.covariance(self.rewrites, self.rewrites, scale)
            for j, times in enumerate(NOISY):
                fit = _Fit.of(
                    own, self._residual, self._counts, scale, times * PICTURE_NOISE, self.prior.imagine is None
                )
                fits.append((fit.evidence - BELIEVED * ((i > 0) + (j > 0)), fit))
        return max(fits, key=lambda pair: pair[0])[1]


@dataclass(frozen=True)
class _Fit:
    """``scale`` of the covariance, ``noise`` of a picture and ``level`` of all texts; of m texts seen the ``inverse``
    (m, m) of their covariance, ``solved`` (m,) for their residuals, and the log ``evidence`` less its constant
    (Rasmussen and Williams 2006, eq. 2.30).
    """

    scale: float
    noise: float
    level: float = 0.0
    inverse: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    solved: np.ndarray = field(default_factory=lambda: np.zeros(0))
    evidence: float = 0.0

    @classmethod
    def of(
        cls, own: np.ndarray, residual: np.ndarray, counts: np.ndarray, scale: float, noise: float, free: bool
    ) -> _Fit:
        """``free``: the level is unknown, else 0."""
        whole = own + np.diag(noise**2 / counts)
        inverse = np.linalg.inv(whole)
        inverse = (inverse + inverse.T) / 2
        weight = inverse.sum(axis=0)
        level = float(weight @ residual / weight.sum()) if free else 0.0
        solved = inverse @ (residual - level)
        evidence = -float((residual - level) @ solved + np.linalg.slogdet(whole)[1]) / 2
        return cls(scale, noise, level, inverse, solved, evidence)


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


def _few(stats: list[RewriteStats]) -> list[RewriteStats]:
    """At most ``MOST``: half of them the best, the others the latest."""
    if len(stats) <= MOST:
        return stats
    best = {id(s) for s in sorted(stats[: -MOST // 2], key=lambda s: -s.mean)[: MOST // 2]}
    return [s for s in stats[: -MOST // 2] if id(s) in best] + stats[-MOST // 2 :]
