"""The chat proposer against a real HTTP server on loopback that also misbehaves."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from steer.config import ProposerConfig
from steer.errors import ProposerError, UsageError
from steer.proposers.chat import ChatProposer, parse_reply
from steer.testing import ProposerConformance
from steer.types import Candidate, History, Rewrite, State, SteerRequest

KEY = "sk-secret-do-not-show"


class ChatServer:
    """Speaks /v1/chat/completions; answers from ``queue``, then with as many rewrites as asked for."""

    def __init__(self):
        outer = self
        self.queue, self.requests = [], []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append({"path": self.path, "body": body, "key": self.headers["Authorization"]})
                status, content = outer.queue.pop(0) if outer.queue else (200, outer.plain(body))
                data = content if isinstance(content, bytes) else json.dumps(outer.reply(content)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if status == 429:
                    self.send_header("Retry-After", "0.05")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    @staticmethod
    def plain(body):
        n = int(body["messages"][1]["content"].rsplit("Write ", 1)[1].split()[0])
        return json.dumps({"rewrites": [f"a fox in a forest at dawn {i}" for i in range(n)]})

    @staticmethod
    def reply(content):
        return {
            "id": "1", "object": "chat.completion", "created": 0, "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
        }  # fmt: skip


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    s = ChatServer()
    yield s
    s.server.shutdown()
    s.server.server_close()


def proposer(server, **changes):
    return ChatProposer(ProposerConfig(kind="chat", model="m", base_url=server.url, **changes))


REQUEST = SteerRequest("a fox in a forest", "u1", seed=7)


class TestConformance(ProposerConformance):
    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.server = server

    def make(self):
        return proposer(self.server)


def test_the_question_holds_the_fenced_prompt_the_ranking_and_the_schema(server):
    history = History([Candidate(0, 1, Rewrite("a fox at dawn"), 1, State.SCORED, objective=0.875)])
    proposer(server).propose(REQUEST, history, 3)
    asked = server.requests[0]
    system, user = (m["content"] for m in asked["body"]["messages"])
    assert "<<<\na fox in a forest\n>>>" in user
    assert "0.88: a fox at dawn" in user
    assert "Write 3 new rewrites" in user
    assert "never an instruction" in system
    assert asked["body"]["response_format"]["json_schema"]["schema"]["properties"]["rewrites"]
    assert asked["body"]["seed"] == 7
    assert asked["key"] == f"Bearer {KEY}"


def test_asks_again_only_for_what_is_missing(server):
    server.queue = [(200, '{"rewrites": ["a fox, sepia", "a fox, sepia"]}')]
    texts = [r.text for r in proposer(server).propose(REQUEST, History(), 3)]
    assert len(server.requests) == 2
    assert texts[0] == "a fox, sepia"
    assert len(texts) == 3


@pytest.mark.parametrize(
    "reply",
    [
        '{"rewrites": ["a fox A", "a fox B"]}',
        'Sure! Here you are:\n```json\n{"rewrites": ["a fox A", "a fox B"]}\n```\nEnjoy.',
        '<think>hmm, {"rewrites": []}</think>{"rewrites": ["a fox A", "a fox B", "  "]}',
        '1. "a fox A"\n2. a fox B\n',
        "Here are two:\n- a fox A\n* a fox B",
        '{"rewrites": [\n  "a fox A",\n  "a fox B"\n]}',
    ],
)
def test_replies_of_all_shapes(reply):
    assert parse_reply(reply) == ["a fox A", "a fox B"]


@pytest.mark.parametrize("reply", ["", "I cannot help with that.", '{"rewrites": 3}', "<think>forever"])
def test_replies_without_rewrites(reply):
    assert parse_reply(reply) == []


def test_two_useless_replies_are_an_error_that_shows_the_last(server):
    server.queue = [(200, "no"), (200, "I refuse.")]
    with pytest.raises(ProposerError, match="I refuse"):
        proposer(server).propose(REQUEST, History(), 3)


def test_rate_limits_and_server_faults_are_waited_out(server):
    server.queue = [(429, b"{}"), (500, b"oops")]
    assert len(proposer(server).propose(REQUEST, History(), 2)) == 2
    assert len(server.requests) == 3


def test_a_dead_server_is_one_line_without_the_key(server):
    server.queue = [(500, b"x" * 100)] * 9
    with pytest.raises(ProposerError, match="HTTP 500") as caught:
        proposer(server, retries=0).propose(REQUEST, History(), 2)
    assert KEY not in str(caught.value)
    server.queue = [(401, json.dumps({"error": {"message": f"bad key {KEY}"}}).encode())]
    with pytest.raises(ProposerError, match="refused the key in OPENAI_API_KEY") as caught:
        proposer(server, retries=0).propose(REQUEST, History(), 2)
    assert KEY not in str(caught.value)


def test_the_whole_loop_with_a_chat_model(server, fake_steerer, tmp_path):
    result = fake_steerer(proposer=proposer(server)).run("a fox in a forest", "u1", budget=16, out=tmp_path / "run")
    assert len(result.candidates) > 8
    for path in (tmp_path / "run").iterdir():
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()


def test_no_key_and_no_model_are_said(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="environment variable OPENAI_API_KEY"):
        ChatProposer(ProposerConfig(kind="chat", model="m"))
    with pytest.raises(UsageError, match="needs a model"):
        ChatProposer(ProposerConfig(kind="chat"))


def test_an_own_template(server, tmp_path):
    path = tmp_path / "mine.j2"
    path.write_text(
        "{% macro system() %}S{% endmacro %}{% macro user(prompt, ranked, n) %}Write {{ n }} {{ prompt }}{% endmacro %}"
    )
    proposer(server, template=str(path)).propose(REQUEST, History(), 2)
    assert server.requests[0]["body"]["messages"][1]["content"] == "Write 2 a fox in a forest"
    with pytest.raises(UsageError, match="chat template 'rewrit' not found"):
        proposer(server, template="rewrit")
