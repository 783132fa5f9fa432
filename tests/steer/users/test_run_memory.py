"""The evidence of earlier runs in the store: bounded, renamed, exported, deleted, and in stores of before."""

from __future__ import annotations

import json
import sqlite3

import pytest

from steer.errors import UsageError
from steer.users import schema
from steer.users.exchange import export_user, import_user, write_export
from steer.users.run_memory import MOST_RUNS, DrawnBefore
from steer.users.store import UserStore


def drawn(run, text="a fox at dawn", encoder="key", kept=b"secret-bytes"):
    return DrawnBefore(run, "a fox", text, {"light": "at dawn"}, encoder, kept)


def test_a_run_replaces_itself_and_the_oldest_are_forgotten(store):
    store.add("me")
    for i in range(MOST_RUNS + 3):
        store.keep_run("me", [drawn(f"run {i}"), drawn(f"run {i}", "a fox")])
    store.keep_run("me", [drawn("run 5", "a fox in fog")])
    kept = store.drawn_before("me")
    runs = list(dict.fromkeys(p.run for p in kept))
    assert len(runs) == MOST_RUNS
    assert runs[-1] == "run 5"
    assert "run 2" not in runs
    assert [p.text for p in kept if p.run == "run 5"] == ["a fox in fog"]
    assert store.drawn_before("me", "another key") == []
    with pytest.raises(UsageError, match="not found"):
        store.keep_run("nobody", [drawn("run")])


def test_it_goes_along_and_goes_away_with_its_person(store):
    store.add("me")
    store.keep_run("me", [drawn("my run")])
    store.rename("me", "you")
    assert store.drawn_before("me") == []
    assert [p.run for p in store.drawn_before("you")] == ["my run"]
    store.reset("you")
    assert store.drawn_before("you") == []
    store.keep_run("you", [drawn("my run")])
    store.delete("you")
    store.close()
    assert b"secret-bytes" not in b"".join(p.read_bytes() for p in store.path.parent.iterdir())


def test_an_export_takes_it_to_another_machine(store, tmp_path):
    store.add("me")
    store.keep_run("me", [drawn("my run"), drawn("my run", "a fox", "another")])
    write_export(export_user(store, "me", ["key"]), tmp_path / "me.json")
    other = UserStore(tmp_path / "other.db")
    import_user(other, tmp_path / "me.json")
    (found,) = other.drawn_before("me")
    assert (found.run, found.text, found.changes, found.kept) == (
        "my run", "a fox at dawn", {"light": "at dawn"}, b"secret-bytes"
    )  # fmt: skip
    told = json.loads((tmp_path / "me.json").read_text())
    told["runs"][0]["changes"] = ["no", "mapping"]
    (tmp_path / "bad.json").write_text(json.dumps(told))
    with pytest.raises(UsageError, match=r"runs\.0\.changes"):
        import_user(other, tmp_path / "bad.json", "you")
    del told["runs"]
    (tmp_path / "old.json").write_text(json.dumps(told))
    assert import_user(other, tmp_path / "old.json", "old").id == "old"


def test_a_store_of_the_version_before(tmp_path):
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as db:
        for statement in ";".join(schema.MIGRATIONS[:6]).split(";"):
            db.execute(statement)
        db.execute("INSERT INTO users (id, created) VALUES ('me', 'then')")
        db.execute("PRAGMA user_version = 6")
    db.close()
    store = UserStore(path)
    assert store.drawn_before("me") == []
    store.keep_run("me", [drawn("run")])
    assert len(store.drawn_before("me")) == 1
