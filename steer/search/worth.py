"""What an answer of the user is worth to a search: by how much it should raise the liking of what is found.

The value of a question is the expected value of sample information (Raiffa and Schlaifer 1961): after each answer the
search would hold the option of highest expected liking, and the question is worth what that is better, on average over
the answers, than the option it would hold now:

    sum over answers a of  p(a) max over options E[liking | a]   -   max over options E[liking]

All of it is taken over draws of the people that the user may be. Shapes: D draws, m options, k answers.
"""

from __future__ import annotations

import math

import numpy as np

LEVELS = np.linspace(0, 1, 5)  # ratings from 1 to 5, as likings


def worth(options: np.ndarray, answers: np.ndarray) -> float:
    """Value of a question, in liking. ``options`` (D, m): liking of what the search may hold, by draw; ``answers`` (D,
    k): how probable each answer is of the person drawn.

    >>> options = np.array([[1.0, 0.0], [0.0, 0.9]])  # two people that the user may be
    >>> worth(options, np.eye(2))  # an answer that tells which of them
    0.45
    """
    joint = answers.T @ options / len(options)  # (k, m): p(a) E[liking | a]
    return float(round(joint.max(1).sum() - options.mean(0).max(), 12))


def which(likings: np.ndarray, noise: float) -> np.ndarray:
    """How probably each of k pictures is chosen as the best, (D, k), by people who like them ``likings`` (D, k) and
    judge with a standard deviation of ``noise``: McFadden's conditional logit (1974), whose noise is Gumbel's.
    """
    scaled = likings * (math.pi / (math.sqrt(6) * noise))
    power = np.exp(scaled - scaled.max(1, keepdims=True))
    found: np.ndarray = power / power.sum(1, keepdims=True)
    return found


def rating(likings: np.ndarray, noise: float) -> np.ndarray:
    """How probable each rating from 1 to 5 is, (D, 5), of people who like a picture ``likings`` (D,)."""
    density = np.exp(-0.5 * ((likings[:, None] - LEVELS) / noise) ** 2)
    found: np.ndarray = density / density.sum(1, keepdims=True)
    return found
