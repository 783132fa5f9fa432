"""Five ratings in context: a reward that learns from them, told people's own, shuffled, somebody else's, and none."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import yaml
from PIL import Image

from reward_models.base import RewardError
from reward_models.in_context import NONE, OTHERS, OWN, SHUFFLED, drawn, evaluate, in_context, shuffled
from reward_models.ratings.sets import load_ratings
from reward_models.testing.fakes import FakeReward


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six people, every other one of whom loves blue and hates green, the others the reverse; 30 pictures each."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(5)
    rows = []
    for k in range(30):
        rgb = rng.integers(0, 256, 3)
        Image.new("RGB", (4, 4), tuple(int(c) for c in rgb)).save(folder / f"{k}.png")
        for person in range(6):
            liking = 0.5 + (0.4 if person % 2 else -0.4) * (rgb[2] - rgb[1]) / 255
            rows.append((f"p{person}", f"{k}.png", 1 + 4 * liking, "test_unseen"))
    with open(folder / "ratings.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("person", "picture", "score", "split"), *rows])
    return folder / "ratings.csv"


def test_own_ratings_help_others_hurt_and_shuffled_ones_do_not(data):
    rows = in_context({"fake": FakeReward()}, load_ratings(data))
    by = {r.told: np.mean([each[0] for each in r.each.values()]) for r in rows}
    assert list(by) == [OWN, SHUFFLED, OTHERS, NONE]
    assert all(set(r.each) == {f"p{i}" for i in range(6)} for r in rows)
    assert by[OWN] > by[SHUFFLED] + 0.2
    assert by[OWN] > by[NONE] + 0.2
    assert by[OTHERS] < by[NONE] - 0.2


def test_several_rewards_are_told_the_same_ratings_and_the_rest_is_asked(data):
    ratings = load_ratings(data)
    of, again = drawn(ratings), drawn(ratings)
    for person, told in of.told.items():
        asked = of.asked[of.asked["person"] == person]
        assert len(told) == 5
        assert len(asked) == 25
        assert not set(told["picture"]) & set(asked["picture"])
        assert told["picture"].tolist() == again.told[person]["picture"].tolist()
    assert len(drawn(ratings, most=6).asked) == 36
    with pytest.raises(RewardError, match="0 unseen people"):
        drawn(ratings, examples=26)


def test_shuffled_scores_are_the_same_scores_and_say_little():
    likings = np.array([0.0, 0.2, 0.5, 0.9, 1.0])
    found = shuffled(likings, np.random.default_rng(0))
    assert sorted(found) == likings.tolist()
    assert abs(np.corrcoef(found, likings)[0, 1]) < 0.3


def test_the_report_has_every_pair(data, tmp_path):
    config = tmp_path / "data.yaml"
    config.write_text(yaml.safe_dump({"family": "pamela", "data": [{"source": str(data)}]}))
    text = evaluate({"a": FakeReward(), "b": FakeReward(["x"])}, config, tmp_path, most=10)
    assert "| a, their own | a, shuffled scores | " in text
    assert "| a, someone else's | a, none | -" in text
    told = json.loads((tmp_path / "in_context.json").read_text())
    assert len(told["rows"]) == 8
    (beside,) = [p for p in told["pairs"] if (p["first"], p["second"]) == ("a, their own", "b, their own")]
    assert (beside["gain"], beside["n_people"]) == (0.0, 6)
    reward = FakeReward()
    reward.teacher = None
    with pytest.raises(RewardError, match="knows only the people it was trained on"):
        in_context({"no teacher": reward}, load_ratings(data))
