"""What a reward understands of a person's own words."""

from __future__ import annotations

import pytest

from steer.judging.load import load_reward
from steer.testing import FakeReward
from steer.users.profile import Phrase, profile_lines, understood

SAID = "Studio Ghibli, cosy evenings, tatami rooms, no neon; I hate foxes, zxqv blorp, minimalism"


@pytest.mark.parametrize("name", ["miniature", "miniature/linear-hidden"])
def test_the_miniature_knows_its_world_and_nothing_else(name):
    found = understood(load_reward(name), name, SAID)
    assert {p.text: (p.liked, p.like) for p in found} == {
        "Studio Ghibli": (True, None),
        "cosy evenings": (True, "at sunset"),
        "tatami rooms": (True, "in a room"),
        "neon": (False, "neon"),
        "foxes": (False, "fox"),
        "zxqv blorp": (True, None),
        "minimalism": (True, None),
    }
    assert profile_lines(found) == [
        "likes: 'cosy evenings' (as 'at sunset'), 'tatami rooms' (as 'in a room')",
        "dislikes: 'neon', 'foxes' (as 'fox')",
        "not understood: 'Studio Ghibli', 'zxqv blorp', 'minimalism'",
    ]


def test_of_another_reward_only_the_reading_is_said(miniature):
    assert understood(miniature.parts.reward, "org/reward", "warm light, no neon") == [
        Phrase("warm light", True, "warm light"),
        Phrase("neon", False, "neon"),
    ]


def test_nothing_said_and_no_texts_read(miniature):
    assert understood(miniature.parts.reward, "miniature", "") == []

    class ReadsNoTexts(FakeReward):
        def text_features(self, texts):
            return None

    assert understood(ReadsNoTexts(), "fake", "warm light") == []
