"""A study's verdict says what its numbers say, and no more."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reward_models.evaluation.statistics import bootstrap
from steer.study.plan import parse_study
from steer.study.verdict import Compared, compared, verdict

PLAN = {
    "name": "small",
    "users": [f"u{i}" for i in range(12)],
    "prompts": ["a fox"],
    "budget": 4,
    "conditions": {"unoptimised": {"kind": "prompt"}, "other": {"kind": "other"}, "own": {}},
    "judges": {"the person": {"kind": "simulated"}},
}


class Numbers:
    """The findings of a study whose people like what they got this much, by condition, (U,)."""

    def __init__(self, judges=None, **likings):
        self.config = parse_study({**PLAN, **({"judges": judges} if judges else {})}, "small")
        self.judges = list(self.config.judges)
        self.values = {j: {n: np.array(v, float) for n, v in likings.items()} for j in self.judges}
        self.names = list(likings)

    def difference(self, judge, a, b):
        return bootstrap(self.values[judge][a] - self.values[judge][b])

    def table(self):
        wins = [[0.6] * len(self.names)] * len(self.names)
        return {
            "wins": dict.fromkeys(self.judges, wins),
            "conditions": {"own": {"fidelity kept": (0.97, 0.9, 1.0)}},
        }


def said(**likings):
    found = Numbers(**likings)
    return verdict(found, found.table())


def test_a_gain_is_told_with_its_interval_and_how_many_gained():
    gains = np.array([0.3, 0.4, 0.5, 0.35, 0.45, 0.4, 0.3, 0.5, 0.4, 0.4, 0.4, -0.1])
    first, *rest = said(unoptimised=np.full(12, 0.3), own=0.3 + gains)
    low, high = bootstrap(gains)[1:]
    assert first == (
        f"Steering for a person raised that person's liking by {gains.mean():+.2f} [{low:+.2f}, {high:+.2f}] "
        "over the prompt as typed; 11 of 12 people gained."
    )
    assert "Judged by the person; this judge steered nothing." in rest
    assert "The pictures kept 97 % [90, 100] of the fidelity that the prompt as typed has." in rest
    assert not any("few" in sentence for sentence in rest)


def test_an_interval_that_includes_0_shows_nothing():
    (first, *_) = said(unoptimised=np.zeros(12), own=[0.1, -0.1] * 6)
    assert first.startswith("It is not shown that steering for a person changes that person's liking: +0.00 [-")
    assert "and the interval includes 0; 6 of 12 people gained" in first


def test_a_loss_is_told_as_one():
    (first, *_) = said(unoptimised=np.full(12, 0.5), own=np.linspace(0.2, 0.4, 12))
    assert first.startswith("Steering for a person lowered that person's liking: -0.20 [-")
    assert "0 of 12 people gained" in first


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (0.2, "People liked the pictures made for them more than the pictures made for the others, by +0.30"),
        (0.9, "People liked the pictures made for them less than the pictures made for the others: -0.40"),
        (None, "It is not shown that people like the pictures made for them more"),
    ],
)
def test_own_against_others_pictures(other, told):
    others = np.array([0.4, 0.6] * 6) if other is None else np.full(12, other)
    second = said(unoptimised=np.zeros(12), own=np.full(12, 0.5), other=others)[1]
    assert second.startswith(told)


def test_one_person_decides_nothing_and_few_people_are_called_few():
    alone = said(unoptimised=[0.2], own=[0.8], other=[math.nan])
    assert alone[0] == "One person's liking changed by +0.60 over the prompt as typed; one person gives no interval."
    found = Numbers(unoptimised=[0.2], own=[0.8])
    assert compared(found, found.table(), "own", "unoptimised", "the person").verdict == "is not decided"
    assert said(unoptimised=np.zeros(4), own=np.full(4, 0.3))[-1] == "4 people are few: take this as a first look."


def test_a_judge_that_steered_is_named():
    found = Numbers({"PAMELA": {"kind": "reward", "model": "miniature"}}, unoptimised=np.zeros(12), own=np.ones(12))
    assert "Judged by PAMELA; this judge also steered own, and flatters it." in verdict(found, found.table())


def test_verdicts_of_a_comparison():
    told = [Compared("a", "b", "j", (mean, mean - 0.1, mean + 0.1), 1, 5, 0.5).verdict for mean in (0.3, 0.05, -0.3)]
    assert told == ["holds", "is not decided", "is reversed"]


def test_without_own_pictures_there_is_no_verdict():
    assert said(unoptimised=[0.1], other=[0.2]) == []
