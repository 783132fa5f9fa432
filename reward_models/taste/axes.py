"""The axes along which people differ, from many people's ratings: the covariance of their weights in a linear mixed
model (Laird and Ware 1982), by expectation maximisation with an inverse Wishart prior towards no direction in
particular.

Shapes: N people, n ratings of one, R features, K axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAST = 4, 5  # people, and ratings of each, to learn from
STEPS, ENOUGH = 30, 1e-4  # of expectation maximisation; the relative change of the noise below which it ends
EVEN = 0.1  # variance that the prior gives all features together, of a rating's residual variance
KEPT = 1e-3  # of the largest axis' variance: what is less is no axis


def axes_of(people: Sequence[tuple[np.ndarray, np.ndarray]], strength: float = 1.0) -> np.ndarray | None:
    """Axes (K, R), the longest first, each as long as people differ along it, from everybody's rows (n, R) and
    residuals (n,), whose mean says nothing. The prior counts as ``strength`` times the people. None for fewer than 4
    people with 5 ratings.
    """
    sums = [_sums(x, r) for x, r in people if len(r) >= LEAST[1]]
    if len(sums) < LEAST[0]:
        return None
    squares, products, total, free = (np.array([s[i] for s in sums]) for i in range(4))  # (N, R, R), (N, R), (N,), (N,)
    size, variance = products.shape[1], float(total.sum() / free.sum())
    even = EVEN * variance * np.eye(size)
    covariance = even
    for _ in range(STEPS):
        posterior = np.linalg.inv(np.linalg.inv(covariance) + squares / variance)
        mean = np.einsum("pij,pj->pi", posterior, products) / variance
        spread = mean.T @ mean + posterior.sum(axis=0)
        covariance = (spread + strength * len(sums) * even) / ((1 + strength) * len(sums))
        before = variance
        explained = (
            2 * (mean * products).sum()
            - np.einsum("pi,pij,pj->", mean, squares, mean)
            - np.einsum("pij,pji->", posterior, squares)
        )
        variance = max(float((total.sum() - explained) / free.sum()), 1e-9)
        if abs(variance - before) < ENOUGH * before:
            break
    values, vectors = np.linalg.eigh(covariance)
    kept = values > KEPT * values[-1]
    found: np.ndarray = (vectors[:, kept] * np.sqrt(values[kept])).T[::-1]
    return found


def _sums(x: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, int]:
    """X'X, X'r, r'r and the degrees of freedom of centred rows: everybody's own level is free."""
    x, r = x - x.mean(axis=0), r - r.mean()
    return x.T @ x, x.T @ r, float(r @ r), len(r) - 1
