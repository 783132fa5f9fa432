"""What is deleted is gone from the disk, or the command says where it still is."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from reward_models import Lesson
from steer.errors import UsageError
from steer.users import schema
from steer.users.database import StillRead
from steer.users.store import UserStore
from tests.steer.command import steer_here


def test_delete_leaves_no_trace(store):
    store.add("someone-secret", {"gender": "female"}, "a very private taste")
    store.add("other")
    store.rate("someone-secret", "hash-of-theirs", 4, "a private prompt", "their folder")
    store.rate("someone-secret", "shared-hash", 4)
    store.rate("other", "shared-hash", 2)
    store.keep_features("encoder", {"hash-of-theirs": b"theirs", "shared-hash": b"shared"})
    store.keep_lesson(store.told("someone-secret"), "reward", Lesson(b"vector-bytes", 0.5))
    gone = store.delete("someone-secret")
    assert gone == {"ratings": 2, "choices": 0, "vectors": 1, "votes": 0, "thumbnails": 0, "pictures": 1}
    store.close()
    left = b"".join(p.read_bytes() for p in store.path.parent.iterdir())
    for trace in (b"someone-secret", b"private", b"hash-of-theirs", b"vector-bytes", b"their folder"):
        assert trace not in left
    assert set(UserStore(store.path).features("encoder", ["hash-of-theirs", "shared-hash"])) == {"shared-hash"}


@pytest.fixture
def reader(store, monkeypatch):
    """Another process that reads the store; the log cannot be emptied meanwhile."""
    monkeypatch.setattr("steer.users.database.WAIT_S", 0.1)
    store.add("me", profile="a very private taste")
    store.rate("me", "h1", 4)
    store.close()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM users").fetchall()
    yield other
    other.close()


def on_disk(store):
    return b"".join(p.read_bytes() for p in store.path.parent.glob("users.db*"))


def test_a_deletion_that_leaves_a_copy_says_so_and_the_next_command_ends_it(store, reader, tmp_path):
    done = steer_here("user", "delete", "me", "--yes", "--store", store.path, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == "deleted me: 1 rating, 1 rated picture\n"
    (line,) = done.stderr.splitlines()
    assert "another process is reading the user store" in line
    assert "users.db-wal' keeps a copy" in line
    assert b"private" in on_disk(store)
    reader.execute("COMMIT")
    assert steer_here("user", "list", "--store", store.path).returncode == 0  # the reader is still there, but idle
    assert b"private" not in on_disk(store)


@pytest.mark.parametrize("change", [lambda s: s.reset("me"), lambda s: s.rename("me", "you"), lambda s: s.delete("me")])
def test_so_does_every_change_that_removes_something(store, reader, change):
    with pytest.raises(StillRead, match="keeps a copy of what was there before"):
        change(store)


def test_a_log_that_a_killed_process_left_is_emptied(store):
    """What it deleted is still in the log, as it had no time to empty it."""
    code = (
        "import os, sys; from steer.users.store import UserStore; s = UserStore(sys.argv[1]);"
        "s.add('me', profile='a very private taste'); s._forget_log = lambda: None; s.delete('me'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, store.path], check=False)
    assert b"private" in on_disk(store)
    UserStore(store.path).close()
    assert b"private" not in on_disk(store)


def test_words_about_a_picture_go_with_who_wrote_them(store):
    """Two people rated one picture, from files with other names and under other prompts."""
    store.add("me")
    store.add("other")
    store.rate("me", "shared", 4, "my secret prompt", "my secret file.csv")
    store.choose("me", "shared", "worse", ("my secret prompt", "a secret too"), "my secret folder")
    store.rate("other", "shared", 2, "their prompt", "theirs.csv")
    store.choose("other", "worse", "shared")
    assert store.told("me").prompts == {"shared": "my secret prompt", "worse": "a secret too"}
    assert store.told("other").prompts == {"shared": "their prompt", "worse": ""}
    store.delete("me")
    store.close()
    assert b"secret" not in on_disk(store)
    assert UserStore(store.path).ratings("other")[0].prompt == "their prompt"


def test_a_rating_that_is_taken_back_takes_along_what_came_with_it(store):
    store.add("me")
    row = store.rate("me", "h1", 4)
    store.rate("me", "h2", 4)
    store.keep_own_features("me", "encoder", {"h1": b"one", "h2": b"two", "h3": b"never rated"})
    store.take_back("me", "rating", row)
    assert store.own_features("me", "encoder", ["h1", "h2", "h3"]) == {"h2": b"two"}
    store.rename("me", "you")
    assert store.own_features("you", "encoder", ["h2"]) == {"h2": b"two"}
    store.reset("you")
    assert store.own_features("you", "encoder", ["h2"]) == {}


def test_a_store_in_which_pictures_had_words_and_anybodys_features(tmp_path):
    """Of version 3: nothing is lost, everybody who rated a picture has what was there, and no one else ever will."""
    path = tmp_path / "users.db"
    with sqlite3.connect(path) as db:
        for statement in ";".join(schema.MIGRATIONS[:3]).split(";"):
            db.execute(statement)
        for name in ("me", "you", "nobody"):
            db.execute("INSERT INTO users (id, created) VALUES (?, 'then')", (name,))
        db.execute("INSERT INTO pictures VALUES ('a', 'a fox', 'x.csv'), ('b', 'a cat', 'run'), ('c', '', '')")
        db.execute("INSERT INTO ratings VALUES (7, 'me', 'a', 4, 'then'), (8, 'you', 'a', 2, 'then')")
        db.execute("INSERT INTO choices VALUES (9, 'you', 'b', 'c', 'then')")
        db.execute("INSERT INTO features VALUES ('a', 'e', x'01'), ('b', 'e', x'02')")
        db.execute("INSERT INTO vectors VALUES ('me', 'r', 'basis', '[7]', 0.5, x'03')")
        db.execute("INSERT INTO thumbnails VALUES ('me', 'a', x'04')")
        db.execute("PRAGMA user_version = 3")
    db.close()
    store = UserStore(path)
    assert [(r.id, r.picture, r.prompt, r.score) for r in store.ratings("me")] == [(7, "a", "a fox", 4)]
    assert store.told("you").prompts == {"a": "a fox", "b": "a cat", "c": ""}
    assert store.own_features("me", "e", ["a", "b"]) == {"a": b"\x01"}
    assert store.own_features("you", "e", ["a", "b"]) == {"a": b"\x01", "b": b"\x02"}
    assert store.own_features("nobody", "e", ["a", "b"]) == store.features("e", ["a", "b"]) == {}
    assert (store.lesson("me", "r").data, store.thumbnails("me", ["a"])) == (b"\x03", {"a": b"\x04"})
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
    store.delete("me")
    store.delete("you")
    store.close()
    assert not any(word in on_disk(store) for word in (b"a fox", b"a cat", b"x.csv"))


def test_a_whole_import_is_deleted_and_nothing_else(store):
    store.add("me")
    store.rate("me", "shared", 4)
    for name in ("p1", "p2"):
        store.add(name, {"gender": "female"}, source="a set")
        store.rate_many(name, [("shared", "a fox", 2), ("theirs-alone", "a secret prompt", 5)])
    store.add("q1", source="another set")
    store.keep_features("encoder", {"shared": b"kept", "theirs-alone": b"gone"})
    store.keep_lesson(store.told("p1"), "reward", Lesson(b"their-vector", 0.5))
    gone = store.delete_import("a set")
    assert gone == {"ratings": 4, "choices": 0, "vectors": 1, "votes": 0, "thumbnails": 0, "pictures": 1}
    assert [(u.id, u.ratings) for u in store.users()] == [("me", 1), ("q1", 0)]
    assert set(store.features("encoder", ["shared", "theirs-alone"])) == {"shared"}
    store.close()
    left = b"".join(p.read_bytes() for p in store.path.parent.iterdir())
    for trace in (b"theirs-alone", b"secret", b"their-vector", b"female"):
        assert trace not in left
    with pytest.raises(UsageError, match="no users were imported from 'a set'; there are imports from another set"):
        UserStore(store.path).delete_import("a set")
