"""The metrics against SciPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from reward_models.evaluation.metrics import evaluate, pairwise_accuracy, person_metrics


def test_against_hand_counts():
    rated = np.array([1.0, 2.0, 3.0, 3.0])
    assert pairwise_accuracy(np.array([1.0, 2.0, 3.0, 4.0]), rated) == 1.0
    assert pairwise_accuracy(np.array([3.0, 2.0, 1.0, 0.0]), rated) == 0.0
    assert pairwise_accuracy(np.array([1.0, 1.0, 1.0, 1.0]), rated) == 0.5
    # pairs further apart than 1.5: (0, 2) and (0, 3) only
    assert pairwise_accuracy(np.array([2.0, 9.0, 1.0, 3.0]), rated, margin=1.5) == 0.5


def test_constants_count_as_nothing_known():
    assert person_metrics(np.ones(6), np.arange(6.0)) == (0.0, 0.0, 0.5)
    assert person_metrics(np.arange(6.0), np.ones(6)) == (0.0, 0.0, 0.5)


def test_means_are_over_people_not_ratings():
    predicted = np.concatenate([np.arange(5.0), np.arange(50.0)[::-1]])
    rated = np.concatenate([np.arange(5.0), np.arange(50.0)])
    people = ["a"] * 5 + ["b"] * 50 + []
    result = evaluate(predicted, rated, people)
    assert result["srocc"] == pytest.approx(0.0)
    assert result["n_people"] == 2
    assert result["srocc_low"] <= result["srocc"] <= result["srocc_high"]


def test_people_with_few_ratings_are_left_out():
    rng = np.random.default_rng(0)
    rated = rng.normal(size=14)
    result = evaluate(rated, rated, ["a"] * 10 + ["b"] * 4)
    assert result["n_people"] == 1
    assert result["srocc"] == pytest.approx(1.0)


def test_srocc_is_scipys():
    rng = np.random.default_rng(1)
    p, y = rng.normal(size=30), rng.normal(size=30)
    assert person_metrics(p, y)[0] == pytest.approx(spearmanr(p, y).statistic)
