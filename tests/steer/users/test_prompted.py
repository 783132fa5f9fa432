"""Users of the store and the reward that needs no training: their card, their ratings, and what is left of them."""

from __future__ import annotations

import numpy as np
import pytest

from reward_models import RewardError
from reward_models.encoders.vlm import load_vlm
from reward_models.prompted.family import Settings, make
from reward_models.prompted.local import LocalDecider
from reward_models.prompted.reward import PromptedReward
from steer import Steerer
from steer.config import load_config
from steer.errors import SteerError
from steer.judging.prompted import background
from steer.testing import FakeRenderer
from steer.types import State, StopReason
from steer.users.enrolment import enrol, gather, keep_pictures
from steer.users.pictures import shipped_pictures
from steer.users.roster import Roster
from tests.reward_models.prompted.decision_server import DecisionServer
from tests.reward_models.tiny_vlms import save_qwen

WORDS = "heavy canary-yellow light"


@pytest.fixture(scope="module")
def vlm(tmp_path_factory):
    return load_vlm(save_qwen(tmp_path_factory.mktemp("qwen")))


@pytest.fixture
def reward(vlm):
    return PromptedReward(LocalDecider(vlm, 64), size=64, background=background)


def _rate(store, reward, user, n=6):
    questions = shipped_pictures()[:n]
    keep = {q.hash: q.image for q in questions}
    for i, q in enumerate(questions):
        store.rate(user, q.hash, 1 + i % 5, q.prompt)
    keep_pictures(store, reward.teacher, keep)


def test_a_stored_card_changes_the_score_and_ratings_correct_it(store, reward):
    store.add("silent")
    store.add("me", profile=WORDS)
    roster = Roster(store, reward)
    pictures = [q.image for q in shipped_pictures()[10:14]]
    reading = reward.read(pictures, [""] * 4)
    silent, told = (reward.judge(reading, roster.person(u)).personal for u in ("silent", "me"))
    assert np.abs(silent - told).max() > 1e-5
    np.testing.assert_array_equal(silent, reward.judge(reading, roster.person("average")).personal)
    _rate(store, reward, "me")
    found = roster.learn("me")
    assert found.used == 6
    assert 0 < found.uncertainty < 1
    assert np.abs(reward.judge(reading, roster.person("me")).personal - told).max() > 1e-3


def test_a_kept_lesson_is_the_same_in_another_process(store, reward, vlm):
    store.add("me", profile=WORDS)
    _rate(store, reward, "me")
    enrol(store, reward, "me")
    other = PromptedReward(LocalDecider(vlm, 64), size=64, background=background)
    enrol(store, other, "me")
    picture = [shipped_pictures()[20].image]
    np.testing.assert_array_equal(*(r.score(picture, [""], "me").personal for r in (reward, other)))


def test_the_shipped_pictures_are_shown_again_with_the_card(store, reward):
    store.add("me", profile=WORDS)
    _rate(store, reward, "me")
    evidence, _ = gather(store, reward.teacher, store.told("me"))
    assert len(evidence.thumbnails) == 6


def test_of_a_deleted_person_no_card_is_left(store, reward, tmp_path):
    store.add("me", profile=WORDS)
    _rate(store, reward, "me")
    enrol(store, reward, "me")
    assert any(b"canary" in path.read_bytes() for path in tmp_path.iterdir())
    store.delete("me")
    assert not any(b"canary" in path.read_bytes() for path in tmp_path.iterdir())
    assert store.lesson("me", reward.fingerprint()) is None


@pytest.fixture
def server():
    found = DecisionServer()
    yield found
    found.close()


def _steerer(store, server, **told):
    settings = {"base_url": server.url, "size": 64, "timeout_s": 2, "retries": 0, "parallel": 1, **told}
    reward = make(Settings("judge", "decisions", **settings))
    config = load_config("miniature", ["search.screen=1", "search.min_likeness=0"])
    return Steerer(config, store=store, renderer=FakeRenderer(), reward=reward)


def test_a_run_goes_on_without_the_pictures_that_were_refused(store, server, tmp_path):
    store.add("me", profile=WORDS)
    refusal = {"answers": [{"type": "refusal", "name": f"q{i}"} for i in range(3)], "model": "m", "usage": {}}
    server.queue[:] = [(200, refusal), (500, {})]
    result = _steerer(store, server).run("a fox", "me", budget=8, out=tmp_path / "run")
    failed = [c for c in result.candidates if c.state is State.FAILED]
    assert [c.reason for c in failed] == [
        "no score: the model refused to answer",
        "no score: the server does not answer: HTTP 500",
    ]
    assert result.best is not None
    assert result.stop is StopReason.BUDGET


def test_a_server_that_is_gone_ends_the_run_and_resume_scores_what_was_drawn(store, server, tmp_path):
    """Nothing is drawn twice."""
    store.add("me", profile=WORDS)
    steerer = _steerer(store, server)
    server.queue[:] = [(401, {"error": {"message": "no"}})]
    with pytest.raises(SteerError, match=r"refused the key in OPENAI_API_KEY .* 'steer resume"):
        steerer.run("a fox", "me", budget=6, out=tmp_path / "run")
    drawn = len(list((tmp_path / "run" / "pictures").iterdir()))
    assert drawn >= 1
    again = _steerer(store, server)
    result = again.resume(tmp_path / "run")
    assert result.best is not None
    assert len(list((tmp_path / "run" / "pictures").iterdir())) == len(result.candidates)
    assert len(again.parts.renderer.rendered) == len(result.candidates) - drawn


def test_a_missing_model_is_one_line():
    with pytest.raises(RewardError, match="cannot load the model 'nowhere/at-all'"):
        make(Settings("nowhere/at-all"))
