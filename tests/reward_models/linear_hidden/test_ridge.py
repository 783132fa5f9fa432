"""The ridge against scikit-learn's own pipeline, its leave-one-out by leaving out, its uncertainty by the textbook."""

from __future__ import annotations

import numpy as np
import pytest

from reward_models.base import RewardError
from reward_models.linear_hidden.people import FEW, MARGIN, PersonModel
from reward_models.linear_hidden.ridge import ALPHAS, Others, Ridge, Scaler, many_outputs


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
    assert many.outside(beyond).all()
    assert not many.outside(x[:5]).any()
    with pytest.raises(RewardError, match="at least 2 ratings"):
        PersonModel(x[:1], y[:1], general)
    with pytest.raises(RewardError, match="needs a map to attributes"):
        PersonModel(x[:5], y[:5], general, "reduce")


def test_others_keep_few_ratings_from_chance():
    """Pure noise on ten rows: alone leave-one-out often finds something in it, with others who know better hardly ever."""
    grid = ALPHAS["wide"]
    others = Others("wide", 0.05 + 0.2 / (1 + grid / 100), np.full(len(grid), 0.04))
    alone, helped = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        x, y, new = rng.normal(size=(10, 60)), 0.2 * rng.normal(size=10), rng.normal(size=(40, 60))
        scaler = Scaler(np.zeros(60), np.ones(60))
        alone.append(np.ptp(Ridge(x, y, "wide", scaler)(new)))
        ridge = Ridge(x, y, "wide", scaler, others)
        helped.append(np.ptp(ridge(new)))
        n, w = 10, Others.WEIGHT
        assert ridge.alpha == grid[(n * ridge.errors + w * others.errors).argmin()]
        assert 0.1 < ridge.noise < 0.3
    assert np.mean(helped) < 0.3 * np.mean(alone)
    with pytest.raises(ValueError, match="of the penalties 'wide', not 'paper'"):
        Ridge(x, y, "paper", scaler, others)


def test_from_nothing_known_to_much():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(90, 8))
    y = np.clip(0.5 + 0.1 * x[:, 0] + 0.1 * rng.normal(size=90), 0, 1)
    scaler, others = (
        Scaler.of(x),
        Others("wide", 0.01 + 1e-4 / ALPHAS["wide"] + 1e-4 * ALPHAS["wide"], np.full(19, 0.01)),
    )
    assert others.alpha == 1.0
    assert others.noise == pytest.approx(0.1)

    def of(n):
        return PersonModel(x[:n], y[:n], lambda rows: np.full(len(rows), 0.5), "residual", scaler=scaler, others=others)

    for n in (0, 1):
        assert of(n).raw(x) == pytest.approx(0.5)
        assert of(n).open_share(x) == 1
        assert of(n).uncertainty(x[:3]) == pytest.approx(0.1 * np.linalg.norm(scaler(x[:3]), axis=1))
    shares = [of(n).open_share(x) for n in (2, 10, 40, 80)]
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] < 0.2
    at_one = PersonModel(x[:40], y[:40], lambda rows: np.full(len(rows), 0.5), "residual", [1.0], scaler=scaler)
    centred = scaler(x) - scaler(x).mean(axis=0)
    left = np.einsum("mk,kl,ml->", centred, at_one.covariance(), centred) / (at_one.ridge.noise**2 * (centred**2).sum())
    assert of(40).open_share(x) == pytest.approx(left)
    model = of(30)
    slopes = model.slopes(x)
    along = np.einsum("mk,kl,ml->m", slopes, model.covariance(), slopes)
    assert model.uncertainty(x) ** 2 == pytest.approx(along + model.ridge.noise**2 / 30)
