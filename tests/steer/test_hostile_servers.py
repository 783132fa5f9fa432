"""Chat servers, image servers and servers that judge, all three misbehaving in every way: an answer becomes ours, or a
retry, then the fallback, then a failed row or picture, and never an error that blames nobody.
"""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image

from reward_models import RewardError
from reward_models.prompted.question import liking_question
from reward_models.prompted.servers import ChatDecider
from steer.batch.folder import BatchFolder
from steer.config import ChatConfig, RemoteConfig
from steer.errors import ProposerError, RenderError
from steer.proposers.chat import build
from steer.renderers.remote import RemoteRenderer
from steer.types import History, RenderFailure, Rewrite, SteerRequest
from tests.answers import bodies
from tests.reward_models.prompted.decision_server import DecisionServer
from tests.steer.chat_server import ChatServer, completion
from tests.steer.image_server import ImageServer, answer, png

KEY = "sk-very-secret-0123456789"
PROPER = completion({"role": "assistant", "content": '{"rewrites": ["a fox at dawn", "a fox in fog"]}'})


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


class _Chat:
    server, proper = ChatServer, PROPER

    def ask(self, server, **patience):
        writer = build(ChatConfig(model="m", base_url=server.url, turns=1, **patience))
        try:
            found = writer.propose(SteerRequest("a fox", "u1", seed=7), History(), 2)
        except ProposerError as error:
            return str(error)
        assert all(isinstance(r, Rewrite) and r.text.encode() for r in found)
        return found


class _Images:
    server, proper = ImageServer, answer(png())

    def ask(self, server, **patience):
        renderer = RemoteRenderer(RemoteConfig(model="m", base_url=server.url, width=32, height=32, **patience))
        try:
            (found,) = renderer.render(["a fox"], [1])
        except RenderError as error:
            return str(error)
        assert isinstance(found, (Image.Image, RenderFailure))
        return found.reason if isinstance(found, RenderFailure) else found


class _Judge:
    server, proper = DecisionServer, {**PROPER, "choices": [{**PROPER["choices"][0], "logprobs": {"content": []}}]}

    def ask(self, server, **patience):
        judge = ChatDecider("m", KEY, "OPENAI_API_KEY", server.url, size=64, **patience)
        try:
            ((found,),) = judge.answers([Image.new("RGB", (32, 32))], [liking_question()])
        except RewardError as error:
            return str(error)
        return found.reason or found


@pytest.fixture(params=[_Chat, _Images, _Judge])
def client(request):
    found = request.param()
    found.here = found.server()
    yield found
    found.here.close()


TURNS = {
    "hang": ("hang", 2),
    "drip": ("drip", b" " * 100),
    "endless": ("endless", b"[" * 100),
    "reset": ("reset", b""),
    "cut": ("cut", b'{"choices": []}'),
    "overloaded": (529, b"no", {"Retry-After": "0"}),
    "escapes": (400, {"error": {"message": f"\x1b]0;title\x07 {KEY} \ud83e \u202e"}}),
    "a conflict": (409, {"error": {"message": "busy"}}, {"Retry-After": "0"}),
    "no credit": (402, {"error": {"message": "pay"}}),
    "sent on": (307, b"", {"Location": "http://127.0.0.1:9/v1"}),
    "an error that is a number": (400, {"error": 5}),
    "an error without end": (400, b'{"error": ' + b"[" * 100_000),
}


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_a_server_that_misbehaves_is_one_line(client, turn):
    client.here.queue = [turn] * 9
    said = client.ask(client.here, timeout_s=0.7 if turn[0] in ("hang", "drip") else 20, retries=0)
    assert isinstance(said, str)
    assert said.isprintable()
    assert KEY not in said
    assert len(said) < 500


