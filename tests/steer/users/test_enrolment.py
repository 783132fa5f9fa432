"""From answers to a vector; what other rewards, lost pictures and words do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from reward_models import Person
from steer import Steerer
from steer.errors import UsageError
from steer.testing import FakeReward
from steer.users.enrolment import enrol, gather
from steer.users.interview import Interview


def agreement(steerer, user, questions, truth):
    scores = steerer.parts.reward.score([q.image for q in questions], [q.prompt for q in questions], Person(user))
    return spearmanr(scores.personal, [truth[q.hash] for q in questions]).statistic


@pytest.fixture
def taught(miniature, store, questions, ratings_of):
    """A new person who rated every other picture."""
    store.add("new")
    truth = ratings_of("u190")
    interview = Interview(store, miniature.parts.reward, "new", questions[::2])
    for q in interview.pictures:
        store.rate("new", q.hash, truth[q.hash], q.prompt)
        interview._keep(q)
    return Steerer("miniature", store=store, reward=miniature.parts.reward), truth


def test_ratings_teach(taught, questions):
    steerer, truth = taught
    found = steerer.parts.roster.learn("new")
    assert (found.used, found.lost) == (30, 0)
    assert found.uncertainty < 0.6
    assert agreement(steerer, "new", questions[1::2], truth) > agreement(steerer, None, questions[1::2], truth) + 0.15


def test_what_was_found_is_kept_until_something_changes(taught, monkeypatch):
    steerer, _ = taught
    first = steerer.parts.roster.learn("new")
    ensemble = steerer.parts.reward.ensemble
    before = [p.vector.clone() for p in ensemble.person("new")]
    with monkeypatch.context() as m:
        m.setattr(type(steerer.parts.reward.teacher), "learn", None)
        kept = steerer.parts.roster.learn("new")
    assert kept.basis == first.basis
    assert all(torch.equal(a.vector, b) for a, b in zip(ensemble.person("new"), before, strict=True))
    steerer.parts.store.rate("new", "another picture", 3)
    changed = steerer.parts.roster.learn("new")
    assert changed.basis != first.basis
    assert (changed.used, changed.lost) == (30, 1)


def test_lost_pictures_are_said(taught, caplog):
    steerer, _ = taught
    steerer.parts.store.rate("new", "never seen", 3)
    steerer.parts.roster.learn("new")
    assert "1 of 31 ratings of 'new' cannot be used" in caplog.text


def test_choices_alone_teach(miniature, store, questions, ratings_of):
    store.add("chooser")
    truth = ratings_of("u190")
    steerer = Steerer("miniature", store=store, reward=miniature.parts.reward)
    interview = Interview(store, miniature.parts.reward, "chooser", questions[::2])
    for a, b in zip(interview.pictures, interview.pictures[7:], strict=False):
        better, worse = (a, b) if truth[a.hash] > truth[b.hash] else (b, a)
        store.choose("chooser", better.hash, worse.hash, (better.prompt, worse.prompt))
        interview._keep(better, worse)
    found = steerer.parts.roster.learn("chooser")
    assert found.used == 23
    assert (
        agreement(steerer, "chooser", questions[1::2], truth) > agreement(steerer, None, questions[1::2], truth) + 0.1
    )


def test_words_move_what_they_name_and_leave_the_rest_open(miniature, store):
    store.add("words", profile="I love sepia, no daylight")
    store.add("silent")
    steerer = Steerer("miniature", store=store, reward=miniature.parts.reward)
    words, silent = steerer.parts.roster.learn("words"), steerer.parts.roster.learn("silent")
    assert silent.uncertainty == pytest.approx(1, abs=0.01)
    assert 0.8 < words.uncertainty < 0.99
    texts = ["a fox, sepia", "a fox in daylight"]
    reward = miniature.parts.reward
    told, untold = (reward.judge(reward.imagination.read(texts), Person(u)).personal for u in ("words", "silent"))
    assert told[0] > untold[0] + 0.03
    assert told[1] < untold[1] - 0.03


def test_demographics_count(miniature, store):
    store.add("a", {"nationality": "German"})
    store.add("b", {"nationality": "Nigerian"})
    for user in "ab":
        enrol(store, miniature.parts.reward, user)
    a, b = (miniature.parts.reward.ensemble.person(u)[0].vector for u in "ab")
    assert not torch.allclose(a, b)


class LearnsNobody(FakeReward):
    def __init__(self):
        super().__init__()
        self.teacher = None


def test_a_reward_that_learns_nobody(store):
    store.add("me")
    with pytest.raises(UsageError, match="knows only the people it was trained on"):
        enrol(store, LearnsNobody(), "me")


def test_the_rewards_fingerprint_is_of_what_was_trained(miniature, store):
    before = miniature.parts.reward.fingerprint()
    store.add("passing")
    enrol(store, miniature.parts.reward, "passing")
    assert miniature.parts.reward.fingerprint() == before
    assert "passing" not in miniature.parts.reward.teacher.trained


def test_a_run_for_a_person_of_the_store_and_its_resume_after_new_ratings(taught, tmp_path):
    steerer, _ = taught
    result = steerer.run("a fox", "new", budget=4, out=tmp_path / "run")
    assert result.best is not None
    assert steerer.resume(tmp_path / "run").winner.mean == result.winner.mean
    steerer.parts.store.rate("new", "another picture", 3)
    steerer.parts.roster.learn("new")
    with pytest.raises(UsageError, match=r"made with other settings \(parts\.people\.new"):
        steerer.resume(tmp_path / "run")


def test_all_that_a_person_told_reaches_the_teacher_as_one_value(store, questions):
    """Ratings, choices, demographics, the profile in words, and the pictures that ship; the prompts with them."""
    store.add("me", {"gender": "female"}, "warm light, no neon")
    a, b, c = questions[:3]
    store.rate("me", a.hash, 5, a.prompt)
    store.rate("me", "somebody's own picture", 2, "a cat")
    store.choose("me", b.hash, c.hash, (b.prompt, c.prompt))
    reward = FakeReward()
    store.keep_features("fake", {"somebody's own picture": np.zeros(3, np.float16).tobytes()})
    evidence, used = gather(store, reward.teacher, store.told("me"))
    assert used == 3
    assert [s.prompt for s in evidence.pictures] == [a.prompt, "a cat", b.prompt, c.prompt]
    assert evidence.likings[:2] == [1.0, 0.25]
    assert np.isnan(evidence.likings[2:]).all()
    assert list(evidence.choices) == [(2, 3)]
    assert evidence.demographics == {"gender": "female"}
    assert evidence.profile == "warm light, no neon"
    assert set(evidence.thumbnails) == {0, 2, 3}
    assert evidence.thumbnails[2].tobytes() == b.image.tobytes()
