"""Teaching Linear-Hidden by the same interview, store and commands as PAMELA."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from reward_models import Person
from steer import Steerer
from steer.config import load_config
from steer.lexicon import Lexicon
from steer.users.beliefs import beliefs
from steer.users.interview import Interview
from steer.users.pictures import pictures_in
from steer.users.rating import rate_candidate
from steer.users.store import UserStore
from tests.steer.command import steer_here

ASKED = ["reward=miniature/linear-hidden", "renderer=painter"]


@pytest.fixture(scope="module")
def config():
    return load_config("miniature", ASKED)


@pytest.fixture
def steerer(config, store):
    return Steerer(config, store=store)


def test_an_interview_teaches_it(steerer, store, questions, ratings_of):
    truth = ratings_of("u190")
    store.add("new")
    interview = Interview(store, steerer.parts.reward, "new", questions)
    assert interview.progress().known == 0
    known = []
    for _ in range(20):
        question = interview.next()
        interview.rate(question, truth[question.hash])
        known.append(interview.progress().known)
    assert known[-1] > known[4] > 0
    interview.choose(*interview.next_pair())
    assert interview.enrolled.used == 21
    left = [q for q in questions if q.hash not in {r.picture for r in store.ratings("new")}]
    scores = steerer.parts.reward.score([q.image for q in left], [q.prompt for q in left], Person("new"))
    said = [truth[q.hash] for q in left]
    assert spearmanr(scores.personal, said).statistic > spearmanr(scores.population, said).statistic + 0.05
    again = Steerer(steerer.config, store=store)  # another process: from the store alone
    assert again.parts.roster.learn("new").uncertainty == pytest.approx(interview.enrolled.uncertainty)
    assert again.parts.reward.score([left[0].image], ["a"], Person("new")).personal == pytest.approx(
        scores.personal[:1]
    )
    assert again.parts.reward.fingerprint() == steerer.parts.reward.fingerprint()


def test_what_one_reward_was_taught_another_knows(steerer, miniature, store, questions, ratings_of, tmp_path, caplog):
    """Pictures that ship are read again by themselves; others where they are shown again."""
    truth = ratings_of("u190")
    store.add("new")
    taught = Interview(store, miniature.parts.reward, "new", questions)
    for q in questions[:12]:
        taught.rate(q, truth[q.hash])
    questions[40].image.resize((96, 96)).save(tmp_path / "own.png")
    own = pictures_in(tmp_path)
    Interview(store, miniature.parts.reward, "new", own).rate(own[0], 4)
    first = steerer.parts.roster.learn("new")
    assert (first.used, first.lost) == (12, 1)
    assert "1 of 13 ratings of 'new' cannot be used" in caplog.text
    assert (
        Interview(store, steerer.parts.reward, "new", own).enrolled.used,
        steerer.parts.roster.learn("new").lost,
    ) == (13, 0)


def test_what_it_believes(steerer, store, questions, ratings_of):
    truth = ratings_of("u190")
    store.add("new")
    for q in questions[:30]:
        rate_candidate(store, steerer.parts.reward, "new", q.image, q.prompt, truth[q.hash], "test")
    enrolled = steerer.parts.roster.learn("new")
    found = beliefs(steerer.parts.reward, "new", Lexicon.load("miniature"), store, enrolled)
    assert 0.05 < found.known < 0.95
    assert len(found.similar) == 5
    assert all(-1 <= v <= 1 for _, v in found.similar)
    kinds = {x.kind for x in found.leanings}
    assert "light" in kinds
    assert all(x.low < x.mean < x.high for x in found.leanings)
    tastes = steerer.parts.reward.words.tastes("new")
    assert len(tastes) == len(steerer.parts.reward.named[0])
    assert all(s > 0 for _, s in tastes.values())


def test_choices_alone_and_nothing_at_all(steerer, store, questions):
    store.add("new")
    assert steerer.parts.roster.learn("new").uncertainty == 1
    a, b = questions[0], questions[1]
    images = [a.image, b.image]
    before = steerer.parts.reward.score(images, ["", ""], Person("new"))
    assert before.personal == pytest.approx(before.population, abs=1e-6)
    assert (before.uncertainty > 0.02).all()
    interview = Interview(store, steerer.parts.reward, "new", [a, b])
    interview.choose(b, a)
    after = steerer.parts.reward.score(images, ["", ""], Person("new"))
    assert np.subtract(*after.personal) < np.subtract(*before.personal)


def test_the_commands(tmp_path, questions, ratings_of, store):
    truth = ratings_of("u190")
    (tmp_path / "r.csv").write_text("picture,score\n" + "".join(f"{q.path},{truth[q.hash]}\n" for q in questions[:25]))
    told = ["--store", str(tmp_path / "users.db"), "--set", "reward=miniature/linear-hidden"]
    assert steer_here("user", "add", "me", "--ratings", str(tmp_path / "r.csv"), *told).returncode == 0
    shown = steer_here("user", "show", "me", "--json", *told)
    assert 0 < json.loads(shown.stdout)["known"] < 1
    refused = steer_here("user", "add", "you", "--about", "age_binned=30-39", *told)
    assert refused.returncode == 2
    assert "it learns from ratings only" in refused.stderr
    taken = steer_here("user", "add", "u17", *told)
    assert (taken.returncode, "choose another id" in taken.stderr) == (2, True)
    assert len(UserStore(tmp_path / "users.db").ratings("me")) == 25
