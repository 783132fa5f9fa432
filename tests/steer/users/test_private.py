"""What steer writes about people can be read by its owner alone, whatever the umask."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

import pytest

from steer.store.private import private_folder, tighten
from steer.users.records import default_path
from steer.users.store import UserStore
from tests.steer.command import steer_here

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")


@pytest.fixture(autouse=True)
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder):
    """By path below a folder, what group and others may do."""
    found = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # the log of a store that has just been closed
            if (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
                found[str(path.relative_to(folder))] = oct(mode)
    return found


def test_the_store_its_log_and_its_folder(tmp_path):
    store = UserStore(tmp_path / "deep" / "down" / "users.db")
    store.add("me")
    assert {p.name for p in store.path.parent.iterdir()} == {"users.db", "users.db-wal", "users.db-shm"}
    assert modes(tmp_path) == {}


def test_an_open_store_is_closed_when_it_is_opened(tmp_path, monkeypatch):
    monkeypatch.delenv("STEER_USERS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    first = UserStore()
    first.add("me")
    for path in (first.path.parent, *first.path.parent.iterdir()):
        path.chmod(0o777)
    assert UserStore().path == default_path()
    assert modes(tmp_path) == {}


def test_a_folder_that_steer_did_not_make_stays_as_it_is(tmp_path):
    tmp_path.chmod(0o755)
    UserStore(tmp_path / "users.db").add("me")
    private_folder(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert modes(tmp_path) == {}


def test_an_export_and_a_chart(store, tmp_path):
    store.add("me", profile="warm light")
    old = tmp_path / "old.json"
    old.write_text("{}")
    assert steer_here("user", "export", "me", "--store", store.path, cwd=tmp_path).returncode == 0
    options = ["--out", old, "--force", "--store", store.path]
    assert steer_here("user", "export", "me", *options, cwd=tmp_path).returncode == 0
    pytest.importorskip("matplotlib")
    shown = steer_here("user", "show", "me", "--picture", "charts/me.png", "--store", store.path, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert modes(tmp_path) == {}


def test_a_run(tmp_path, fake_steerer):
    """Its folder says who it was for and what they like: all of it is theirs."""
    outputs = tmp_path / "outputs"
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        result = fake_steerer().run("a fox", "u1", budget=3)
        fake_steerer().run("a fox", "u1", budget=3, out=outputs / "named")
    finally:
        os.chdir(before)
    assert result.folder
    assert len(list(outputs.rglob("manifest.json"))) == len(list(outputs.rglob("journal.jsonl"))) == 2
    assert modes(tmp_path) == {}


def test_a_file_of_somebody_else_is_left_to_them(tmp_path, monkeypatch):
    path = tmp_path / "theirs"
    path.write_text("")
    path.chmod(0o644)

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    tighten(path)
    tighten(tmp_path / "not there")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
