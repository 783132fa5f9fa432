"""Likeness of two runs within a person and between people, where it is known."""

from __future__ import annotations

import numpy as np
import pytest

from steer.errors import UsageError
from steer.study.consistency import consistency
from steer.study.plan import parse_study
from steer.study.votes import study_key
from tests.steer.study.test_study import PLAN


def test_the_same_pictures_twice_are_alike_within_a_person_alone():
    rng = np.random.default_rng(0)
    winners = rng.normal(size=(2, 8, 400)) + 5  # what all have in common says nothing
    found = consistency(winners, winners)
    assert found.within[0] == pytest.approx(1)
    assert abs(found.between[0] + 1 / 7) < 0.05  # centred vectors of 8 people
    assert found.above[1] > 0.9


def test_runs_that_have_nothing_to_do_with_each_other_are_no_more_alike_within():
    rng = np.random.default_rng(1)
    found = consistency(rng.normal(size=(3, 12, 300)), rng.normal(size=(3, 12, 300)))
    assert found.above[1] < 0 < found.above[2]
    with pytest.raises(ValueError, match="two users or more"):
        consistency(winners := np.ones((1, 1, 4)), winners)


def test_by_hand():
    """Two people, one prompt: the first run's winners are opposite, the second's at right angles."""
    first = np.array([[[1.0, 0.0], [-1.0, 0.0]]])
    second = np.array([[[1.0, 1.0], [-1.0, -1.0]]])
    found = consistency(first, second)
    assert found.within[0] == pytest.approx(np.sqrt(0.5))
    assert found.between[0] == pytest.approx(-np.sqrt(0.5))


def test_what_is_run_again_must_be_a_steering_for_each_user():
    conditions = {**PLAN["conditions"], "once more": {"again": "population", "settings": ["proposer.seed=1"]}}
    with pytest.raises(UsageError, match="'once more' runs 'population' again, which is no steering for users"):
        parse_study({**PLAN, "conditions": conditions}, "small")


def test_votes_of_a_study_from_before_still_count():
    """A plan that says nothing of what is new has the key that it had."""

    class Folder:
        config = parse_study(
            {
                "name": "small",
                "users": ["u3", "u5"],
                "prompts": ["a fox"],
                "budget": 6,
                "conditions": {"unoptimised": {"kind": "prompt"}, "own": {}, "\u00e9": {"user": "average"}},
                "judges": {"the person": {"kind": "simulated"}},
            },
            "small",
        )

    assert study_key(Folder) == "small@7e1a8b900067"
