"""Blind choices over a study's pictures: kept, counted, and nothing on the page tells where a picture is from."""

from __future__ import annotations

from collections import Counter

import pytest

from steer.errors import UsageError
from steer.study.folder import StudyFolder
from steer.study.plan import parse_study
from steer.study.running import StudyRun, draw_users
from steer.study.votes import Ballot, VoteBook, count_votes, study_key
from steer.users.store import UserStore
from tests.steer.study.test_study import PLAN
from tests.steer.web.axe import faults
from tests.steer.web.browser import PHONE, open_tab, sideways

CONDITIONS = {n: PLAN["conditions"][n] for n in ("unoptimised", "other", "own")}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    values = {**PLAN, "users": ["u3", "u5"], "seeds": [0, 1], "conditions": CONDITIONS}
    folder = StudyFolder.begin(tmp_path_factory.mktemp("votes") / "s", draw_users(parse_study(values, "s")))
    StudyRun(folder).run()
    return folder


@pytest.fixture
def store(tmp_path):
    return UserStore(tmp_path / "users.db")


def test_everything_is_asked_once_and_sides_are_random(study, store):
    ballot, asked, left = Ballot(study, store, "u3"), [], Counter()
    while (pair := ballot.next_pair()) is not None:
        assert ballot.next_pair() is pair  # until it is answered
        asked.append(
            (ballot._shown.cell.prompt, ballot._shown.cell.seed, frozenset((ballot._shown.left, ballot._shown.right)))
        )
        left[ballot._shown.left] += 1
        ballot.choose(*pair)
    assert len(asked) == len(set(asked))
    assert 9 <= len(asked) <= 12  # 2 prompts, 2 seeds, 3 pairs, but for those whose pictures are the same
    assert len(left) > 1
    again = Ballot(study, store, "u3")
    assert again.next_pair() is None
    assert again.given == len(asked)


def test_a_choice_is_of_the_picture_and_can_be_taken_back(study, store):
    ballot = Ballot(study, store, "u3")
    left, right = ballot.next_pair()
    pair = ballot._shown
    ballot.choose(right, left)
    (vote,) = VoteBook(store, study_key(study)).all()
    assert (vote.better, vote.worse, vote.first) == (pair.right, pair.left, pair.left)
    shown = ballot.next_pair()
    ballot.undo()
    assert VoteBook(store, study_key(study)).all() == []
    assert [q.path for q in ballot.next_pair()] == [left.path, right.path]
    ballot.choose(left, right)
    assert [q.path for q in ballot.next_pair()] == [q.path for q in shown]


def test_who_always_prefers_their_own_is_seen_to(study, store):
    for user in ("u3", "u5"):
        ballot = Ballot(study, store, user)
        while (pair := ballot.next_pair()) is not None:
            names = ballot._shown.left, ballot._shown.right
            own = names.index("own") if "own" in names else 0
            ballot.choose(pair[own], pair[1 - own])
    found = count_votes(study, store)
    assert found["people"] == 2
    assert found["pairs"]["other over own"]["share"] == 0
    assert found["pairs"]["other over own"]["interval"][1] < 0.5
    assert found["elo"]["own"][0] > 1200 > found["elo"]["other"][0]
    assert found["needed"]["0.54"] == 1225
    other = StudyFolder(study.path, study.config.model_copy(update={"budget": 99}))
    assert count_votes(other, store)["votes"] == 0  # of another plan


def test_votes_go_with_their_person(study, store):
    store.add("me")
    book = VoteBook(store, "s")
    from steer.users.votes import Vote

    book.add(Vote("me", 0, 0, "own", "other", "own"))
    assert store.delete("me")["votes"] == 1
    assert book.all() == []


def test_a_stranger_is_refused_with_the_users_of_the_study(study, store):
    with pytest.raises(UsageError, match=f"did not steer for 'u9', only for {', '.join(study.config.everyone)}"):
        Ballot(study, store, "u9")


@pytest.mark.browser
def test_the_page_in_a_browser_is_blind(study, store):
    pytest.importorskip("gradio")
    from steer.web.voting import VotingPage

    served = VotingPage(Ballot(study, store, "u5")).start()
    try:
        with open_tab() as page:
            requests = []
            page.on("request", lambda r: requests.append(r.url))
            page.goto(served.url)
            page.wait_for_function("document.querySelectorAll('#pair img').length == 2")
            pictures = [i.get_attribute("src") for i in page.query_selector_all("#pair img")]
            seen = " ".join([page.inner_text("body"), *pictures])
            assert "a fox" in seen or "a castle" in seen
            assert not any(word in seen for word in ("own", "other", "unoptimised", "reward", "u3"))
            for n, key in enumerate(("ArrowLeft", "ArrowRight"), start=1):
                page.keyboard.press(key)
                page.wait_for_function(f"document.querySelector('#progress').innerText.includes('{n} answer')")
            page.click("#key-ArrowRight")  # the picture itself is the button
            page.wait_for_function("document.querySelector('#progress').innerText.includes('3 answers')")
            assert not any("/own/" in url or "runs" in url for url in requests)
            assert faults(page) == []
        with open_tab(**PHONE) as phone:
            phone.goto(served.url)
            phone.wait_for_function("document.querySelectorAll('#pair img').length == 2")
            left, right = (i.bounding_box() for i in phone.query_selector_all("#pair img"))
            assert left["y"] == right["y"]  # side by side
            assert left["x"] + left["width"] < right["x"]
            assert sideways(phone) == 0
    finally:
        served.close()
    assert len(VoteBook(store, study_key(study)).all()) == 3
