"""What a person's ratings add to a model's own answer: a ridge on the difference, trusted by a prior that is fixed.

The residual form of Ryu and Yanaka 2026 (arXiv 2604.11374): rating minus the model's answer. Theirs chooses its penalty
by leave-one-out on the person's own ratings, which loses with few of them; here the penalty is averaged over, weighted
by a prior and by how well each explains the ratings, "the features say nothing about this person" among them (Bayesian
model averaging; Rasmussen and Williams 2006, ch. 5). Few ratings therefore change little, ratings of noise come to
change nothing, and ratings that fit a pattern count more the more there are.

    rating - answer = level + w'z + noise,   level ~ N(0, LEVEL^2),  w'z ~ N(0, tau^2 z'z),  noise ~ N(0, sigma^2)

Shapes: n ratings, m queries, D features, G pairs (tau, sigma).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from reward_models.taste.scale import Scale

LEVEL = 0.15  # of [0, 1]: standard deviation of how far a person's ratings lie above or below a model's answers
TAUS = (0.0, 0.05, 0.1, 0.2, 0.35)  # standard deviation of what features explain of a typical picture's liking
SIGMAS = (0.1, 0.16, 0.25)  # of a rating
TYPICAL = 0.15  # of what features explain of a person's liking
NOTHING = 0.4  # prior probability that the features explain nothing of this person


def _even() -> np.ndarray:
    weights = np.full((len(TAUS), len(SIGMAS)), (1 - NOTHING) / (len(TAUS) - 1) / len(SIGMAS))
    weights[0] = NOTHING / len(SIGMAS)
    return weights


@dataclass(frozen=True)
class Prior:
    """Probabilities (taus, sigmas) of what may be; the fixed ones, or those :meth:`learnt` from other people."""

    weights: np.ndarray = field(default_factory=_even)

    @classmethod
    def learnt(cls, people: Sequence[tuple[np.ndarray, np.ndarray]], scale: Scale, strength: float = 4.0) -> Prior:
        """From other people's features (n, D) and residuals (n,): expectation maximisation of the weights, in which the
        fixed ones count as ``strength`` people.
        """
        fixed, weights = _even(), _even()
        evidence = [np.exp(ll - ll.max()) for ll in (_log_likelihoods(scale(x), r) for x, r in people if len(r))]
        if not evidence:
            return cls()
        for _ in range(50):
            posteriors = [e * weights / (e * weights).sum() for e in evidence]
            weights = (strength * fixed + np.sum(posteriors, axis=0)) / (strength + len(evidence))
        return cls(weights)


class Correction:
    """Fitted to features ``x`` (n, D) and ``residuals`` (n,) of ratings in [0, 1] from the model's answers; n may be 0.

    ``share``: how far the answers for a person rely on their ratings, in [0, 1]: the variance between pictures that the
    ratings have settled, beside all that features may explain of this person, or of a typical one where that is more.
    """

    def __init__(self, x: np.ndarray, residuals: np.ndarray, scale: Scale, prior: Prior | None = None):
        self.scale, self.z = scale, scale(np.asarray(x, np.float64))
        residuals = np.asarray(residuals, np.float64)
        n = len(residuals)
        prior = prior or Prior()
        log = _log_likelihoods(self.z, residuals) + np.log(np.maximum(prior.weights, 1e-12))
        weights = np.exp(log - log.max())
        self.weights: np.ndarray = weights / weights.sum()  # (taus, sigmas)
        self.inverses: dict[tuple[int, int], np.ndarray] = {}
        self.duals: dict[tuple[int, int], np.ndarray] = {}
        gram = self.z @ self.z.T
        for g in np.ndindex(self.weights.shape):
            inverse = np.linalg.inv(_covariance(gram, *_pair(g))) if n else np.zeros((0, 0))
            self.inverses[g], self.duals[g] = inverse, inverse @ residuals

    def __len__(self) -> int:
        return len(self.z)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """What is to be added to answers about rows (m, D), (m,)."""
        cross = self.scale(np.asarray(x, np.float64)) @ self.z.T  # (m, n)
        found = np.zeros(len(cross))
        for g, weight in np.ndenumerate(self.weights):
            tau, _ = _pair(g)
            found += weight * ((LEVEL**2 + tau**2 * cross) @ self.duals[g])
        return found

    def covariance(self, x: np.ndarray) -> np.ndarray:
        """Of what is to be added to rows (m, D), given the ratings, (m, m)."""
        z = self.scale(np.asarray(x, np.float64))
        cross, own = z @ self.z.T, z @ z.T
        mean = self(x)
        total = np.zeros((len(z), len(z)))
        for g, weight in np.ndenumerate(self.weights):
            tau, _ = _pair(g)
            towards = LEVEL**2 + tau**2 * cross
            apart = towards @ self.duals[g] - mean  # the settings disagree, too
            total += weight * (
                LEVEL**2 + tau**2 * own - towards @ self.inverses[g] @ towards.T + np.outer(apart, apart)
            )
        return total

    def uncertainty(self, x: np.ndarray) -> np.ndarray:
        """Standard deviation of what is to be added to rows (m, D), (m,)."""
        return np.sqrt(np.maximum(0.0, np.diag(self.covariance(x))))

    @property
    def share(self) -> float:
        """See the class."""
        if not len(self):
            return 0.0
        gram = self.z @ self.z.T
        found = expected = 0.0
        for g, weight in np.ndenumerate(self.weights):
            tau, _ = _pair(g)
            expected += float(weight) * tau**2
            if tau:
                own = tau**2 * gram
                settled = np.trace(own @ self.inverses[g] @ own) / max(float(np.trace(own)), 1e-12)
                found += float(weight) * tau**2 * settled
        return found / max(expected, TYPICAL**2)


def log_evidence(z: np.ndarray, residuals: np.ndarray, prior: Prior) -> float:
    """Logarithm of the probability of residuals (n,) of scaled rows (n, D), over the prior, up to a constant."""
    log = _log_likelihoods(z, residuals) + np.log(np.maximum(prior.weights, 1e-12))
    return float(np.logaddexp.reduce(log.ravel()))


def _pair(g: tuple[int, ...]) -> tuple[float, float]:
    return TAUS[g[0]], SIGMAS[g[1]]


def _covariance(gram: np.ndarray, tau: float, sigma: float) -> np.ndarray:
    return LEVEL**2 + tau**2 * gram + sigma**2 * np.eye(len(gram))


def _log_likelihoods(z: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """Of the residuals (n,) by (tau, sigma), up to a constant."""
    found = np.zeros((len(TAUS), len(SIGMAS)))
    if not len(residuals):
        return found
    gram = z @ z.T
    for g in np.ndindex(found.shape):
        covariance = _covariance(gram, *_pair(g))
        found[g] = -0.5 * (np.linalg.slogdet(covariance)[1] + residuals @ np.linalg.solve(covariance, residuals))
    return found
