"""How well scores order one person's pictures: SROCC, PLCC, pairwise accuracy.

Computed within each person over their test pictures, then averaged over people. A person with
fewer than ``MINIMUM`` ratings is left out; constant ratings or predictions count as 0 (pairwise
accuracy .5), so that a model cannot gain by saying nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
from scipy.stats import pearsonr, spearmanr

MINIMUM = 5
METRICS = ("srocc", "plcc", "pairwise")


def person_metrics(predicted: np.ndarray, rated: np.ndarray) -> tuple[float, float, float]:
    """SROCC, PLCC and pairwise accuracy of n predictions against n ratings of one person."""
    if np.ptp(predicted) == 0 or np.ptp(rated) == 0:
        return 0.0, 0.0, 0.5
    return (
        float(spearmanr(predicted, rated).statistic),
        float(pearsonr(predicted, rated).statistic),
        pairwise_accuracy(predicted, rated),
    )


def pairwise_accuracy(predicted: np.ndarray, rated: np.ndarray, margin: float = 0.0) -> float:
    """Share of pairs with |rating difference| > ``margin`` that the prediction orders rightly.

    Exactly tied ratings are dropped; a tied prediction counts one half.
    """
    i, j = np.triu_indices(len(rated), 1)
    difference = rated[i] - rated[j]
    kept = np.abs(difference) > margin
    if not kept.any():
        return 0.5
    agree = np.sign(predicted[i] - predicted[j])[kept] * np.sign(difference[kept])
    return float(((agree + 1) / 2).mean())


def evaluate(
    predicted: np.ndarray, rated: np.ndarray, people: Iterable[Hashable], resamples: int = 1000, seed: int = 0
) -> dict[str, float]:
    """Means over people with 95 % bootstrap intervals over people.

    Keys: ``srocc``, ``plcc``, ``pairwise``, each also ``_low`` and ``_high``; ``n_people``.
    """
    groups: dict[Hashable, list[int]] = {}
    for row, person in enumerate(people):
        groups.setdefault(person, []).append(row)
    rows = [person_metrics(predicted[r], rated[r]) for r in groups.values() if len(r) >= MINIMUM]
    table = np.asarray(rows)  # (people, 3)
    rng = np.random.default_rng(seed)
    draws = table[rng.integers(0, len(table), (resamples, len(table)))].mean(1)
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    result: dict[str, float] = {"n_people": len(table)}
    for k, name in enumerate(METRICS):
        result |= {name: float(table[:, k].mean()), f"{name}_low": float(low[k]), f"{name}_high": float(high[k])}
    return result
