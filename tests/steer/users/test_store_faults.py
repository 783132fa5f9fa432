"""The store where something goes wrong: killed, locked, full, damaged, of another version."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sqlite3
import subprocess
import sys

import pytest
from PIL import Image

from steer.cli.user_pictures import save_chart
from steer.errors import StorageError, UsageError
from steer.users import schema
from steer.users.store import UserStore
from tests.steer.command import steer_here


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
    monkeypatch.setattr("steer.users.database.WAIT_S", 0.1)
    store.add("me")
    waiting = UserStore(store.path)
    other = sqlite3.connect(store.path)
    other.execute("BEGIN IMMEDIATE")
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
    with pytest.raises(StorageError, match="cannot create the user store"):
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
    with pytest.raises(StorageError, match="cannot use the user store"):
        UserStore(store.path)
    with sqlite3.connect(store.path) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(
            more
        )  # the whole step stays, of the broken one nothing
        assert "extra" not in {r[1] for r in db.execute("PRAGMA table_info(users)")}
    monkeypatch.setattr(schema, "MIGRATIONS", more)
    assert UserStore(store.path).user("me").ratings == 1


def test_a_full_disk_is_named_and_nothing_else(store):
    """SQLite ends the transaction by itself then; there is nothing left to roll back."""
    store.add("me")
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StorageError, match="no room left on the disk for the user store"):
        store.rate_many("me", [(f"{i:064x}", "a fox", 3) for i in range(2000)])
    assert store.ratings("me") == []
    store._db.execute("PRAGMA max_page_count = 100000")
    store.rate("me", "h1", 3)
    assert store.user("me").ratings == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE users SET demographics = '{' WHERE id = 'me'", "the demographics of 'me' cannot be read"),
        ("UPDATE users SET demographics = '[1]' WHERE id = 'me'", "the demographics of 'me' cannot be read"),
        ("UPDATE users SET demographics = x'ff' WHERE id = 'me'", "cannot be read"),
        ("UPDATE users SET profile = CAST(x'ff1b5b' AS TEXT) WHERE id = 'me'", "a text in it is not UTF-8"),
        ("UPDATE ratings SET prompt = CAST(x'ff1b5b' AS TEXT)", "a text in it is not UTF-8"),
    ],
)
def test_a_person_who_cannot_be_read_is_named_and_can_be_deleted(store, change, said):
    store.add("me")
    store.add("you")
    store.rate("me", "h1", 3)
    with store.writing() as db:
        db.execute(change)
    with pytest.raises(StorageError, match=re.escape(said)):
        store.told("me")
    if "users" in change:
        done = steer_here("user", "list", "--store", store.path)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert said in line
        assert line.isprintable()
    assert steer_here("user", "delete", "me", "--yes", "--store", store.path, cwd=store.path.parent).returncode == 0
    assert steer_here("user", "list", "you", "--store", store.path).returncode == 0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
def test_a_store_of_somebody_else_is_one_line(store):
    """Whether it can be read or not."""
    store.add("me")
    store.close()
    folders = [store.path.parent, *store.path.parent.parents][:4]
    before = [(f, f.stat().st_mode) for f in folders]
    try:
        for folder in folders:
            if folder.stat().st_uid == 0 and str(folder) != "/tmp":
                folder.chmod(0o755)
        for mode in (0o600, 0o644):
            store.path.chmod(mode)
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    os.setgid(65534)
                    os.setuid(65534)
                    UserStore(store.path).users()
                except StorageError as error:
                    code = 0 if "cannot use the user store" in str(error) and "\n" not in str(error) else 2
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        for folder, old in before:
            folder.chmod(old & 0o7777)


@pytest.mark.parametrize("path", ["a folder", "a pipe", "x" * 300])
def test_what_cannot_be_a_store_is_one_line(tmp_path, path):
    (tmp_path / "a folder").mkdir()
    os.mkfifo(tmp_path / "a pipe")
    with pytest.raises(StorageError, match="user store") as caught:
        UserStore(tmp_path / path)
    assert "\n" not in str(caught.value)


def test_names_that_no_file_can_have_are_one_line(store):
    store.add("me")
    long = "x" * 300
    for arguments in (
        ["import", f"{long}.json"],
        ["export", "me", "--out", f"{long}.json"],
        ["rate", "me", "--terminal", "--pictures", long],
        ["rate", "me", "--liked", long],
        ["add", "you", "--disliked", long],
        ["show", "me", "--picture", f"{long}.png"],
        ["show", "me", "--picture", "chart"],
    ):
        done = steer_here("user", *arguments, "--store", store.path, cwd=store.path.parent)
        assert done.returncode == 2, arguments
        (line,) = done.stderr.splitlines()
        assert "bug" not in line


def test_a_chart_that_cannot_be_written_is_a_failure(tmp_path, monkeypatch):
    image = Image.new("RGB", (8, 8))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write '.*chart.png'"):
        save_chart(image, tmp_path / "file" / "chart.png")
    monkeypatch.setattr("steer.store.files.os.replace", _read_only)
    with pytest.raises(StorageError, match="Read-only file system"):
        save_chart(image, tmp_path / "chart.png")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def _read_only(*_):
    raise OSError(30, "Read-only file system")


@pytest.mark.parametrize("text", ["x" * 2001, "a\ud83e", "a\x1b[31m", "a\x00"])
def test_words_that_are_too_long_or_no_text_are_refused(store, text):
    store.add("me")
    for change in (
        lambda: store.add("you", profile=text),
        lambda: store.add("you", {"age": text}),
        lambda: store.add("you", {text: "old"}),
        lambda: store.add("you", source=text),
        lambda: store.describe("me", profile=text),
        lambda: store.describe("me", {"age": text}),
        lambda: store.rate("me", "h1", 3, text * 6),
        lambda: store.choose("me", "h1", "h2", ("", text * 6)),
    ):
        with pytest.raises(UsageError) as caught:
            change()
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 250
    assert store.ids() == ["me"]
    assert store.get(text) is None
    with pytest.raises(UsageError):
        store.users(text)


def test_a_long_profile_costs_no_time_at_each_answer(store):
    """Of a store that was written before there was a limit."""
    store.add("me")
    read = []
    store._db.set_trace_callback(read.append)
    store.rate("me", "h1", 4)
    store.choose("me", "h1", "h2")
    assert any("INSERT INTO ratings" in said for said in read)
    assert not [said for said in read if "FROM users" in said and ("profile" in said or "*" in said)]
