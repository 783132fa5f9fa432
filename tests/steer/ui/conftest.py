"""Real servers with the page: one of the painter with the miniature's people, others of fakes; and their visitors."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace

import httpx
import pytest

from reward_models.testing import FakeReward
from steer.config import load_config
from steer.parts import Parts
from steer.server.service import Service
from steer.server.serving import Serving
from steer.server.settings import ServerSettings
from steer.server.tokens import Token, Tokens, digest_of
from steer.ui.app import create_ui
from steer.users.store import UserStore
from steer.web.address import Address
from tests.steer.server.conftest import fake_parts

ALL, ANN, BOB, PROXY = "everybody-0123456789", "ann-0123456789abcdef", "bob-0123456789abcdef", "proxy-0123456789abcd"
TOKENS = [
    Token("all", digest_of(ALL)),
    Token("ann", digest_of(ANN), frozenset({"u17", "ann"})),
    Token("bob", digest_of(BOB), frozenset({"bob"})),
    Token("open-webui", digest_of(PROXY), None, True),
]


class Paged:
    """A server with its page; ``visit`` is somebody who opened its link, with the cookie."""

    def __init__(self, parts, out):
        self.service = Service(parts, ServerSettings(out=out))
        self.ui = create_ui(self.service, Tokens(TOKENS))
        self.serving = Serving(self.ui.app, self.service, Address(port=0).bind())
        self.serving.start()
        self.out = out
        self.root = f"http://127.0.0.1:{self.serving.port}"
        self.here = f"{self.root}{self.ui.room}"
        self._visitors = []

    def visit(self, token=ALL):
        visitor = httpx.Client(base_url=self.here, timeout=120)
        assert visitor.get("", params={"token": token}).status_code == 200
        self._visitors.append(visitor)
        return visitor

    def link(self, token=ALL):
        return f"{self.here}?token={token}"

    def close(self):
        for visitor in self._visitors:
            visitor.close()
        self.ui.batches.close()
        self.serving.stop()


@contextlib.contextmanager
def paged(parts, out):
    server = Paged(parts, out)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """The painter and the miniature's reward, for a file's tests, which may leave runs and people behind."""
    folder = tmp_path_factory.mktemp("page")
    config = load_config("miniature", ["renderer=painter", "search.budget=12"])
    with paged(Parts(config, store=UserStore(folder / "users.db")), folder / "outputs") as server:
        yield server


@pytest.fixture
def faked(tmp_path):
    """A server of fakes, in whose store bob is."""
    with paged(fake_parts(tmp_path), tmp_path / "outputs") as server:
        yield server


def run_to_its_end(visitor, **body):
    """The name of the folder of a run that was started and waited for."""
    begun = visitor.post("v1/runs", json=body)
    assert begun.status_code == 202, begun.text
    id_ = begun.json()["id"]
    events = visitor.get(f"v1/runs/{id_}/events").text
    assert json.loads(events.rstrip().rpartition("data: ")[2])["event"] == "end"
    return visitor.get(f"v1/runs/{id_}").json()["name"]


def wait_for(what, seconds=60):
    """The first true value of a function."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about")


@pytest.fixture
def unsure(monkeypatch):
    """A fake reward that knows its people badly, so that a question is worth a click in every run."""
    judge = FakeReward.judge

    def doubting(self, reading, person):
        scores = judge(self, reading, person)
        return replace(scores, uncertainty=scores.uncertainty + 0.4)

    monkeypatch.setattr(FakeReward, "judge", doubting)
