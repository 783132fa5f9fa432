"""The ridge against scikit-learn's own pipeline, its leave-one-out by leaving out, its uncertainty by the textbook."""

from __future__ import annotations

import numpy as np
import pytest

from reward_models.base import RewardError
from reward_models.linear_hidden.people import FEW, MARGIN, PersonModel
from reward_models.taste.ridge import ALPHAS, Ridge, Scaler, many_outputs


def data(n, d, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * rng.uniform(0.1, 3, d) + rng.normal(size=d)
    x[:, 1] = 1.7  # constant
    y = x @ rng.normal(size=d) / np.sqrt(d) + 0.3 * rng.normal(size=n) + 2
    return x, y, rng.normal(size=(30, d))


@pytest.mark.parametrize(("n", "d"), [(10, 512), (100, 2560), (50, 20), (5, 64)])
@pytest.mark.parametrize("alphas", ["paper", "wide"])
def test_equal_to_scikit_learn(n, d, alphas):
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y, new = data(n, d)
    theirs = make_pipeline(StandardScaler(), RidgeCV(alphas=ALPHAS[alphas])).fit(x, y)
    ours = Ridge(x, y, alphas)
    assert ours.alpha == pytest.approx(theirs[-1].alpha_)
    assert ours(new) == pytest.approx(theirs.predict(new), abs=1e-6)


def test_left_out_is_left_out():
    x, y, _ = data(12, 40)
    scaler = Scaler.of(x)
    ridge = Ridge(x, y, [3.0], scaler)
    for i in range(12):
        rest = np.arange(12) != i
        without = Ridge(x[rest], y[rest], [3.0], scaler)
        assert ridge.left_out[i] == pytest.approx(y[i] - without(x[i : i + 1])[0], abs=1e-8)


@pytest.mark.parametrize("outside", [True, False])
def test_one_rating_more_is_as_all_anew(outside):
    x, y, new = data(40, 300)
    scaler = Scaler.of(np.vstack([x, new])) if outside else None
    grown = Ridge(x[:30], y[:30], "wide", scaler)
    for i in range(30, 40):
        grown.add(x[i], y[i])
    whole = Ridge(x, y, "wide", scaler)
    assert grown.alpha == whole.alpha
    assert grown(new) == pytest.approx(whole(new), abs=1e-8)
    assert grown.uncertainty(new) == pytest.approx(whole.uncertainty(new), rel=1e-6)


def test_uncertainty_is_the_posteriors():
    x, y, new = data(50, 20)
    ridge = Ridge(x, y, [2.0])
    centred = ridge.scaler(x)
    inverse = np.linalg.inv(centred.T @ centred + 2.0 * np.eye(20))
    q = ridge.scaler(new)
    assert ridge.leverage(new) == pytest.approx(1 / 50 + np.einsum("md,de,me->m", q, inverse, q), abs=1e-9)
    far = new * 10
    assert (ridge.uncertainty(far) > 3 * ridge.uncertainty(new)).all()


def test_many_outputs_share_scikit_learns_penalty():
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y, new = data(120, 30)
    targets = np.stack([y, x[:, 4] + 0.1 * y, np.sin(y)], axis=1)
    targets /= targets.std(axis=0)
    theirs = make_pipeline(StandardScaler(), RidgeCV(alphas=ALPHAS["paper"])).fit(x, targets)
    scaler = Scaler.of(x)
    weight, bias, alpha = many_outputs(x, targets, scaler, "paper")
    assert alpha == pytest.approx(theirs[-1].alpha_)
    assert scaler(new) @ weight.T + bias == pytest.approx(theirs.predict(new), abs=1e-6)


def by_hand(x, y, scaler, grid):
    """What ``many_outputs`` was before scikit-learn: every penalty from one eigendecomposition of the covariance."""
    scaled = scaler(x)
    middle, mean = scaled.mean(axis=0), y.mean(axis=0)
    centred, targets = scaled - middle, y - mean
    values, vectors = np.linalg.eigh(centred.T @ centred)
    values = np.clip(values, 0, None)
    turned = centred @ vectors
    toward = turned.T @ targets
    errors = []
    for alpha in grid:
        hat = 1 / len(y) + (turned**2) @ (1 / (values + alpha))
        left_out = (targets - turned @ (toward / (values + alpha)[:, None])) / np.maximum(1 - hat, 1e-12)[:, None]
        errors.append(np.mean((left_out / (y.std(axis=0) + 1e-12)) ** 2))
    alpha = float(grid[int(np.argmin(errors))])
    weights = (vectors @ (toward / (values + alpha)[:, None])).T
    return weights, mean - weights @ middle, alpha


@pytest.mark.parametrize(("n", "d", "k"), [(300, 40, 3), (300, 40, 1), (60, 50, 7), (30, 80, 2)])
@pytest.mark.parametrize("alphas", ["paper", "wide"])
def test_many_outputs_are_those_of_the_closed_form(n, d, k, alphas):
    """To 1e-8 in the answers, of targets of very different spread and of scales that come from other rows."""
    x, y, new = data(n, d)
    rng = np.random.default_rng(k)
    targets = np.stack([y, *(10**i * (x @ rng.normal(size=d) + rng.normal(size=n)) for i in range(k - 1))], axis=1)
    scaler = Scaler.of(np.vstack([x, new]))
    weight, bias, alpha = many_outputs(x, targets, scaler, alphas)
    expected, level, penalty = by_hand(x, targets, scaler, ALPHAS[alphas])
    assert alpha == penalty
    assert weight.shape == (k, d)
    spread = targets.std(axis=0)
    assert (scaler(new) @ weight.T + bias) / spread == pytest.approx(
        (scaler(new) @ expected.T + level) / spread, abs=1e-8
    )


def test_a_persons_forms():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(90, 12))
    taste, common = rng.normal(size=12) * 0.03, rng.normal(size=12) * 0.05
    y = 0.5 + x @ (taste + common)

    def general(rows):
        return 0.5 + rows @ common

    few, many = PersonModel(x[:20], y[:20], general), PersonModel(x[:FEW], y[:FEW], general)
    assert (few.estimator, many.estimator) == ("residual", "direct")
    new, true = x[60:], y[60:]

    def error(model):
        return np.abs(model.raw(new) - true).mean()

    assert error(few) < error(PersonModel(x[:20], y[:20], general, "giaa"))
    assert error(PersonModel(x[:6], y[:6], general, "residual")) < error(PersonModel(x[:6], y[:6], general, "direct"))
    reduced = PersonModel(x[:60], y[:60], general, "reduce", attributes=lambda rows: rows[:, :6])
    assert np.corrcoef(reduced.raw(new), true)[0, 1] > 0.3
    beyond = 100 * (taste + common)[None]
    assert many.raw(beyond)[0] > many.high + MARGIN
    assert many(beyond)[0] == pytest.approx(min(1.0, many.high + MARGIN))
    along = np.linspace(-4, 4, 400)[:, None] * (taste + common)[None]
    assert (np.diff(many(along)) > 0).all()  # bent, not cut: the better stays above
    inside = along[(many.raw(along) > many.low) & (many.raw(along) < many.high)]
    assert np.abs(many(inside) - many.raw(inside)).max() < 0.04
    with pytest.raises(RewardError, match="at least 2 ratings"):
        PersonModel(x[:1], y[:1], general)
    with pytest.raises(RewardError, match="needs a map to attributes"):
        PersonModel(x[:5], y[:5], general, "reduce")
