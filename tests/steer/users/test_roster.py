"""Who an id means when the store and the reward both have it: stores of older versions, and other rewards."""

from __future__ import annotations

import pytest

from steer import Steerer
from steer.errors import UsageError
from steer.users.interview import Interview


def roster_of(miniature, store):
    return Steerer("miniature", store=store, reward=miniature.parts.reward).parts.roster


def test_the_rewards_person_wins_over_an_imported_one(miniature, store, questions, caplog):
    store.add("u17", source="old set")
    store.rate_many("u17", [(q.hash, q.prompt, 1) for q in questions[:20]])
    ensemble = miniature.parts.reward.ensemble
    before = [p.vector.numpy().tobytes() for p in ensemble.person("u17")]
    roster = roster_of(miniature, store)
    for _ in range(2):
        roster.person("u17")
    assert caplog.text.count("not the one imported from 'old set'") == 1
    assert "steer user delete --import 'old set'" in caplog.text
    with pytest.raises(UsageError, match="trained on and is read-only"):
        roster.learn("u17")
    assert [p.vector.numpy().tobytes() for p in ensemble.person("u17")] == before
    store.delete_import("old set")
    roster_of(miniature, store).person("u17")
    assert caplog.text.count("imported from") == 1


def test_a_user_of_ones_own_with_an_id_of_the_reward_is_renamed(miniature, store, questions):
    """Made with another reward, for instance."""
    store.add("u17")
    store.rate("u17", questions[0].hash, 5, questions[0].prompt)
    roster = roster_of(miniature, store)
    with pytest.raises(UsageError, match="rename yours: steer user rename u17 NEW"):
        roster.person("u17")
    with pytest.raises(UsageError, match="is read-only"):
        Interview(store, miniature.parts.reward, "u17", questions)
    store.rename("u17", "me")
    roster.person("u17")
    assert roster.learn("me").used == 1


def test_an_unknown_user_can_be_created(miniature, store):
    with pytest.raises(UsageError, match=r"user 'nobody' not found \(.* Create it: steer user rate nobody"):
        roster_of(miniature, store).people("u17,!nobody")
