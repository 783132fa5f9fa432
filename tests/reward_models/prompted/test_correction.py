"""How far a person's ratings are trusted, and what they do."""

from __future__ import annotations

import numpy as np
import pytest

from reward_models.evaluation.statistics import spearman
from reward_models.prompted.correction import Correction, Prior
from reward_models.prompted.known import Known, calibrated, likings
from reward_models.taste.scale import Scale

DIM, AXES, PEOPLE = 64, 12, 24


class _World:
    """Pictures on a few axes of many features, and people who like some of them. ``signal``: how far likings move."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.base = self.rng.normal(size=(AXES, DIM))

    def pictures(self, n):
        z = self.rng.normal(size=(n, AXES))
        return z, z @ self.base + 3

    def person(self, n, signal, noise=0.12):
        """Features and residuals of n ratings, and of 200 further pictures the truth."""
        w = self.rng.normal(size=AXES) / np.sqrt(AXES)
        z, x = self.pictures(n)
        more, far = self.pictures(200)
        return x, signal * z @ w + noise * self.rng.normal(size=n), far, signal * more @ w


@pytest.fixture
def world():
    return _World()


@pytest.fixture
def scale(world):
    return Scale.of(world.pictures(100)[1])


def _shares(world, scale, n, signal):
    return np.mean([Correction(*world.person(n, signal)[:2], scale).share for _ in range(PEOPLE)])


def test_trust_goes_to_nothing_for_noise_and_grows_for_an_oracle(world, scale):
    noise = [_shares(world, scale, n, 0.0) for n in (5, 25, 150)]
    oracle = [_shares(world, scale, n, 0.15) for n in (0, 5, 25, 100)]
    assert noise[0] > noise[1] > noise[2]
    assert noise[2] < 0.02
    assert oracle[0] == 0
    assert oracle == sorted(oracle)
    assert oracle[-1] > 0.8


def test_few_ratings_never_make_it_worse(world, scale):
    """Squared error on new pictures around their mean (a level ranks nothing) beside that of no correction: for people
    whose ratings are noise at most a fiftieth of what people differ by, for others less than without."""
    for signal, most in ((0.0, 0.02 * 0.15**2), (0.15, 0.0)):
        for n in (2, 5, 10, 25):
            worse = []
            for _ in range(PEOPLE):
                x, r, far, truth = world.person(n, signal)
                found = Correction(x, r, scale)(far)
                worse.append(np.var(found - truth) - np.var(truth))
            assert np.mean(worse) < most, (signal, n)


def test_ratings_that_fit_a_pattern_rank_new_pictures(world, scale):
    found = []
    for n in (5, 25, 100):
        rows = [world.person(n, 0.15) for _ in range(PEOPLE)]
        found.append(np.mean([spearman(Correction(x, r, scale)(far), truth) for x, r, far, truth in rows]))
    assert found == sorted(found)
    assert found[-1] > 0.85


def test_it_is_the_posterior_of_the_model_it_names(world, scale):
    """Against a Gaussian process written down here, for a prior that allows one setting alone."""
    from reward_models.prompted.correction import LEVEL, SIGMAS, TAUS

    weights = np.zeros((len(TAUS), len(SIGMAS)))
    weights[3, 1] = 1
    x, r, far, _ = world.person(7, 0.15)
    correction = Correction(x, r, scale, Prior(weights))
    z, q = scale(x), scale(far)
    k = LEVEL**2 + TAUS[3] ** 2 * z @ z.T + SIGMAS[1] ** 2 * np.eye(7)
    towards = LEVEL**2 + TAUS[3] ** 2 * q @ z.T
    np.testing.assert_allclose(correction(far), towards @ np.linalg.solve(k, r), atol=1e-9)
    spread = LEVEL**2 + TAUS[3] ** 2 * q @ q.T - towards @ np.linalg.solve(k, towards.T)
    np.testing.assert_allclose(correction.uncertainty(far), np.sqrt(np.diag(spread)), atol=1e-7)


def test_liked_pictures_alone_rank_what_is_like_them_higher(world):
    """Five of them, beside typical pictures; without those there is nothing to tell them from."""
    towards = world.rng.normal(size=AXES)
    z, typical = world.pictures(60)
    liked = (world.rng.normal(size=(5, AXES)) + towards) @ world.base + 3
    correction = Correction(liked, np.full(5, 0.3), Scale.of(typical))
    assert spearman(correction(typical), z @ towards) > 0.4


def test_other_people_teach_the_prior(world, scale):
    same = [world.person(40, 0.0)[:2] for _ in range(30)]
    apart = [world.person(40, 0.25)[:2] for _ in range(30)]
    nothing, much = (Prior.learnt(people, scale).weights for people in (same, apart))
    assert nothing[0].sum() > Prior().weights[0].sum() > 2 * much[0].sum()
    assert nothing[:2].sum() > 0.8 > 0.2 > much[:2].sum()  # nothing, or hardly anything
    assert nothing.sum() == pytest.approx(1)


def test_the_temperature_follows_from_the_ratings(scale):
    """Answers that are right but flat are sharpened; answers that ratings contradict say little."""
    rng = np.random.default_rng(0)
    best = rng.integers(0, 5, size=60)
    flat = np.exp(0.4 * -np.abs(np.arange(5)[None] - best[:, None]))
    flat /= flat.sum(axis=1, keepdims=True)
    sharp = flat**6 / (flat**6).sum(axis=1, keepdims=True)
    x = rng.normal(size=(60, DIM)) * 1e-6 + scale.centre  # features that tell nothing
    assert calibrated(x, flat, best / 4, scale, Prior()) < 0.5
    assert calibrated(x, sharp, rng.uniform(size=60), scale, Prior()) > 2.5
    assert calibrated(x[:0], flat[:0], np.zeros(0), scale, Prior()) == pytest.approx(1)
    assert likings(flat, 1.0) == pytest.approx(flat @ np.arange(5) / 4)


def test_nobody_who_rated_nothing_is_corrected(scale):
    known = Known.of("", np.zeros((0, DIM)), np.zeros((0, 5)), np.zeros(0), scale, Prior())
    assert known.correction is None
    assert known.share == 0
