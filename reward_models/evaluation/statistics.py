"""Bootstrap intervals over people, rank correlation and R2: the one place for each.

One seed and one number of resamples serve every report, so that two tables of the same data agree.
"""

from __future__ import annotations

import numpy as np

SEED = 0
RESAMPLES = 4000
LEVEL = 0.95
BATCH = 10_000_000  # values that are resampled at once; bounds the memory, changes no result

Interval = tuple[float, float, float]  # mean, low, high


def bootstrap(values: np.ndarray, seed: int = SEED, resamples: int = RESAMPLES) -> Interval:
    """Mean of people's values (people,) and its 95 % percentile bootstrap interval over people.

    People whose value is NaN are left out; without anybody all three are NaN.

    >>> bootstrap(np.array([1.0, np.nan, 3.0]))
    (2.0, 1.0, 3.0)
    """
    mean, low, high = bootstrap_columns(np.asarray(values, dtype=float)[:, None], seed, resamples)[0]
    return float(mean), float(low), float(high)


def bootstrap_columns(table: np.ndarray, seed: int = SEED, resamples: int = RESAMPLES) -> np.ndarray:
    """:func:`bootstrap` of each column of (people, k): mean, low and high (k, 3).

    All columns share the resampled people. People with a NaN in any column are left out. With one person or fewer than
    two resamples nothing varies, and low and high are the mean.
    """
    from scipy import stats

    table = np.asarray(table, dtype=float)
    table = table[~np.isnan(table).any(axis=1)]
    if not len(table):
        return np.full((table.shape[1], 3), np.nan)
    mean = table.mean(axis=0)
    if len(table) == 1 or resamples < 2:  # SciPy asks for two people
        return np.stack([mean, mean, mean], axis=1)
    found = stats.bootstrap(
        (table,),
        np.mean,
        axis=0,
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, BATCH // table.size),
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return np.stack([mean, found.low, found.high], axis=1)


def rounded(values: np.ndarray, digits: int = 4) -> Interval:
    """:func:`bootstrap` rounded for a table."""
    mean, low, high = bootstrap(values)
    return round(mean, digits), round(low, digits), round(high, digits)


def resampled(people: int, seed: int = SEED, resamples: int = RESAMPLES) -> np.ndarray:
    """How often each person is drawn in each bootstrap sample, (resamples, people); the samples of :func:`bootstrap`.

    For statistics that are not a mean, such as Elo or a ratio of means.
    """
    drawn = np.random.default_rng(seed).integers(0, people, (resamples, people))
    return np.stack([np.bincount(d, minlength=people) for d in drawn]).astype(float)


def spearman(predicted: np.ndarray, rated: np.ndarray) -> float:
    """Spearman's rank correlation of (n,) and (n,); 0 where it is undefined because one of them is constant.

    A prediction that says nothing must not look better for it.
    """
    from scipy import stats

    if np.ptp(predicted) == 0 or np.ptp(rated) == 0:
        return 0.0
    return float(stats.spearmanr(predicted, rated).statistic)


def r2(predicted: np.ndarray, rated: np.ndarray) -> float:
    """Coefficient of determination of predictions (n,) for ratings (n,); NaN for constant ratings."""
    from sklearn.metrics import r2_score

    return float(r2_score(rated, predicted)) if np.ptp(rated) else float("nan")
