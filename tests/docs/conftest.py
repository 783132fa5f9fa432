"""A folder like a clone of the repository, a store of users, and a user ``me`` who has rated a few pictures."""

from __future__ import annotations

import shutil

import pytest

from tests.docs.pages import ROOT
from tests.steer.command import steer_here

ANSWERS = "5\n1\n4\n2\n5\n1\n3\n4\n1\nq\n"


@pytest.fixture(scope="session")
def rated_users(tmp_path_factory):
    """A store in which ``me`` has answered nine questions in the terminal."""
    path = tmp_path_factory.mktemp("users") / "users.db"
    done = steer_here("user", "rate", "me", "--terminal", "--store", path, stdin=ANSWERS, env={"STEER_USERS": str(path)})
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
    shutil.copy(rated_users, users)
    monkeypatch.setenv("STEER_USERS", str(users))
    monkeypatch.chdir(tmp_path)
    return tmp_path
