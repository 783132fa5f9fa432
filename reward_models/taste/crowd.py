"""What people like on average, from a picture's features: kernel ridge regression on the mean rating of each picture.

The kernel is linear or Gaussian. Kernel and penalty are those of least error on pictures left out, near-duplicates
together (Rasmussen and Williams 2006, ch. 2 and 5). Shapes: n pictures, D features, L landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reward_models.taste.scale import Scale

WIDTHS = (None, 0.7, 1.0, 1.5, 2.5)  # of the Gaussian, where typical rows have length 1; None: linear
PENALTIES = np.logspace(-3, 2, 16)
FOLDS = 5
TRIED, KEPT = 1000, 2000  # pictures at most, to choose the kernel by and to predict from
SEED = 0


@dataclass(frozen=True)
class Crowd:
    """``landmarks`` (L, D) scaled, ``dual`` (L,); ``width``: None for the linear kernel; ``r2``: share of the variance
    of picture means that is explained on pictures left out, at most 1.
    """

    scale: Scale
    landmarks: np.ndarray
    dual: np.ndarray
    offset: float
    width: float | None = None
    r2: float = 0.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Mean liking (n,) of pictures (n, D), not cut to [0, 1]."""
        return kernel(self.scale(x), self.landmarks, self.width) @ self.dual + self.offset

    @classmethod
    def constant(cls, x: np.ndarray, value: float) -> Crowd:
        """The same for every picture; ``x``: typical pictures (n, D)."""
        scale = Scale.of(x)
        return cls(scale, np.zeros((1, x.shape[1])), np.zeros(1), value)

    @classmethod
    def fit(
        cls, x: np.ndarray, mean: np.ndarray, count: np.ndarray, noise: float, groups: np.ndarray | None = None
    ) -> Crowd:
        """From picture means (n,) of ``count`` (n,) ratings each, whose standard deviation around the picture's own
        mean is ``noise``. ``groups`` (n,): pictures of one group are left out together.
        """
        if len(x) < 2 * FOLDS:
            return cls.constant(x, float(np.average(mean, weights=count)))
        rng = np.random.default_rng(SEED)
        scale = Scale.of(x)
        z, groups = scale(x), np.arange(len(x)) if groups is None else groups
        weight = _weights(mean, count, noise)
        tried = np.sort(rng.permutation(len(x))[:TRIED])
        width, penalty, r2 = _chosen(z[tried], mean[tried], weight[tried], groups[tried])
        kept = np.sort(rng.permutation(len(x))[:KEPT])
        offset = float(np.average(mean, weights=weight))
        dual = _solved(z, z[kept], mean - offset, weight, width, penalty)
        if width is None:
            return cls(scale, (dual @ z[kept])[None], np.ones(1), offset, None, r2)
        return cls(scale, z[kept], dual, offset, width, r2)


def kernel(a: np.ndarray, b: np.ndarray, width: float | None) -> np.ndarray:
    """Of scaled rows (m, D) and (n, D), (m, n): their product, or exp(-d^2 / 2 width^2) of their distance d."""
    if width is None:
        return a @ b.T
    square = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.exp(-np.maximum(square, 0) / (2 * width**2))


def folds(groups: np.ndarray, n: int = FOLDS, seed: int = SEED) -> np.ndarray:
    """A fold below ``n`` for each row (rows,); rows of one group share theirs."""
    _, inverse = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(inverse.max() + 1)
    return (order % n)[inverse]


def _weights(mean: np.ndarray, count: np.ndarray, noise: float) -> np.ndarray:
    """Of picture means: the mean of few ratings counts less. At most 1."""
    between = max(float(np.var(mean) - np.mean(noise**2 / count)), 1e-4)
    weight = between / (between + noise**2 / count)
    return weight / weight.max()


def _chosen(
    z: np.ndarray, mean: np.ndarray, weight: np.ndarray, groups: np.ndarray
) -> tuple[float | None, float, float]:
    """Width, penalty and R2 of least weighted error on pictures left out."""
    part = folds(groups)
    errors = np.zeros((len(WIDTHS), len(PENALTIES)))
    base = 0.0
    for k in range(FOLDS):
        train, test = np.flatnonzero(part != k), np.flatnonzero(part == k)
        if not len(test) or not len(train):
            continue
        w, offset = weight[train], float(np.average(mean[train], weights=weight[train]))
        base += float((weight[test] * (mean[test] - offset) ** 2).sum())
        root = np.sqrt(w)
        for i, width in enumerate(WIDTHS):
            values, vectors = np.linalg.eigh(root[:, None] * kernel(z[train], z[train], width) * root)
            along = vectors.T @ (root * (mean[train] - offset))
            towards = (kernel(z[test], z[train], width) * root) @ vectors
            answers = towards @ (along[:, None] / (np.clip(values, 0, None)[:, None] + PENALTIES)) + offset
            errors[i] += (weight[test, None] * (answers - mean[test, None]) ** 2).sum(axis=0)
    best, penalty = divmod(int(errors.argmin()), len(PENALTIES))
    return WIDTHS[best], float(PENALTIES[penalty]), 1 - float(errors.min()) / max(base, 1e-12)


def _solved(
    z: np.ndarray, landmarks: np.ndarray, target: np.ndarray, weight: np.ndarray, width: float | None, penalty: float
) -> np.ndarray:
    """Dual weights (L,) of landmarks: exact where they are all the pictures, else the best in their span (Nystroem)."""
    own = kernel(landmarks, landmarks, width)
    if len(landmarks) == len(z):
        return np.linalg.solve(own + np.diag(penalty / weight), target)
    towards = kernel(z, landmarks, width)
    left = (towards * weight[:, None]).T @ towards + penalty * own
    return np.linalg.solve(left + 1e-8 * np.trace(left) / len(left) * np.eye(len(left)), towards.T @ (weight * target))
