"""How well scores order one person's pictures: SROCC, PLCC, pairwise accuracy.

Computed within each person over their test pictures, then averaged over people. A person with
fewer than ``MINIMUM`` ratings is left out; constant ratings or predictions count as 0 (pairwise
accuracy .5), so that a model cannot gain by saying nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.stats import pearsonr, spearmanr

MINIMUM = 5
METRICS = ("srocc", "plcc", "pairwise")
Each = dict[str, tuple[float, float, float]]  # person to the three


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


def per_person(predicted: np.ndarray, rated: np.ndarray, people: Iterable[object]) -> Each:
    """The metrics of every person with at least ``MINIMUM`` ratings, in order of first appearance.

    Raises ValueError for a prediction that is no number: a predictor must not be judged on what it left out.
    """
    if not np.isfinite(predicted).all():
        raise ValueError(f"{int((~np.isfinite(predicted)).sum())} of {len(predicted)} predictions are not numbers")
    groups: dict[str, list[int]] = {}
    for row, person in enumerate(people):
        groups.setdefault(str(person), []).append(row)
    return {p: person_metrics(predicted[r], rated[r]) for p, r in groups.items() if len(r) >= MINIMUM}


def summary(each: Each, resamples: int = 1000) -> dict[str, float]:
    """Means of :func:`per_person` with 95 % bootstrap intervals over people, NaN where there is nobody.

    Keys: ``srocc``, ``plcc``, ``pairwise``, each also ``_low`` and ``_high``; ``n_people``.
    """
    table = np.asarray(list(each.values())).reshape(-1, len(METRICS))
    low, high = bootstrap(table, resamples)
    result: dict[str, float] = {"n_people": len(table)}
    means = table.mean(0) if len(table) else np.full(len(METRICS), np.nan)
    for k, name in enumerate(METRICS):
        result |= {name: float(means[k]), f"{name}_low": float(low[k]), f"{name}_high": float(high[k])}
    return result


def bootstrap(table: np.ndarray, resamples: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of the column means of (people, k), people drawn with replacement; NaN for no people."""
    if not len(table):
        return np.full(table.shape[1], np.nan), np.full(table.shape[1], np.nan)
    rows = np.random.default_rng(seed).integers(0, len(table), (resamples, len(table)))
    low, high = np.percentile(table[rows].mean(1), [2.5, 97.5], axis=0)
    return low, high


def evaluate(
    predicted: np.ndarray, rated: np.ndarray, people: Iterable[object], resamples: int = 1000
) -> dict[str, float]:
    """:func:`summary` of :func:`per_person`."""
    return summary(per_person(predicted, rated, people), resamples)


def gain(ours: Each, theirs: Each) -> dict[str, float]:
    """The mean SROCC of ``ours`` above ``theirs`` on the people in both, with its paired bootstrap interval."""
    both = [p for p in ours if p in theirs]
    difference = np.asarray([[ours[p][0] - theirs[p][0]] for p in both]).reshape(-1, 1)
    low, high = bootstrap(difference)
    mean = float(difference.mean()) if both else float("nan")
    return {"gain": mean, "low": float(low[0]), "high": float(high[0]), "n_people": len(both)}
