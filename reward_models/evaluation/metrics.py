"""How well scores order one person's pictures: SROCC, PLCC, pairwise accuracy.

Computed within each person over their test pictures, then averaged over people. A person with
fewer than ``MINIMUM`` ratings is left out; constant ratings or predictions count as 0 (pairwise
accuracy .5), so that a model cannot gain by saying nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.stats import pearsonr

from reward_models.evaluation.statistics import RESAMPLES, bootstrap, bootstrap_columns, spearman

MINIMUM = 5
METRICS = ("srocc", "plcc", "pairwise")
Each = dict[str, tuple[float, float, float]]  # person to the three


def person_metrics(predicted: np.ndarray, rated: np.ndarray) -> tuple[float, float, float]:
    """SROCC, PLCC and pairwise accuracy of n predictions against n ratings of one person."""
    if np.ptp(predicted) == 0 or np.ptp(rated) == 0:
        return 0.0, 0.0, 0.5
    return (
        spearman(predicted, rated),
        float(pearsonr(predicted, rated).statistic),
        pairwise_accuracy(predicted, rated),
    )


def pairwise_accuracy(predicted: np.ndarray, rated: np.ndarray, margin: float = 0.0) -> float:
    """Share of pairs with |rating difference| > ``margin`` that the prediction orders rightly.

    Exactly tied ratings are dropped; a tied prediction counts one half. NaN where there is no such pair.
    """
    i, j = np.triu_indices(len(rated), 1)
    difference = rated[i] - rated[j]
    kept = np.abs(difference) > margin
    if not kept.any():
        return float("nan")
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


def summary(each: Each, resamples: int = RESAMPLES) -> dict[str, float]:
    """Means of :func:`per_person` with 95 % bootstrap intervals over people, NaN where there is nobody.

    Keys: ``srocc``, ``plcc``, ``pairwise``, each also ``_low`` and ``_high``; ``n_people``.
    """
    table = np.asarray(list(each.values())).reshape(-1, len(METRICS))
    result: dict[str, float] = {"n_people": len(table)}
    for name, (mean, low, high) in zip(METRICS, bootstrap_columns(table, resamples=resamples), strict=True):
        result |= {name: float(mean), f"{name}_low": float(low), f"{name}_high": float(high)}
    return result


def evaluate(
    predicted: np.ndarray, rated: np.ndarray, people: Iterable[object], resamples: int = RESAMPLES
) -> dict[str, float]:
    """:func:`summary` of :func:`per_person`."""
    return summary(per_person(predicted, rated, people), resamples)


def gain(ours: Each, theirs: Each) -> dict[str, float]:
    """The mean SROCC of ``ours`` above ``theirs`` on the people in both, with its paired bootstrap interval."""
    both = [p for p in ours if p in theirs]
    mean, low, high = bootstrap(np.asarray([ours[p][0] - theirs[p][0] for p in both]))
    return {"gain": mean, "low": low, "high": high, "n_people": len(both)}
