"""Several people at once, and away from someone."""

from __future__ import annotations

import numpy as np
import pytest

from reward_models import Person
from steer import Steerer
from steer.config import load_config
from steer.errors import UsageError
from steer.judging.audience import Audience, combine, spread


def test_written_and_read():
    for text in ("me", "me,you", "me,you,!him", "me,!him,!her"):
        assert str(Audience.parse(text)) == text
    assert Audience.parse("me").single
    assert not Audience.parse("me,!him").single


def test_together():
    a, b, c = np.array([0.9, 0.5]), np.array([0.1, 0.5]), np.array([1.0, 0.0])
    assert np.allclose(combine(np.stack([a, b]), np.zeros((0, 2)), "mean"), [0.5, 0.5])
    assert np.allclose(combine(np.stack([a, b]), np.zeros((0, 2)), "worst"), [0.1, 0.5])
    assert np.allclose(combine(a[None], c[None], "mean"), [0.45, 0.75])


def test_the_spread_is_that_of_the_combination():
    rng = np.random.default_rng(0)
    values, error = rng.uniform(size=(3, 5)), rng.uniform(0.01, 0.02, size=(3, 5))
    drawn = values[:, None] + error[:, None] * rng.normal(size=(3, 20000, 5))
    for how in ("mean", "worst"):
        found = np.stack([combine(d[:2], d[2:], how) for d in drawn.transpose(1, 0, 2)]).std(0)
        said = spread(values[:2], error[:2], error[2:], how)
        assert np.allclose(found, said, rtol=0.05) or how == "worst"
        if how == "worst":
            apart = np.abs(values[0] - values[1]) > 0.2  # where it is clear who is worse off
            assert np.allclose(found[apart], said[apart], rtol=0.05)


def test_a_pictures_scores_for_two(miniature, questions):
    images, prompts = [q.image for q in questions[:6]], [q.prompt for q in questions[:6]]
    each = {u: miniature.parts.reward.score(images, prompts, Person(u)).personal for u in ("u17", "u42", "u3")}
    judge = miniature.parts.judge(miniature.parts.roster.people("u17,u42,!u3"))
    scores = judge.judge(judge.panel.read(images, prompts))
    assert np.allclose(scores.personal, ((each["u17"] + each["u42"]) / 2 + 1 - each["u3"]) / 2, atol=1e-6)
    assert np.allclose(scores.others["liked by u3"], each["u3"])


def test_a_run_for_two_is_liked_by_both_and_one_away_is_not(miniature, tmp_path):
    """By the painter, scored for everybody afterwards."""
    steerer = Steerer(
        load_config("miniature", ["renderer=painter"]),
        reward=miniature.parts.reward,
        store=miniature.parts.store,
    )

    def liked(user, name):
        best = steerer.run("a fox", user, budget=24, out=tmp_path / name).best
        others = steerer.run("a fox", f"{user},u17,u42", budget=2, out=tmp_path / f"{name}-x").candidates[0].others
        assert set(others) == {"liked by u17", "liked by u42"} | {
            f"liked by {u}" for u in Audience.parse(user).everyone
        }
        return best

    together = liked("u17,u42", "both")
    assert min(together.others["liked by u17"], together.others["liked by u42"]) > 0.4
    away = liked("u17,!u42", "away")
    assert away.others["liked by u17"] > away.others["liked by u42"] + 0.2


def test_somebody_unknown_among_them(miniature):
    with pytest.raises(UsageError, match="user 'nobody-here' not found"):
        miniature.request("a fox", "u17,nobody-here")
    with pytest.raises(UsageError, match="user '' not found"):
        miniature.request("a fox", "")
