"""Texts ranked before a picture is paid for."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from reward_models import Person, Scores
from steer import Steerer
from steer.config import load_config
from steer.errors import UsageError
from steer.search.belief import Prior
from steer.search.screen import Screen
from steer.search.texts import TextSpace
from steer.testing import FakeProposer, FakeRenderer, FakeReward
from steer.types import Candidate, History, Rewrite, State

TEXTS = ["red dawn", "red dawn glow", "blue night", "green noon"]
WORTH = {"red dawn": 0.8, "red dawn glow": 0.79, "blue night": 0.7, "green noon": 0.3, "a fox": 0.5}
PLACE = {"red dawn": 0.0, "red dawn glow": 0.05, "blue night": 1.5, "green noon": 3.0, "a fox": 4.5}


def imagine(texts):
    return np.array([WORTH[t] for t in texts]), np.full(len(texts), 0.1)


def embed(texts):
    return np.array([[np.cos(PLACE.get(t, 9.0)), np.sin(PLACE.get(t, 9.0))] for t in texts])


def chosen(history, n, texts=TEXTS):
    screen = Screen(Prior("a fox", TextSpace(embed), imagine))
    return [r.text for r in screen.choose([Rewrite(t) for t in texts], history, n)]


def seen(**rewards):
    rows = [(t.replace("_", " "), y, s) for t, y in rewards.items() for s in (1, 2)]
    return History([Candidate(i, 1, Rewrite(t), s, State.SCORED, objective=y) for i, (t, y, s) in enumerate(rows)])


def test_before_the_first_picture_imagination_decides():
    assert chosen(History(), 2) == ["red dawn", "red dawn glow"]
    assert chosen(History(), 9) == TEXTS


def test_what_was_seen_corrects_the_texts_like_it():
    assert chosen(seen(a_fox=0.5, red_dawn=0.2), 1, TEXTS[1:]) == [
        "blue night"
    ]  # "red dawn glow" falls with "red dawn"


def test_a_level_that_all_texts_share_changes_no_order():
    assert chosen(seen(a_fox=0.4), 2) == chosen(seen(a_fox=0.6), 2) == ["red dawn", "red dawn glow"]


class Numbered:
    """The reading of texts by the number at their end."""

    def __init__(self, texts):
        self.numbers = [int(t.rsplit(" ", 1)[1]) if t[-1].isdigit() else 100 + len(t) for t in texts]

    def __len__(self):
        return len(self.numbers)


class Imagining(FakeReward):
    """Imagines that later variations are better."""

    def __init__(self):
        super().__init__()
        self.imagination = SimpleNamespace(read=Numbered)

    def judge(self, reading, person):
        if not isinstance(reading, Numbered):
            return super().judge(reading, person)
        n, nothing = len(reading), np.full(len(reading), np.nan)
        return Scores(np.array(reading.numbers) / 1000, nothing, nothing, np.full(n, 0.01))

    def text_features(self, texts):
        return np.eye(200)[Numbered(texts).numbers]


ONE_SEED = [
    "search.screen=5",
    "search.rewrites=3",
    "search.draft_seeds=1",
    "search.seeds=1",
    "search.original_seeds=1",
    "search.min_likeness=0",
]


def test_a_search_asks_for_many_and_renders_the_promising(tmp_path):
    proposer, renderer = FakeProposer(), FakeRenderer()
    config = load_config("miniature", ONE_SEED)
    steerer = Steerer(config, proposer=proposer, renderer=renderer, reward=Imagining())
    result = steerer.run("a fox", "u1", budget=4, out=tmp_path / "run")
    assert proposer.asked == [15]
    numbers = [int(c.rewrite.text.rsplit(" ", 1)[1]) for c in result.candidates[1:]]
    assert sorted(numbers) == [13, 14, 15]  # of 1 ... 15
    asked = len(proposer.asked)
    assert [c.rewrite for c in steerer.resume(tmp_path / "run").candidates] == [c.rewrite for c in result.candidates]
    assert len(proposer.asked) == asked


def test_a_proposer_that_pays_for_its_texts_is_asked_for_no_more_than_it_says():
    proposer = FakeProposer()
    proposer.most = 7
    config = load_config("miniature", ONE_SEED)
    search = Steerer(config, proposer=proposer, renderer=FakeRenderer(), reward=Imagining()).search("a fox", "u1", 4)
    search.tell(search.ask())
    assert len(search.ask()) == 3
    assert proposer.asked == [7]


class Blind(FakeReward):
    def __init__(self):
        super().__init__()
        self.imagination = None


def test_a_reward_that_cannot_imagine_is_one_line():
    steerer = Steerer(load_config("miniature"), proposer=FakeProposer(), renderer=FakeRenderer(), reward=Blind())
    with pytest.raises(UsageError, match=r"cannot rank texts before they are rendered; set search\.screen=1"):
        steerer.search("a fox", "u1")


def test_the_first_rewrites_of_the_miniature_are_already_the_persons(miniature):
    """Half of what the screen lets through beats all but the best tenth of what it was shown."""
    steerer = Steerer(
        load_config("miniature", ["search.screen=24"]), renderer=FakeRenderer(), reward=miniature.parts.reward
    )
    search = steerer.search("a fox", "u17", 48)
    candidates = search.ask()
    search.tell(
        steerer.score(
            candidates,
            FakeRenderer().render([c.rewrite.text for c in candidates], [1] * len(candidates)),
            search.request,
        )
    )
    proposed = steerer.parts.proposer.propose(search.request, search.history, 144)

    def liking(texts):
        reward = miniature.parts.reward
        return reward.judge(reward.imagination.read(texts), Person("u17")).personal

    worth = liking([r.text for r in proposed])
    passed = liking([c.rewrite.text for c in search.ask()])
    assert np.median(passed) > np.quantile(worth, 0.9)
