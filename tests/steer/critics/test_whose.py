"""Critics told about the person, about someone else, about nobody, and random true words of a simulated person."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from reward_models import Person
from steer import Steerer
from steer.config import RewardCriticConfig, load_config
from steer.critics.base import Critic, View
from steer.critics.reward import RewardCritic
from steer.critics.simulated import true_words, values_of
from steer.errors import UsageError
from steer.miniature.painter import paint
from steer.miniature.raters import simulated_people
from steer.miniature.words import phrases
from steer.miniature.world import ATTRIBUTES, Scene
from steer.parts import Parts
from steer.run.critic import view_of
from steer.testing import FakeReward
from steer.users.roster import Roster

PLAIN = Image.new("RGB", (64, 64), (200, 90, 20))
LH = ["critic.model=miniature/linear-hidden"]
QUICK = ["renderer=painter", "proposer=scripted", "search.budget=5", "search.patience=99", "search.screen=1"]


@pytest.fixture(scope="module")
def parts():
    return Parts(load_config("miniature", QUICK))


@pytest.fixture(scope="module")
def picture():
    return paint(Scene("fox", "city", "night", "neon", "wide", "left", seed=3))


def said(parts, settings, user, picture):
    made = parts.with_config(load_config("miniature", [*QUICK, *settings]))
    view = view_of(made.critic, made.roster, made.roster.people(user), picture, "a fox")
    return made.critic.comment(view).text


def test_another_rewards_critic_speaks_for_the_person_another_or_nobody(parts, picture):
    own, another = (said(parts, LH, user, picture) for user in ("u3", "u33"))
    assert own
    assert own != another
    assert said(parts, [*LH, "critic.about=u33"], "u3", picture) == another
    everybody = ("u3", "u33", "u3,u33", "average")
    general = {said(parts, [*LH, "critic.personal=false"], user, picture) for user in everybody}
    assert len(general) == 1
    assert general.pop() not in ("", own, another)


def test_who_the_critic_was_told_about_is_in_the_journal(parts, tmp_path):
    made = Steerer(load_config("miniature", [*QUICK, *LH, "critic.about=u33"]), reward=parts.reward)
    result = made.run("a fox", "u3", out=tmp_path / "run")
    assert {c.about for c in result.comments.values()} == {"u33"}
    journal = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert {line["about"] for line in journal if line["kind"] == "critic"} == {"u33"}
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["config"]["critic"]["about"] == "u33"
    assert manifest["usage"]["critic"]["calls"] == len({c.picture for c in result.comments.values()})


def test_card_and_pictures_are_of_the_one_it_is_about(store):
    class Asking(Critic):
        name, personal, examples = "asking", True, 3

    store.add("me", profile="no neon")
    store.add("you", profile="warm light")
    roster = Roster(store, FakeReward())
    critic = Asking()
    assert "no neon" in view_of(critic, roster, roster.people("me"), PLAIN, "a fox").card
    critic.about = "you"
    view = view_of(critic, roster, roster.people("me"), PLAIN, "a fox")
    assert "warm light" in view.card
    assert "neon" not in view.card
    assert view.person.id == "you"


def test_random_true_words_are_true_and_drawn_per_picture(parts, picture):
    person = simulated_people()["u3"]
    worth = values_of(person)
    sign = {"more": 1, "less": -1}
    for words in true_words("u3", 1):
        way, _, phrase = words.partition(" ")
        assert any(
            sign[way] * worth[a][i] > 0 and phrase in phrases_of(a, v)
            for a, values in ATTRIBUTES.items()
            for i, v in enumerate(values)
        )
    first = said(parts, ["critic=simulated"], "u3", picture)
    assert len(first.split(", ")) == 3
    assert set(first.split(", ")) <= set(true_words("u3", 1))
    assert first == said(parts, ["critic=simulated"], "u3", picture)
    assert first != said(parts, ["critic=simulated"], "u3", picture.rotate(90))
    assert first != said(parts, ["critic=simulated", "critic.seed=1"], "u3", picture)
    about = said(parts, ["critic=simulated", "critic.about=u33"], "u3", picture)
    assert set(about.split(", ")) <= set(true_words("u33", 1))


def phrases_of(attribute, value):
    return [p.removesuffix(" of") for p in phrases(attribute, value)]


@pytest.mark.parametrize(
    ("given", "user", "why"),
    [
        (["critic=simulated"], "average", "knows simulated people alone"),
        ([*LH, "critic.about=u9999"], "u3", "u9999"),
        (["critic.model=miniature"], "u3", "has no critic"),
        (["critic.personal=false"], "u3", "critic.personal=false: the reward .* has no critic"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_drawn(parts, tmp_path, given, user, why):
    steerer = Steerer(load_config("miniature", [*QUICK, *given]), reward=parts.reward)
    with pytest.raises(UsageError, match=why):
        steerer.run("a fox", user, out=tmp_path / "run")
    assert not list(tmp_path.rglob("*.png"))


def test_a_reward_that_was_never_taught_a_person_does_not_speak_for_them(picture):
    critic = RewardCritic(FakeReward(), RewardCriticConfig(model="x"), apart=True)
    critic.check(Person("u17"))
    with pytest.raises(UsageError, match=r"does not know 'me'.*leave critic\.model out"):
        critic.check(Person("me"))
    assert RewardCritic(FakeReward()).comment(View(picture, "a fox", Person())).text == ""
