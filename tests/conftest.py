"""Shared fixtures: fake parts by default, the shipped miniature once per session."""

from __future__ import annotations

import os
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing in the tests may reach a hub
os.environ["STEER_USERS"] = os.path.join(tempfile.mkdtemp(prefix="steer-users-"), "users.db")  # nor one's own users
if "PYTEST_XDIST_WORKER" in os.environ:  # several at once: threads of each would wait for the others'
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from steer import Steerer
from steer.config import load_config
from steer.testing import FakeProposer, FakeRenderer, FakeReward


@pytest.fixture
def fake_steerer():
    """A Steerer of fakes; keyword arguments replace parts, ``settings`` change the config."""

    def make(settings=(), **parts):
        defaults = {"proposer": FakeProposer(), "renderer": FakeRenderer(), "reward": FakeReward()}
        return Steerer(load_config("miniature", ["search.screen=1", *settings]), **{**defaults, **parts})

    return make


@pytest.fixture(scope="session")
def miniature():
    """The shipped models, loaded once."""
    return Steerer("miniature")
