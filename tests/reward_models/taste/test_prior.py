"""Axes, the posterior of a person by the textbook, and how much of it is believed."""

from __future__ import annotations

import numpy as np
import pytest

from reward_models.base import RewardError
from reward_models.linear_hidden.people import SPREAD, PersonModel
from reward_models.taste.axes import axes_of
from reward_models.taste.prior import CAREFUL, FREEDOM, Amount, TastePrior
from reward_models.taste.ridge import Scaler
from reward_models.taste.scale import Scale

PLAIN = Scale(np.zeros(20), np.ones(20))


@pytest.fixture(scope="module")
def crowd():
    """120 people whose taste lies along three of twenty features, 40 ratings each, and the three."""
    rng = np.random.default_rng(4)
    axes = np.zeros((3, 20))
    axes[[0, 1, 2], [2, 7, 11]] = 0.2, 0.1, 0.05
    features = rng.normal(size=(900, 20))
    people, tastes = [], rng.normal(size=(120, 3)) @ axes
    for w in tastes:
        rows = rng.choice(900, 40, replace=False)
        people.append((rows, 0.3 * rng.normal() + features[rows] @ w + 0.1 * rng.normal(size=40)))
    return features, people, axes


def test_how_people_differ_is_found(crowd):
    features, people, _ = crowd
    given = [(features[rows], r) for rows, r in people]
    found = axes_of(given, strength=0.01)
    lengths = np.linalg.norm(found, axis=1)
    assert lengths[:3] == pytest.approx([0.2, 0.1, 0.05], rel=0.25)
    assert (lengths[3:] < 0.035).all()
    assert np.abs(found[0, 2]) > 0.98 * lengths[0]
    assert axes_of(given[:3]) is None
    even = axes_of(given, strength=1000)
    assert np.ptp(np.linalg.norm(even, axis=1)) < 0.02  # the prior has its way


def test_its_ridge_is_the_posterior():
    """Against Bayes' rule with taste ~ N(0, strength noise^2 K), a free level and the noise that is said."""
    rng = np.random.default_rng(9)
    directions = rng.normal(size=(5, 20)) / 10
    prior = TastePrior(PLAIN, directions, (Amount(1, 0.5, 0.1), Amount(10, 2.0, 0.1)), rated=0.1)
    x, new = rng.normal(size=(12, 20)), rng.normal(size=(200, 20))
    r = 0.4 + x @ (rng.normal(size=5) @ directions) * 0.2 + 0.1 * rng.normal(size=12)
    ridge = prior.ridge(x, r)
    covariance, centred = 2.0 * ridge.noise**2 * directions.T @ directions, x - x.mean(0)
    gain = covariance @ centred.T @ np.linalg.inv(centred @ covariance @ centred.T + ridge.noise**2 * np.eye(12))
    assert ridge(prior(new)) == pytest.approx(r.mean() + (new - x.mean(0)) @ gain @ (r - r.mean()), abs=1e-8)
    left = covariance - gain @ centred @ covariance
    variance = np.einsum("md,de,me->m", new - x.mean(0), left, new - x.mean(0)) + ridge.noise**2 / 12
    assert ridge.uncertainty(prior(new)) ** 2 == pytest.approx(variance, rel=1e-6)
    assert ridge.noise == pytest.approx(0.1 * ((FREEDOM + 11 * (ridge.own_noise / 0.1) ** 2) / (FREEDOM + 11)) ** 0.5)


def test_one_rating_says_nothing_of_taste_and_no_strength_changes_nothing():
    rng = np.random.default_rng(2)
    x, new = rng.normal(size=(30, 20)), rng.normal(size=(5, 20))
    model = PersonModel(
        x[:1], np.array([0.9]), lambda rows: rows[:, 0], "hierarchical", "wide", None, Scaler.of(x), TastePrior.even(x)
    )
    assert model.raw(new) == pytest.approx(new[:, 0])
    nothing = TastePrior(PLAIN, np.eye(20), (Amount(1, 0.0),))
    answers = nothing.ridge(x, rng.normal(size=30))(nothing(new))
    assert np.ptp(answers) < 1e-6
    assert tuple(sorted(CAREFUL, key=lambda a: a.strength)) == CAREFUL


def test_from_nothing_known_to_much(crowd):
    features, people, axes = crowd
    plain = Scaler(np.zeros(20), np.ones(20))
    amounts = (Amount(1, 1.0, 0.1), Amount(20, 2.0, 0.1))
    population = TastePrior(PLAIN, axes / 0.1, amounts, rated=0.1)
    rows, r = people[0]
    x, y = features[rows], np.clip(0.5 + r, 0, 1)

    def of(n, population=population, estimator="auto"):
        return PersonModel(
            x[:n], y[:n], lambda rows: np.full(len(rows), 0.5), estimator, scaler=plain, population=population
        )

    for n in (0, 1):
        assert of(n).raw(features) == pytest.approx(0.5)
        assert of(n).open_share(features) == 1
        assert of(n).uncertainty(features[:3]) == pytest.approx(0.1 * np.linalg.norm(population(features[:3]), axis=1))
    assert of(0, None, "direct").uncertainty(features[:3]) == pytest.approx(
        SPREAD * np.linalg.norm(features[:3], axis=1) / 20**0.5
    )
    shares = [of(n).open_share(features) for n in (2, 10, 20, 40)]
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] < 0.3
    assert [of(n).estimator for n in (0, 10)] == ["hierarchical", "hierarchical"]
    assert (of(9).low, of(9).high) == (0, 1)
    assert (of(10).low, of(10).high) == (y[:10].min(), y[:10].max())
    for model in (of(30), of(30, None)):
        slopes = model.slopes(features)
        along = np.einsum("mk,kl,ml->m", slopes, model.covariance(), slopes)
        assert model.uncertainty(features) ** 2 == pytest.approx(along + model.ridge.noise**2 / 30)
    grown, anew = of(10), []
    for i in range(10, 40):
        if not grown.add(x[i], y[i]):
            anew.append(i + 1)
            grown = of(i + 1)
    assert anew == [20]  # where more is believed
    assert grown.raw(features) == pytest.approx(of(40).raw(features), abs=1e-8)
    with pytest.raises(RewardError, match="needs other people's ratings"):
        of(10, None, "hierarchical")
