"""What everybody makes of a picture, how far a person may lie from it, and the level that is not taste."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reward_models import Person
from reward_models.pamela.amounts import SPREADS, fit_anchor, held_out, learn_amounts, new_pictures, views_of
from reward_models.pamela.anchor import Anchor, anchor_from, anchor_parts
from reward_models.pamela.people import Rows, fit_people
from reward_models.pamela.reward import PamelaReward
from reward_models.ratings.groups import with_groups
from reward_models.ratings.table import DataError
from reward_models.taste.crowd import Crowd
from reward_models.taste.known import PictureMeans
from reward_models.taste.prior import Amount
from tests.reward_models.pamela import test_people, test_rules

people, rules = test_people.world, test_rules.world  # the two worlds of people that those tests have


def anchor(share=0.5, effect=0.2):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6))
    liking = 0.5 + 0.1 * x[:, 0]
    means = PictureMeans(liking, np.full(40, 9), 0.5, 0.2)
    return Anchor(Crowd.fit(x, liking, means.count, 0.2), share, x, means, effect, np.full(40, -1))


def test_of_a_new_picture_the_base_lies_between_head_and_crowd():
    own, x = anchor(0.25), np.random.default_rng(1).normal(size=(5, 6))
    head = np.full(5, 0.1)
    assert own(x, head) == pytest.approx(head + 0.25 * (own.crowd(x) - head), abs=1e-5)


def test_a_rated_picture_is_drawn_to_the_mean_of_who_rated_it():
    own, head = anchor(0.0), np.zeros(40)
    weight = 0.2**2 / (0.2**2 + 0.2**2 / 9)
    assert own(own.pictures, head) == pytest.approx(weight * own.means.mean, abs=1e-5)


def test_an_anchor_is_kept_in_the_folder_and_a_broken_one_is_refused():
    own = anchor()
    about, weights = anchor_parts(own)
    x, head = np.random.default_rng(1).normal(size=(5, 6)), np.full(5, 0.3)
    again = anchor_from(about, weights, 6)
    assert again(x, head) == pytest.approx(own(x, head), abs=1e-4)
    assert again(own.pictures, np.zeros(40)) == pytest.approx(own(own.pictures, np.zeros(40)), abs=1e-3)
    with pytest.raises(ValueError, match="share"):
        anchor_from(about | {"share": 7}, weights, 6)
    with pytest.raises(ValueError, match=r"anchor\.mean"):
        anchor_from(about, weights | {"anchor.mean": torch.zeros(3)}, 6)


def fitted(world, liking, level, said=None, amounts=()):
    member, prior, x, new = world
    prior = replace(prior, level=level, amounts=amounts)
    rows = new.picture[: len(liking)]
    given = x[rows], torch.zeros(len(rows), 16), torch.as_tensor(liking).float(), torch.zeros(len(rows), dtype=int)
    return fit_people(member, prior, *given, [[0, 0, 0]], 0.08, None, Rows(said=said))[0]


@pytest.mark.slow
def test_who_rates_everything_higher_has_a_level_and_no_other_taste(people):
    y = people[3].liking[:12]
    low, high = fitted(people, y, 0.2), fitted(people, y + 0.15, 0.2)
    assert high.level - low.level == pytest.approx(0.15, abs=0.03)
    moved = (high.vector - low.vector).norm()
    without = (fitted(people, y + 0.15, 0.0).vector - fitted(people, y, 0.0).vector).norm()
    assert moved < 0.3 * without


def test_a_statement_is_taste_and_not_level(people):
    said, rated = fitted(people, [0.9], 0.2, torch.tensor([True])), fitted(people, [0.9], 0.2)
    assert said.level == 0 < rated.level
    mean = people[1].mean
    assert float((said.vector - mean).norm()) > 1.3 * float((rated.vector - mean).norm())


def test_the_spread_of_so_few_ratings_holds_a_person_near_everybody_and_says_it_is_unsure(people):
    y, mean = people[3].liking[:12], people[1].mean
    careful, free = fitted(people, y, 0.2, amounts=(Amount(2, 0.1),)), fitted(people, y, 0.2)
    assert (careful.vector - mean).norm() < 0.4 * (free.vector - mean).norm()
    assert float(careful.covariance.trace()) > 0.8 * float(free.covariance.trace())  # careful is not sure


def test_pictures_held_out_are_other_ones_for_each_member_and_near_duplicates_go_together(rules):
    corpus, _, _ = rules
    grouped = replace(corpus, groups=np.arange(len(corpus.pictures)) // 2)
    tables = corpus.tables | {"val_seen": corpus.tables["train"]}  # nothing is held out by the data set
    masks = held_out(replace(grouped, tables=tables), 0.2, 3)
    assert not (masks[0] & masks[1]).any()
    used = np.isin(np.arange(150), corpus.tables["train"].picture)
    assert 0.1 < masks[0][used].mean() < 0.3
    for mask in masks:
        assert not {*grouped.groups[mask]} & {*grouped.groups[used & ~mask]}
    assert not np.any(held_out(replace(grouped, tables=tables), 0, 1))
    assert (held_out(corpus, 0.2, 1)[0] == ~used).all()  # the data set's val_seen has new pictures


def test_where_taste_is_strong_a_person_may_lie_far_and_where_it_is_noise_nowhere(rules):
    corpus, reward, _ = rules
    ensemble, rng = reward.ensemble, np.random.default_rng(0)
    masks = held_out(corpus, 0.1, 1)
    _, views = fit_anchor(corpus, ensemble.members, ensemble.priors, masks)
    real, _ = learn_amounts(corpus, views, 0.1)
    assert real[-1].strength >= 0.35
    noise = corpus.tables["val_unseen"]
    found = []
    for _ in range(7):
        mute = replace(noise, liking=rng.permutation(noise.liking))
        chance, _ = learn_amounts(replace(corpus, tables=corpus.tables | {"val_unseen": mute}), views, 0.1)
        found.append(max(a.strength for a in chance))
    assert np.median(found) <= SPREADS[2]
    none = replace(corpus, tables=corpus.tables | {"val_unseen": noise.where(np.zeros(len(noise), bool))})
    careful, _ = learn_amounts(none, views, 0.1)
    assert 0 < careful[0].strength < careful[-1].strength < 1


def test_on_new_pictures_a_person_gains_and_intervals_hold_about_what_they_say(rules):
    corpus, reward, _ = rules
    ensemble = reward.ensemble
    views = views_of(corpus, ensemble.members, ensemble.priors, ensemble.anchor)
    found = new_pictures(corpus, views, "test_unseen", ensemble.config.noise)
    assert found[15]["gain_low"] > 0
    assert found[15]["personal"] == pytest.approx(found[15]["crowd"] + found[15]["gain"], abs=1e-3)
    assert 0.85 < found[15]["covered"] <= 1


def test_a_reward_of_a_folder_answers_as_the_trained_one(trained, siglip):
    reward = trained.load()
    ensemble = reward.ensemble
    assert ensemble.anchor is not None
    x = torch.nn.functional.normalize(torch.randn(4, siglip.width), dim=1)
    nobody, _ = ensemble.predict(x, torch.zeros_like(x), [Person()])
    head = ensemble.nobody(x, torch.zeros_like(x)).mean(0).double().numpy()
    assert nobody[0] == pytest.approx(np.clip(ensemble.anchor(x.double().numpy(), head), 0, 1), abs=1e-5)
    before = ensemble.fingerprint()
    other = trained.load().ensemble
    other.anchor = replace(other.anchor, share=0.123)
    assert other.fingerprint() != before  # lessons of another crowd do not fit


def test_people_taught_later_are_in_the_folder_with_their_level(trained, siglip, tmp_path):
    reward = trained.load()
    x = torch.nn.functional.normalize(torch.randn(6, siglip.width), dim=1)
    nothing = torch.zeros_like(x)
    fitted = reward.ensemble.fit_people(x, nothing, np.full(6, 0.95), np.zeros(6, int), [{}])
    reward.ensemble.add_person("late", [each[0] for each in fitted], {})
    assert min(reward.ensemble.levels["late"]) > 0.01
    reward.save(tmp_path / "reward", {})
    again = PamelaReward.from_folder(tmp_path / "reward", encoder=siglip)
    told, same = (r.ensemble.predict(x, nothing, [Person("late")])[0] for r in (reward, again))
    assert same == pytest.approx(told, abs=2e-3)  # weights are kept in half precision


def test_groups_of_pictures_are_a_column_or_the_beginning_of_a_name(trained):
    from reward_models.ratings.sets import load_ratings

    ratings = load_ratings(trained.root / "data")
    named = with_groups(ratings, "name:2").table
    assert set(named["picture_group"]) == {p.split("/")[-1][:2] for p in named["picture"]}
    assert with_groups(ratings, None) is ratings
    with pytest.raises(DataError, match="'scene'; it has"):
        with_groups(ratings, "scene")
