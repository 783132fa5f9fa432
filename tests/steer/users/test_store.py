"""The store: nothing lost, nothing left behind, faults in one line."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from reward_models import Lesson
from steer.errors import StorageError, UsageError
from steer.users import schema
from steer.users.ids import check_id
from steer.users.records import picture_hash, store_path
from steer.users.store import UserStore


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
    with pytest.raises(UsageError, match="there is a user 'Me' already"):
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


def test_delete_leaves_no_trace(store):
    store.add("someone-secret", {"gender": "female"}, "a very private taste")
    store.add("other")
    store.rate("someone-secret", "hash-of-theirs", 4, "a private prompt", "their folder")
    store.rate("someone-secret", "shared-hash", 4)
    store.rate("other", "shared-hash", 2)
    store.keep_features("encoder", {"hash-of-theirs": b"theirs", "shared-hash": b"shared"})
    store.keep_lesson(store.told("someone-secret"), "reward", Lesson(b"vector-bytes", 0.5))
    gone = store.delete("someone-secret")
    assert gone == {"ratings": 2, "choices": 0, "vectors": 1, "votes": 0, "pictures": 1}
    store.close()
    left = b"".join(p.read_bytes() for p in store.path.parent.iterdir())
    for trace in (b"someone-secret", b"private", b"hash-of-theirs", b"vector-bytes", b"their folder"):
        assert trace not in left
    assert set(UserStore(store.path).features("encoder", ["hash-of-theirs", "shared-hash"])) == {"shared-hash"}


def test_the_same_picture_in_any_file(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8))
    for name in ("a.png", "b.bmp"):
        image.save(tmp_path / name)
    with Image.open(tmp_path / "a.png") as a, Image.open(tmp_path / "b.bmp") as b:
        assert picture_hash(a) == picture_hash(b)
    assert picture_hash(image) != picture_hash(image.transpose(Image.Transpose.ROTATE_90))


def _write_many(path, name, n):
    store = UserStore(path)
    for i in range(n):
        store.rate(name, f"h{i}", 1 + i % 5)


def test_several_processes_write_at_once(store):
    names = [f"u{i}" for i in range(4)]
    for name in names:
        store.add(name)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_many, args=(store.path, name, 40)) for name in names]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
        assert p.exitcode == 0
    assert [store.user(name).ratings for name in names] == [40] * 4


KILLED = """
import sys
from steer.users.store import UserStore
store = UserStore(sys.argv[1])
for i in range(100000):
    store.rate("me", f"h{i}", 3)
    print(i, flush=True)
"""


def test_kill_nine_while_rating_loses_at_most_the_answer_in_flight(store):
    store.add("me")
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(store.path)], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if int(line) == 30:
            os.kill(process.pid, signal.SIGKILL)
            break
    said = 30 + len(process.stdout.read().split())  # those it said before it died
    process.wait()
    again = UserStore(store.path)
    assert said + 1 <= again.user("me").ratings <= said + 2
    again.rate("me", "after", 5)


def test_a_locked_store_is_said(store, monkeypatch):
    monkeypatch.setattr("steer.users.store.WAIT_S", 0.1)
    store.add("me")
    other = sqlite3.connect(store.path)
    other.execute("BEGIN IMMEDIATE")
    waiting = UserStore.__new__(UserStore)
    waiting.path, waiting._own = store.path, __import__("threading").local()
    with pytest.raises(StorageError, match="in use by another process"):
        waiting.rate("me", "h1", 3)
    other.rollback()
    waiting.rate("me", "h1", 3)


@pytest.mark.parametrize(
    "content", [b"this is no database at all, not even a little" * 50, b"SQLite format 3\x00" + b"\xff" * 4000]
)
def test_a_corrupt_store_is_said_and_left_alone(tmp_path, content):
    path = tmp_path / "users.db"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=re.escape(str(path))) as caught:
        UserStore(path).users()
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        UserStore(tmp_path / "file" / "users.db")


def test_a_store_of_the_future_is_refused(store):
    with sqlite3.connect(store.path) as db:
        db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    with pytest.raises(StorageError, match="written by a newer steer"):
        UserStore(store.path)


def test_an_older_store_is_brought_along_whole_or_not(store, monkeypatch):
    store.add("me")
    store.rate("me", "h1", 4)
    more = [*schema.MIGRATIONS, "ALTER TABLE users ADD COLUMN mood TEXT NOT NULL DEFAULT 'fine'"]
    monkeypatch.setattr(schema, "MIGRATIONS", [*more, "ALTER TABLE users ADD COLUMN extra TEXT; NONSENSE"])
    with pytest.raises(StorageError, match="cannot be used"):
        UserStore(store.path)
    with sqlite3.connect(store.path) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(
            more
        )  # the whole step stays, of the broken one nothing
        assert "extra" not in {r[1] for r in db.execute("PRAGMA table_info(users)")}
    monkeypatch.setattr(schema, "MIGRATIONS", more)
    assert UserStore(store.path).user("me").ratings == 1
