"""The crowd, pictures that others rated, and what is learnt from many people, with and without a taste of their own."""

from __future__ import annotations

import numpy as np
import pytest

from reward_models.evaluation.statistics import bootstrap, spearman
from reward_models.taste import learning
from reward_models.taste.crowd import Crowd, folds
from reward_models.taste.known import NONE, KnownPictures, PictureMeans
from reward_models.taste.learning import Rated, learn

PEOPLE, NEW, PICTURES, EACH = 40, 30, 140, 44


def world(taste, seed=0, effect=0.05, people=PEOPLE):
    """Ratings of pictures whose crowd is a curve in one feature; people differ along three others by ``taste``."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(PICTURES, 24))
    shared = 0.5 + 0.15 * np.tanh(2 * x[:, 0]) + effect * rng.normal(size=PICTURES)
    own = taste * rng.normal(size=(people, 3))
    level = 0.1 * rng.normal(size=people)
    picture = np.concatenate([rng.permutation(PICTURES)[:EACH] for _ in range(people)])
    person = np.repeat(np.arange(people), EACH)
    liking = shared[picture] + level[person] + np.einsum("rk,rk->r", own[person], x[picture, 1:4])
    liking = liking + 0.12 * rng.normal(size=len(liking))
    return Rated(x, picture, person, liking, np.arange(PICTURES)), shared, own


def judged(taste, seed):
    """Of new people on new pictures, from 10 and 25 ratings: Spearman above the crowd's and whether a rating lies in
    its interval, (people, 2) each; and the prior."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "REPEATED", 1)  # one split of the pictures is enough here, and quicker
        rated, _, _ = world(taste, seed, people=PEOPLE + NEW)
        new = rated.picture < PICTURES // 4
        everybody, prior, _ = learn(rated.where(np.flatnonzero((rated.person < PEOPLE) & ~new)))
    gained, inside = [], []
    for p in range(PEOPLE, PEOPLE + NEW):
        rows = np.flatnonzero(rated.person == p)
        given, tested = rows[~new[rows]], rows[new[rows]]
        x, y = rated.x[rated.picture[tested]], rated.liking[tested]
        crowd = everybody.crowd(x)
        for n in (10, 25):
            known = rated.picture[given[:n]]
            ridge = prior.ridge(rated.x[known], rated.liking[given[:n]] - everybody.others(known))
            answers = crowd + ridge(prior(x))
            gained.append(spearman(answers, y) - spearman(crowd, y))
            inside.append(np.mean(np.abs(y - answers) < 1.96 * ridge.noise * np.sqrt(1 + ridge.leverage(prior(x)))))
    return np.reshape(gained, (-1, 2)), np.reshape(inside, (-1, 2)), prior


def test_taste_that_is_there_helps_on_new_pictures_and_intervals_hold_95_percent():
    gained, inside, prior = judged(0.06, seed=1)
    assert prior.amount(25).strength > 0
    for column in gained.T:
        assert bootstrap(column)[1] > 0
    assert ((inside.mean(axis=0) > 0.92) & (inside.mean(axis=0) < 0.98)).all()


def test_taste_that_is_not_there_does_not_hurt():
    gained, _, prior = judged(0.0, seed=2)
    for column in gained.T:
        assert bootstrap(column)[2] > -0.005
        assert abs(column.mean()) < 0.01
    assert prior.amount(25).strength <= 0.04


def test_the_crowd_bends_where_people_do_and_keeps_near_duplicates_together():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 5))
    shared = 0.5 + 0.1 * np.abs(x[:, 0])
    crowd = Crowd.fit(x[40:], shared[40:] + 0.02 * rng.normal(size=200), np.full(200, 20), 0.1)
    assert crowd.width is not None  # a curve: no line would do
    assert np.corrcoef(crowd(x[:40]), shared[:40])[0, 1] > 0.8
    assert 0.4 < crowd.r2 < 1
    assert Crowd.fit(x, x[:, 0], np.full(240, 20), 0.1).width is None
    part = folds(np.array([7, 7, 3, 3, 7, 1]))
    assert part[0] == part[1] == part[4]
    assert part[2] == part[3]
    # ten copies of each of eight pictures: alone they would flatter any kernel
    x, mean = np.repeat(rng.normal(size=(8, 30)), 10, axis=0), np.repeat(rng.normal(size=8), 10)
    x = x + 0.01 * rng.normal(size=x.shape)
    alone = Crowd.fit(x, mean, np.full(80, 20), 0.1)
    together = Crowd.fit(x, mean, np.full(80, 20), 0.1, np.repeat(np.arange(8), 10))
    assert alone.r2 > 0.95
    assert together.r2 < 0.5


def test_many_pictures_are_answered_from_some(monkeypatch):
    from reward_models.taste import crowd as module

    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 6))
    mean = np.tanh(x[:, 0])
    whole = Crowd.fit(x, mean, np.full(400, 20), 0.1)
    monkeypatch.setattr(module, "KEPT", 150)
    some = Crowd.fit(x, mean, np.full(400, 20), 0.1)
    assert len(some.landmarks) == 150
    new = rng.normal(size=(100, 6))
    assert np.abs(some(new) - whole(new)).max() < 0.25
    assert np.corrcoef(some(new), whole(new))[0, 1] > 0.98


def test_others_means_leave_the_person_out_and_are_trusted_by_their_number():
    picture, person = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 0, 1, 2])
    liking = np.array([0.9, 0.6, 0.6, 0.5, 0.2, 0.4])
    means = PictureMeans.of(4, picture, person, liking)
    assert means.count.tolist() == [3, 2, 1, 0]
    assert means.rated.tolist() == [0, 1, 2]
    answers = np.full(4, 0.5)
    sure = means.expected(answers, np.arange(4), effect=100.0)
    assert sure[:3] == pytest.approx(means.mean[:3], abs=1e-3)  # an effect this large: the mean is believed
    assert sure[3] == 0.5
    assert means.expected(answers, np.arange(4), effect=1e-6) == pytest.approx(answers)
    own = liking[0] - liking[[0, 3]].mean() + means.level
    without = means.expected(answers[:1], np.array([0]), 100.0, np.array([own]))
    assert without == pytest.approx((3 * means.mean[0] - own) / 2, abs=1e-3)
    alone = liking[5] - liking[[2, 5]].mean() + means.level
    assert means.expected(answers[:1], np.array([2]), 100.0, np.array([alone])) == pytest.approx(0.5)


def test_a_picture_is_found_again_by_its_features():
    x = np.random.default_rng(0).normal(size=(50, 40)).astype(np.float32)
    known = KnownPictures(x.astype(np.float16).astype(np.float64))
    assert known.find(x[[7, 3]]).tolist() == [7, 3]
    assert known.find(x[:2] + 0.5).tolist() == [NONE, NONE]
    assert known.find(x[:0]).tolist() == []
