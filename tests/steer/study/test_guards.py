"""What keeps a reward from being hacked: caution, fewer members taken away, a second reward that stops the search."""

from __future__ import annotations

import pytest

from steer import Steerer
from steer.config import load_config
from steer.errors import SteerError, UsageError
from steer.judging.load import load_reward
from steer.run.held_out import TURNS
from steer.testing import FakeProposer, FakeRenderer, FakeReward
from steer.types import StopReason


def test_caution_takes_less_of_what_is_unsure(miniature, tmp_path):
    config = load_config("miniature", ["renderer=painter", "objective.caution=2", "search.budget=6"])
    steerer = Steerer(config, reward=miniature.parts.reward, store=miniature.parts.store)
    result = steerer.run("a fox", "u17", out=tmp_path / "run")
    seen = [c for c in result.candidates if c.fidelity >= 0.5]
    assert seen
    for c in result.candidates:
        assert c.objective <= c.personal - 2 * c.uncertainty + 1e-6
    assert max(c.uncertainty for c in result.candidates) > 0.01


def test_fewer_members_is_another_reward_and_said_in_its_fingerprint():
    whole, one = (Steerer(load_config("miniature", s)).parts.reward for s in ([], ["reward.members=1"]))
    assert len(one.ensemble.members) == 1
    assert one.fingerprint() != whole.fingerprint()
    with pytest.raises(SteerError, match="has 3 members, not 9"):
        _ = Steerer(load_config("miniature", ["reward.members=9"])).parts.reward


def test_the_shipped_judge_knows_people_and_shares_no_weight_with_the_steering_reward():
    steering, judge = load_reward("miniature"), load_reward("miniature/held-out")
    assert set(steering.people()) >= {f"u{i}" for i in range(1, 157)} <= set(judge.people())
    assert not judge.encoder.has_text
    assert steering.encoder.fingerprint() not in judge.fingerprint()


class Opinion(FakeReward):
    """Likes the leaders of the first rounds best."""

    def __init__(self, rises):
        super().__init__()
        self.rises, self.asked = rises, 0

    def people(self):
        return ["u1"]

    def judge(self, reading, person):
        scores = super().judge(reading, person)
        self.asked += len(reading)
        scores.personal[:] = min(self.asked, 99) / 100 if self.rises else 1 - min(self.asked, 99) / 100
        return scores


class Climbing(FakeReward):
    """Every picture is better than all before: each round has another leader."""

    count = 0

    def judge(self, reading, person):
        scores = super().judge(reading, person)
        for i in range(len(reading)):
            Climbing.count += 1
            scores.personal[i] = min(0.999, Climbing.count / 100)
        return scores


@pytest.mark.parametrize("rises", [True, False])
def test_a_second_opinion_ends_rounds_where_it_turns(rises, tmp_path):
    config = load_config(
        "miniature",
        [
            "search.budget=30",
            "search.screen=1",
            "search.patience=99",
            "search.worth=0",
            "objective.fidelity_weight=0",
            "search.second_looks=0",
            "search.confirm=1",
        ],
    )
    Climbing.count = 0
    parts = {"renderer": FakeRenderer(), "reward": Climbing(), "proposer": FakeProposer()}
    steerer = Steerer(config, held_out=Opinion(rises), **parts)
    result = steerer.run("a fox", "u1", out=tmp_path / "run")
    rounds = max(c.round for c in result.candidates)
    if rises:
        assert result.stop is not StopReason.HELD_OUT
    else:
        assert result.stop is StopReason.HELD_OUT
        assert rounds == 1 + TURNS + 1  # a leader that was liked, two that were not, the confirmation
        leader = max((c for c in result.candidates if c.round == 1), key=lambda c: c.objective)
        assert result.winner.rewrite.text in (leader.rewrite.text, "a fox")


def test_a_judge_that_does_not_know_the_person_is_said(tmp_path):
    config = load_config("miniature", ["renderer=painter", "search.held_out=miniature/held-out", "search.budget=4"])
    steerer = Steerer(config)
    steerer.parts.store.add("me")
    with pytest.raises(UsageError, match="held-out judge 'miniature/held-out' does not know 'me'"):
        steerer.run("a fox", "me", out=tmp_path / "run")
