"""The store: nothing lost, nothing left behind, faults in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reward_models import Lesson
from steer.errors import UsageError
from steer.users import schema
from steer.users.ids import check_id, unknown_user
from steer.users.records import picture_hash, store_path
from steer.users.store import UserStore
from steer.users.votes import Vote, VoteBook


@pytest.mark.parametrize(
    "bad",
    [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "a.b",
        "-a",
        "a b",
        "a\n",
        "a,b",
        "!a",
        "x" * 65,
        "x" * 1000,
        "\u0430dam",
        "me\u200b",
        "average",
    ],
)
def test_bad_ids_are_one_line(bad):
    with pytest.raises(UsageError) as caught:
        check_id(bad)
    line = str(caught.value)
    assert len(line) < 200
    assert line.isascii()
    assert line.isprintable()


def test_where_it_lies(tmp_path, monkeypatch):
    monkeypatch.setenv("STEER_USERS", str(tmp_path / "a.db"))
    assert store_path() == tmp_path / "a.db"
    assert store_path(tmp_path / "b.db") == tmp_path / "b.db"
    monkeypatch.delenv("STEER_USERS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert store_path().name == "users.db"


def test_a_person_comes_back_as_they_went_in(store):
    store.add("me", {"gender": "female"}, "warm light")
    first = store.rate("me", "h1", 4.3, "a fox", "somewhere")
    store.choose("me", "h1", "h2", ("a fox", "a cat"))
    again = UserStore(store.path)
    person = again.user("me")
    assert (person.demographics, person.profile, person.ratings, person.choices) == (
        {"gender": "female"},
        "warm light",
        1,
        1,
    )
    (rating,) = again.ratings("me")
    assert (rating.id, rating.picture, rating.prompt, rating.score) == (first, "h1", "a fox", 4.3)
    again.describe("me", profile="cold light")
    assert store.user("me").demographics == {"gender": "female"}
    assert store.user("me").profile == "cold light"


def test_rating_again_replaces_and_taking_back_removes(store):
    store.add("me")
    store.rate("me", "h1", 2)
    row = store.rate("me", "h1", 5)
    assert [r.score for r in store.ratings("me")] == [5]
    store.take_back("me", "rating", row)
    assert store.ratings("me") == []


@pytest.mark.parametrize("score", [0, 5.01, -1, float("nan"), float("inf")])
def test_scores_off_the_scale(store, score):
    store.add("me")
    with pytest.raises(UsageError, match="not on the scale from 1 to 5"):
        store.rate("me", "h1", score)
    assert store.ratings("me") == []


def test_taken_ids_and_unknown_ones(store):
    store.add("Me")
    with pytest.raises(UsageError, match="there is already a user 'Me'"):
        store.add("me")
    with pytest.raises(UsageError, match="Did you mean 'Me'"):
        store.user("Ne")
    assert store.get("me") is None  # ids are exact


def test_people_of_data_sets_are_read_only(store):
    store.add("p1", source="a data set")
    for change in (
        lambda: store.rate("p1", "h1", 3),
        lambda: store.choose("p1", "h1", "h2"),
        lambda: store.describe("p1", profile="x"),
    ):
        with pytest.raises(UsageError, match="imported from a data set and is read-only"):
            change()


def test_a_choice_is_between_two(store):
    store.add("me")
    with pytest.raises(UsageError, match="two different pictures"):
        store.choose("me", "h1", "h1")


def test_votes_of_somebody_who_is_not_in_the_store_are_deleted_too(store):
    """A person the reward was trained on can vote in a study."""
    VoteBook(store, "study").add(Vote("u99", 0, 0, "own", "original", "own"))
    assert store.delete("u99")["votes"] == 1
    assert VoteBook(store, "study").all() == []
    with pytest.raises(UsageError, match="user 'u99' not found"):
        store.delete("u99")


def test_a_new_name_takes_everything_along(store):
    store.add("me", {"gender": "female"}, "warm light")
    store.add("you")
    store.rate("me", "h1", 4)
    store.choose("me", "h1", "h2")
    store.keep_lesson(store.told("me"), "reward", Lesson(b"vector", 0.5))
    VoteBook(store, "study").add(Vote("me", 0, 0, "own", "original", "own"))
    before = store.told("me")
    renamed = store.rename("me", "anna")
    assert (renamed.demographics, renamed.profile) == ({"gender": "female"}, "warm light")
    after = store.told("anna")
    assert (after.ratings, after.choices) == (before.ratings, before.choices)
    assert store.lesson("anna", "reward").basis == after.digest()
    assert [v.user for v in VoteBook(store, "study").all()] == ["anna"]
    assert store.ids() == ["anna", "you"]
    with pytest.raises(UsageError, match="there is already a user 'you'"):
        store.rename("anna", "You")
    assert store.rename("anna", "Anna").ratings == 1  # only the case changes


def test_a_reset_keeps_who_somebody_is(store):
    store.add("me", {"gender": "female"}, "warm light")
    store.rate("me", "h1", 4)
    store.choose("me", "h1", "h2")
    store.keep_lesson(store.told("me"), "reward", Lesson(b"vector", 0.5))
    assert store.reset("me") == {"ratings": 1, "choices": 1, "vectors": 1, "thumbnails": 0, "pictures": 2}
    left = store.user("me")
    assert (left.demographics, left.profile, left.ratings, left.choices) == ({"gender": "female"}, "warm light", 0, 0)
    assert store.lesson("me", "reward") is None


@pytest.mark.parametrize("answer", ["rating", "choice"])
def test_a_begun_person_is_added_with_the_first_answer(store, answer):
    store.begin("me")
    assert store.told("me").ratings == []
    store.keep_lesson(store.told("me"), "reward", Lesson(b"vector", 1.0))
    assert store.ids() == []
    if answer == "rating":
        with pytest.raises(UsageError, match="not on the scale"):
            store.rate("me", "h1", 9)
        assert UserStore(store.path).ids() == []
        store.rate("me", "h1", 4)
    else:
        store.choose("me", "h1", "h2")
    assert UserStore(store.path).ids() == ["me"]
    store.delete("me")
    with pytest.raises(UsageError, match="not found"):
        store.rate("me", "h1", 4)


def test_a_taken_id_cannot_begin(store):
    store.add("Me")
    with pytest.raises(UsageError, match="there is already a user 'Me'"):
        store.begin("me")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("u71x", "user 'u71x' not found (203 known). Did you mean 'u71', "),
        ("ME", "user 'ME' not found (203 known). Did you mean 'me'?"),
        ("nobody", "Known: me, anna, bob, u1, u2, u3 and 197 more. Create it: steer user rate nobody"),
    ],
)
def test_an_unknown_user_is_told_with_a_way_on(wrong, said):
    known = ["me", "anna", "bob", *(f"u{i}" for i in range(1, 201))]
    assert said in str(unknown_user(wrong, known, create=True))


def test_what_is_no_id_is_not_offered_for_creation():
    assert "rate" not in str(unknown_user("a/b", ["me"], create=True))


def test_the_same_picture_in_any_file(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8))
    for name in ("a.png", "b.bmp"):
        image.save(tmp_path / name)
    with Image.open(tmp_path / "a.png") as a, Image.open(tmp_path / "b.bmp") as b:
        assert picture_hash(a) == picture_hash(b)
    assert picture_hash(image) != picture_hash(image.transpose(Image.Transpose.ROTATE_90))


def test_features_of_the_encoders_that_ship_are_found_under_their_new_fingerprints(tmp_path, monkeypatch):
    """Fingerprints changed once; what people rated before must not be lost to the rewards that ship."""
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:3])
    path = tmp_path / "users.db"
    old = UserStore(path)
    with old.writing() as db:
        db.execute("INSERT INTO users (id, created) VALUES ('me', '2026-11-01')")
        db.execute("INSERT INTO pictures VALUES (?, 'a fox', 'run')", ("0" * 64,))
        db.execute("INSERT INTO ratings (user, picture, score, at) VALUES ('me', ?, 4, '2026-11-01')", ("0" * 64,))
        rows = [("0" * 64, before, b"vector") for before in schema.RENAMED_ENCODERS]
        db.executemany("INSERT INTO features VALUES (?, ?, ?)", rows)
    old.close()
    monkeypatch.undo()
    new = UserStore(path)
    found = {new.own_features("me", key, ["0" * 64])["0" * 64] for key in schema.RENAMED_ENCODERS.values()}
    assert found == {b"vector"}


def test_the_new_fingerprints_are_those_of_the_rewards_that_ship():
    from steer.resources import MINIATURE_LINEAR_HIDDEN, MINIATURE_REWARD

    told = [
        json.loads((Path(r) / "config.json").read_text(encoding="utf-8"))
        for r in (MINIATURE_REWARD, MINIATURE_LINEAR_HIDDEN)
    ]
    assert [t["encoder_fingerprint"] for t in told] == list(schema.RENAMED_ENCODERS.values())
