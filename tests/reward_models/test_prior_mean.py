"""A liking to begin with, from any reward that reads cards."""

from __future__ import annotations

import numpy as np

from reward_models import Person
from reward_models.prior_mean import RewardAsPrior, offsets
from reward_models.testing.fakes import random_pictures
from tests.reward_models import shipped


def test_a_reward_answers_from_what_is_said_and_not_from_what_it_learned():
    reward, pictures = shipped.reward(), random_pictures(3)
    prior = RewardAsPrior(reward)
    about = {"age_binned": "30-39", "gender": "female"}
    found = prior.likings(pictures, Person("u17", about))
    np.testing.assert_array_equal(found, reward.score(pictures, [""] * 3, Person(None, about)).personal)
    assert not np.array_equal(found, reward.score(pictures, [""] * 3, "u17").personal)


def test_no_answer_moves_nothing():
    found = offsets(np.array([0.7, np.nan]), np.array([0.5, 0.4]))
    np.testing.assert_allclose(found, [0.2, 0.0])