def test_any_body_is_an_answer_or_one_line(client):
    @given(bodies(client.proper))
    @settings(max_examples=12, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    def once(body):
        client.here.queue = [(200, body)] * 4
        found = client.ask(client.here, timeout_s=20, retries=0)
        assert not isinstance(found, str) or found.isprintable()

    once()


@pytest.mark.slow
def test_any_body_is_an_answer_or_one_line_at_length(client):
    @given(bodies(client.proper))
    @settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
    def once(body):
        client.here.queue = [(200, body)] * 4
        client.ask(client.here, timeout_s=20, retries=0)

    once()


def _with(**changes):
    body = copy.deepcopy(PROPER)
    body["choices"][0]["message"] |= changes
    return body


BROKEN = {
    "choices that are text": {**PROPER, "choices": "abc"},
    "choices that are a number": {**PROPER, "choices": 3},
    "a choice that is a number": {**PROPER, "choices": [3]},
    "choices that are a mapping": {**PROPER, "choices": {}},
    "a message that is text": {**PROPER, "choices": [{"message": "hi"}]},
    "a content that is a number": _with(content=5),
    "a content that is a mapping of anything": _with(content={"a": [1]}),
    "broken tools": _with(content=None, tool_calls=[{"function": "no"}]),
    "tools that are text": _with(content=None, tool_calls="no"),
    "brackets without end": b'{"choices": ' + b"[" * 100_000,
}
READ = {
    "a list of parts": _with(content=[{"type": "text", "text": '{"rewrites": ["a fox at dawn"'}, {"text": "]}"}]),
    "arguments as a mapping": _with(tool_calls=[{"function": {"arguments": {"rewrites": ["a fox at dawn"]}}}]),
    "usage that is text": {**_with(content='["a fox at dawn", "x"]'), "usage": "lots"},
    "usage that is a list": {**_with(content='["a fox at dawn", "x"]'), "usage": [1]},
    "usage that is a number": {**_with(content='["a fox at dawn", "x"]'), "usage": 7},
    "half an emoji": _with(content=json.dumps({"rewrites": ["a fox at dawn \ud83e"]})),
    "another content type": json.dumps(_with(content='["a fox at dawn", "x"]')).encode(),
}


@pytest.fixture
def chat():
    found = ChatServer()
    yield found
    found.close()


def writer(server, **changes):
    return build(ChatConfig(model="m", base_url=server.url, **changes))


@pytest.mark.parametrize("body", READ.values(), ids=READ)
def test_an_answer_in_an_unusual_shape_is_read(chat, body):
    chat.queue = [(200, body, {"Content-Type": "text/plain"} if isinstance(body, bytes) else {})]
    found = writer(chat, turns=1).propose(SteerRequest("a fox", "u1"), History(), 1)
    assert [r.text for r in found] == ["a fox at dawn"]


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_asked_for_again_then_left_to_the_fallback_then_one_line(chat, body):
    request = SteerRequest("a fox", "u1")
    chat.queue = [(200, body)]
    assert len(writer(chat, retries=1).propose(request, History(), 2)) == 2
    assert len(chat.requests) == 2
    chat.queue = [(200, body)] * 9
    found = writer(chat, retries=0, fallback="lexical").propose(request, History(), 2)
    assert all(r.note.startswith("by the lexical search: ") and "chat model 'm'" in r.note for r in found)
    with pytest.raises(ProposerError, match="chat model 'm'"):
        writer(chat, retries=0).propose(request, History(), 2)


def test_a_broken_answer_costs_a_batch_one_row(chat, fake_steerer, tmp_path):
    """And half an emoji costs nothing, nor does resuming what it is in."""

    def turn_of(request, number, given):
        told = request["body"]["messages"][1]["content"]
        if "a cat" in told:
            return 200, {"choices": 3}
        if "a fox" in told:
            texts = [f"a fox {number}{i} \ud83e" for i in range(9)]
            return 200, completion({"content": json.dumps({"rewrites": texts})})
        return ChatServer.turn_of(chat, request, number, given)

    chat.turn_of = turn_of
    rows = [{"prompt": p, "user": "u1", "budget": 5} for p in ("a fox", "a cat", "a hut")]
    steerer = fake_steerer(proposer=writer(chat, retries=1))
    with pytest.raises(Exception, match=r"1 row of .* failed; the first, 'a cat', because the chat model 'm' does not"):
        list(steerer.batch(rows, out=tmp_path / "batch"))
    folder = BatchFolder(tmp_path / "batch")
    assert [folder.state(row) for row in folder.rows()] == ["done", "failed", "done"]
    result = steerer.resume(folder.run_of(next(iter(folder.rows()))))
    assert {c.rewrite.text.rstrip("0123456789") for c in result.candidates} == {"a fox", "a fox "}
