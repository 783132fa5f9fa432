"""Real servers on loopback: one with the miniature's reward and the painter, others with fakes."""

from __future__ import annotations

import contextlib

import pytest

from steer.config import load_config
from steer.parts import Parts
from steer.server.app import create_app
from steer.server.service import Service
from steer.server.serving import Serving
from steer.server.settings import ServerSettings
from steer.server.tokens import Token, Tokens, digest_of
from steer.testing import FakeProposer, FakeRenderer, FakeReward
from steer.users.store import UserStore
from steer.web.address import Address

ALL, ANN, PROXY, BOB = "everybody-0123456789", "ann-0123456789abcdef", "proxy-0123456789abcd", "bob-0123456789abcdef"
TOKENS = [
    Token("all", digest_of(ALL)),
    Token("phone", digest_of(ANN), frozenset({"u17"})),
    Token("bob", digest_of(BOB), frozenset({"bob"})),
    Token("open-webui", digest_of(PROXY), None, True, frozenset({"127.0.0.1"}), {"ann@example.org": "u17"}),
]


class Running:
    """A server, where it is, and its service."""

    def __init__(self, parts, settings, more=()):
        self.service = Service(parts, settings)
        app = create_app(self.service, Tokens(TOKENS), more=more)
        self.serving = Serving(app, self.service, Address(port=0).bind())
        self.serving.start()
        self.port = self.serving.port
        self.root = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.root}/v1"


@contextlib.contextmanager
def running(parts, settings, more=()):
    """A server until the end of the block."""
    server = Running(parts, settings, more)
    try:
        yield server
    finally:
        server.serving.stop()


def fake_parts(tmp_path, renderer=None, proposer=None, people=("u1", "u17", "blue"), settings=()):
    """Parts without models and a store of their own, in which bob is."""
    store = UserStore(tmp_path / "users.db")
    if store.get("bob") is None:
        store.add("bob")
    config = load_config("miniature", ["search.screen=1", "search.budget=8", "search.worth=0", *settings])
    return Parts(
        config,
        proposer=proposer or FakeProposer(),
        renderer=renderer or FakeRenderer(),
        reward=FakeReward(people),
        store=store,
    )


@pytest.fixture(scope="session")
def painted(tmp_path_factory):
    """A server of the painter with the miniature's people."""
    folder = tmp_path_factory.mktemp("served")
    config = load_config("miniature", ["renderer=painter", "search.budget=12", "search.worth=0"])
    parts = Parts(config, store=UserStore(folder / "users.db"))
    parts.store.add("bob")
    with running(parts, ServerSettings(out=folder / "runs")) as server:
        yield server


@pytest.fixture
def faked(tmp_path):
    """A server of fakes."""
    with running(fake_parts(tmp_path), ServerSettings(out=tmp_path / "runs")) as server:
        yield server
