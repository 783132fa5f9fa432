"""Choices between two, against what is known beforehand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from steer.study.paired import ELO, bradley_terry, chance, elo, interval, votes_needed


def test_a_choice_is_as_sure_as_the_likings_are_apart():
    rng = np.random.default_rng(0)
    a, b, noise = np.array([0.7]), np.array([0.6]), 0.1
    felt = a + noise * rng.normal(size=200_000) > b + noise * rng.normal(size=200_000)
    assert chance(a, b, noise) == pytest.approx(felt.mean(), abs=0.005)
    assert chance(a, b, noise) + chance(b, a, noise) == pytest.approx(1)
    several = np.array([0.5, 0.9])
    assert chance(several, b, noise) == pytest.approx(
        (chance(several[:1], b, noise) + chance(several[1:], b, noise)) / 2
    )


def test_strengths_are_found_again():
    strength = np.array([0.0, 0.4, 1.1])
    odds = np.exp(np.subtract.outer(strength, strength))
    wins = odds / (1 + odds)
    found = bradley_terry(wins)
    assert found - found[0] == pytest.approx(ELO * (strength - strength[0]), abs=0.01)
    assert found.mean() == pytest.approx(1000)
    games = np.array([[0, 30, 7], [30, 0, 11], [7, 11, 0.0]])  # not equally many of each
    assert bradley_terry(wins * games) == pytest.approx(found, abs=0.01)


def test_who_met_nobody_has_no_strength():
    wins = np.array([[0, 3, 0], [1, 0, 0], [0, 0, 0.0]])
    found = bradley_terry(wins)
    assert math.isnan(found[2])
    assert found[0] - found[1] == pytest.approx(ELO * math.log(3), abs=0.01)


def test_intervals_hold_what_they_promise():
    rng = np.random.default_rng(1)
    inside = 0
    for k in range(120):
        _, low, high = interval(rng.normal(0.3, 1, 40), seed=k, resamples=600)
        inside += low <= 0.3 <= high
    assert 0.88 <= inside / 120 <= 0.99
    mean, low, high = interval(np.array([1.0, np.nan, 3.0]))
    assert (mean, low, high) == (2, 1, 3)
    assert math.isnan(interval(np.array([np.nan]))[0])


def test_more_users_are_surer():
    rng = np.random.default_rng(2)

    def width(users):
        share = 0.6 + 0.1 * rng.normal(size=users)
        wins = np.zeros((users, 2, 2))
        wins[:, 0, 1], wins[:, 1, 0] = share, 1 - share
        found = elo(wins)
        assert found[0, 1] < found[0, 0] < found[0, 2]
        return found[0, 2] - found[0, 1]

    assert width(100) < 0.7 * width(20)


def test_the_number_of_votes_gives_the_power_it_says():
    n = votes_needed(0.6)
    rng = np.random.default_rng(3)
    wins = rng.binomial(n, 0.6, 20_000)
    rejected = np.abs(wins / n - 0.5) > 1.96 * 0.5 / math.sqrt(n)
    assert rejected.mean() == pytest.approx(0.8, abs=0.03)
    assert votes_needed(0.54) > 1000
    with pytest.raises(ValueError, match="cannot be told"):
        votes_needed(0.5)
