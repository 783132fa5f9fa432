"""A CALM model as critic: what it is asked, and what comes of its answers. A tiny one that has learned nothing is told
what to write, or writes what it can.
"""

from __future__ import annotations

import json

import pytest
from PIL import Image

from reward_models.calm.reward import CalmReward
from reward_models.calm.turns import COMMENT, PERSONAL_SUGGEST, SUGGEST, suggestion
from steer import Steerer
from steer.config import load_config
from steer.critics.base import CriticFailed, Rated, View
from steer.critics.load import build_critic
from steer.errors import UsageError
from steer.testing import FakeReward
from tests.reward_models.calm.tiny import tiny_reward
from tests.steer.command import steer_here

PICTURE = Image.new("RGB", (90, 60), (200, 30, 30))
RATED = tuple(Rated(Image.new("RGB", (64, 64), (40 * i, 90, 20)), s) for i, s in enumerate((5, 4, 4, 1, 2)))
GENERAL = {"keep": ["calm mood"], "more": ["fog", "warm evening light"], "less": ["neon light", "noise"]}
SAID = "keep calm mood, more fog, more warm evening light, less neon light"


class Told(CalmReward):
    """Writes what it is told; ``asked``: the turns."""

    answers = {SUGGEST: suggestion(GENERAL), PERSONAL_SUGGEST: "More neon light.", COMMENT: "It is calm."}  # noqa: RUF012

    def write(self, turn, most_tokens=120):
        self.asked = [*getattr(self, "asked", []), turn]
        return self.answers[turn.asked[-1]]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return tiny_reward(tmp_path_factory.mktemp("told"), Told)


def critic(reward, *more):
    return build_critic(load_config("miniature", ["critic=calm", *more]), reward)


def test_it_says_what_a_prompt_can_change_and_thinks_in_words(told):
    own = critic(told)
    comment = own.comment(View(PICTURE, "a fox"))
    assert comment.text == SAID
    assert comment.filtered == {"technical": 1}
    assert own.words(View(PICTURE, "a fox")) == "It is calm."
    assert own.meter.spent()["calls"] == 2
    assert told.asked[-2].asked[0] is PICTURE


def test_of_a_person_it_is_shown_five_rated_pictures_or_none(told):
    own, general = critic(told), critic(told, "critic.personal=false")
    assert own.comment(View(PICTURE, "a fox", rated=RATED)).text == "more neon light"
    assert told.asked[-1].pictures == [*(r.image for r in RATED), PICTURE]
    assert [text[-4:-1] for text in told.asked[-1].asked[1:10:2]] == ["5.0", "4.0", "4.0", "1.0", "2.0"]
    assert own.comment(View(PICTURE, "a fox", rated=RATED[:4])).text == SAID
    assert general.comment(View(PICTURE, "a fox", rated=RATED)).text == SAID
    assert (own.examples, general.examples) == (3, 0)
    assert own.fingerprint() != general.fingerprint()


def test_its_calls_are_bounded_by_run(told):
    own = critic(told, "critic.max_calls=1")
    own.comment(View(PICTURE, "a fox"))
    with pytest.raises(CriticFailed, match=r"critic\.max_calls are spent"):
        own.comment(View(PICTURE, "a fox"))
    assert own.fork().comment(View(PICTURE, "a fox")).text == SAID


def test_a_run_with_it_hears_it(told, tmp_path):
    given = ["critic=calm", "renderer=painter", "search.budget=5", "search.screen=1", "objective.fidelity_weight=0"]
    result = Steerer(load_config("miniature", given), reward=told).run("a fox", "average", out=tmp_path / "run")
    assert SAID in [comment.text for comment in result.comments.values()]
    assert not result.warnings


def test_another_reward_is_no_critic():
    with pytest.raises(UsageError, match="speaks by a CALM model"):
        critic(FakeReward())
    named = load_config("miniature", ["critic=calm", "critic.model=miniature/linear-hidden"])
    with pytest.raises(UsageError, match="speaks by a CALM model"):
        _ = Steerer(named, reward=FakeReward()).parts.critic


def test_one_that_has_learned_nothing_ends_critique_in_one_line(tmp_path):
    tiny_reward(tmp_path).save(tmp_path / "calm", {})
    PICTURE.save(tmp_path / "red.png")
    named = [flag for each in ("critic=calm", f"critic.model={tmp_path / 'calm'}") for flag in ("--set", each)]
    done = steer_here("critique", tmp_path / "red.png", "-u", "average", *named)
    assert done.returncode == 1
    assert "there is no comment: the critic names nothing to keep, more or less" in done.stderr


def test_critique_prints_score_comment_and_suggestion(told, tmp_path, monkeypatch):
    PICTURE.save(tmp_path / "red.png")
    monkeypatch.setattr("steer.parts.load_reward", lambda *_: told)
    named = [flag for each in ("critic=calm", "critic.model=calm") for flag in ("--set", each)]
    given = ("critique", tmp_path / "red.png", "-u", "average", *named)
    said = json.loads(steer_here(*given, "--json").stdout)
    assert (said["words"], said["suggestion"]) == ("It is calm.", "more fog, more warm evening light, less neon light")
    assert 0 <= said["score"] <= 1
    assert "It is calm." in steer_here(*given).stdout
