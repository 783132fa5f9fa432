"""Do two runs for one person find the same kind of picture (Fig. 9 of the PAMELA paper)?

Shapes: U users, D features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reward_models.evaluation.statistics import Interval, resampled


@dataclass(frozen=True)
class Consistency:
    """Likeness of two runs' winners: ``within`` a person, ``between`` two people, and the first above the second; mean
    cosines with 95 % bootstrap intervals over users.
    """

    within: Interval
    between: Interval
    above: Interval


def consistency(first: np.ndarray, second: np.ndarray) -> Consistency:
    """Of the winners' features (prompts, U, D) of two runs each that differ in the writer's draw alone.

    Each prompt's features are centred on the mean of all its winners, so that what its pictures have in common says
    nothing. Raises ValueError for fewer than two users.
    """
    if first.shape != second.shape or first.shape[1] < 2:
        raise ValueError("consistency compares two runs for each of two users or more")
    centre = (first.mean(1, keepdims=True) + second.mean(1, keepdims=True)) / 2
    a, b = (_unit(x - centre) for x in (first, second))
    likeness = np.einsum("pud,pvd->uv", a, b) / len(first)  # (U, U)
    likeness = (likeness + likeness.T) / 2
    n = len(likeness)
    drawn = resampled(n)  # (resamples, U)
    own = likeness.diagonal()
    others = likeness * (1 - np.eye(n))
    apart = 1 - np.eye(n)
    within = drawn @ own / n
    # of a sample that is one person over and over there is no pair of two people
    with np.errstate(invalid="ignore"):
        between = np.einsum("bi,ij,bj->b", drawn, others, drawn) / np.einsum("bi,ij,bj->b", drawn, apart, drawn)
    mean = float(others.sum() / (n * (n - 1)))
    return Consistency(
        _interval(float(own.mean()), within),
        _interval(mean, between),
        _interval(float(own.mean()) - mean, within - between),
    )


def _unit(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12))


def _interval(mean: float, samples: np.ndarray) -> Interval:
    low, high = np.nanpercentile(samples, [2.5, 97.5])
    return mean, float(low), float(high)
