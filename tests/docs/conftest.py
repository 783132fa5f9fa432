"""A folder like a clone of the repository, a store of users, and a user ``me`` who has rated a few pictures."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3

import pytest

from steer.resources import data_folder
from tests.docs.pages import ROOT
from tests.steer.command import steer_here

ANSWERS = "5\n1\n4\n2\n5\n1\n3\n4\n1\nq\n"


@pytest.fixture(scope="session")
def rated_users(tmp_path_factory):
    """A store in which ``me`` has answered nine questions in the terminal."""
    path = tmp_path_factory.mktemp("users") / "users.db"
    done = steer_here(
        "user", "rate", "me", "--terminal", "--store", path, stdin=ANSWERS, env={"STEER_USERS": str(path)}
    )
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def clone(tmp_path, rated_users, monkeypatch):
    """The working folder of a page: the data of the repository by links, outputs of its own."""
    for name in ("configs", "prompts", "benchmarks", "steer", "reward_models"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "outputs").mkdir()
    users = tmp_path / "store" / "users.db"
    users.parent.mkdir()
    with contextlib.closing(sqlite3.connect(rated_users)) as old, contextlib.closing(sqlite3.connect(users)) as new:
        old.backup(new)
    monkeypatch.setenv("STEER_USERS", str(users))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quick(tmp_path_factory, monkeypatch):
    """The preset of the miniature with two denoising steps, 64 pixels and a budget of six; the pages' commands stay as
    printed.
    """
    folder = tmp_path_factory.mktemp("data") / "configs"
    shutil.copytree(ROOT / "configs", folder)
    preset = folder / "miniature.yaml"
    text = preset.read_text()
    assert "steps: 6" in text
    assert "budget: 48" in text
    text = text.replace("steps: 6", "steps: 2").replace("budget: 48", "budget: 6")
    preset.write_text(text.replace("width: 128", "width: 64").replace("height: 128", "height: 64"))
    monkeypatch.setattr("steer.config.loading.data_folder", lambda n: folder if n == "configs" else data_folder(n))
