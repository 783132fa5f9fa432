"""The shared statistics against the loops they replaced and against their definitions."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from reward_models.evaluation import statistics
from reward_models.evaluation.statistics import bootstrap, bootstrap_columns, r2, resampled, rounded, spearman


def by_hand(table, seed=0, resamples=4000):
    """The bootstrap as it was written before: rows drawn with replacement, percentiles of the column means."""
    rows = np.random.default_rng(seed).integers(0, len(table), (resamples, len(table)))
    return np.percentile(table[rows].mean(1), [2.5, 97.5], axis=0)


@pytest.mark.parametrize("people", [2, 3, 40, 333])
def test_the_bootstrap_draws_as_the_one_by_hand_did(people):
    table = np.random.default_rng(people).normal(size=(people, 3))
    low, high = by_hand(table)
    assert bootstrap_columns(table) == pytest.approx(np.stack([table.mean(0), low, high], 1), abs=1e-12)
    for column in range(3):
        assert bootstrap(table[:, column]) == pytest.approx((table[:, column].mean(), low[column], high[column]))
    weights = resampled(people)
    assert np.percentile(weights @ table / people, 2.5, axis=0) == pytest.approx(low, abs=1e-12)
    assert bootstrap(table[:, 0], seed=5)[1:] == pytest.approx(by_hand(table[:, :1], 5)[:, 0], abs=1e-12)


def test_batches_change_nothing(monkeypatch):
    table = np.random.default_rng(0).normal(size=(51, 2))
    whole = bootstrap_columns(table)
    monkeypatch.setattr(statistics, "BATCH", 51 * 2 * 7)
    assert (bootstrap_columns(table) == whole).all()


def test_few_people_nobody_and_nan():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bootstrap(np.array([0.3])) == (0.3, 0.3, 0.3)
        assert bootstrap(np.array([0.3, 0.3])) == (0.3, 0.3, 0.3)
        assert all(math.isnan(v) for v in bootstrap(np.array([np.nan])))
        assert np.isnan(bootstrap_columns(np.zeros((0, 3)))).all()
        assert bootstrap_columns(np.zeros((0, 3))).shape == (3, 3)
        assert bootstrap(np.array([1.0, np.nan, 3.0, 5.0])) == bootstrap(np.array([1.0, 3.0, 5.0]))
        assert rounded(np.array([1 / 3, 1 / 3])) == (0.3333, 0.3333, 0.3333)
        bootstrap(np.arange(4.0), resamples=1)


def test_spearman_is_the_correlation_of_ranks_and_nothing_where_undefined():
    from scipy.stats import rankdata

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 30), rng.normal(size=30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spearman(a, b) == pytest.approx(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
        assert spearman(np.ones(30), b) == spearman(a, np.ones(30)) == spearman(a[:1], b[:1]) == 0


def test_r2_is_one_less_the_share_of_variance_left():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=20), rng.normal(size=20)
    assert r2(a, b) == pytest.approx(1 - ((b - a) ** 2).sum() / ((b - b.mean()) ** 2).sum())
    assert math.isnan(r2(a, np.ones(20)))
