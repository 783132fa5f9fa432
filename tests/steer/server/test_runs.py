"""Runs by their own routes: watched, stopped, looked at and rated."""

from __future__ import annotations

import io
import json
import threading
import time

import openai
import pytest
from PIL import Image

from steer.server.settings import ServerSettings
from steer.testing import FakeRenderer
from tests.steer.server.conftest import ALL, fake_parts, running
from tests.steer.server.test_queue import SlowRenderer


def http(server):
    return openai.DefaultHttpxClient(base_url=server.root, headers={"Authorization": f"Bearer {ALL}"}, timeout=120)


def events_of(text):
    """The data of server-sent events."""
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


def test_a_run_from_its_start_to_a_rating(painted):
    ask = http(painted)
    started = ask.post("/v1/runs", json={"prompt": "a fox in the snow", "user": "bob", "budget": 8, "seed": 2})
    assert started.status_code == 202
    where = started.headers["location"]
    events = events_of(ask.get(f"{where}/events").text)
    assert [e["id"] for e in events] == list(range(len(events)))
    kinds = [e["event"] for e in events]
    assert kinds[0] == "start"
    assert kinds[-1] == "end"
    assert kinds.count("picture") == 8
    assert "partial" in kinds
    again = events_of(ask.get(f"{where}/events", headers={"Last-Event-ID": "4"}).text)
    assert again == events[5:]
    result = ask.get(f"{where}/result").json()
    assert result["state"] == "done"
    best = result["result"]["best"]
    assert best["liking"] >= result["result"]["original"]["liking"]
    picture = ask.get(best["url"])
    assert Image.open(io.BytesIO(picture.content)).size == (128, 128)
    assert len(ask.get(f"{where}/pictures").json()["data"]) == 8
    before = painted.service.parts.store.told("bob").digest()
    rated = ask.post(f"{where}/rate", json={"picture": best["index"], "score": 5}).json()
    assert rated == {"user": "bob", "picture": best["index"], "score": 5.0, "counts_now": False}
    assert painted.service.parts.store.told("bob").digest() != before
    assert ask.get(f"{where}/questions").json() == {"object": "list", "data": [], "asks": False}
    for wrong in ({"picture": 99, "score": 3}, {"picture": 0, "score": 9}, {"picture": 0}, {}):
        assert ask.post(f"{where}/rate", json=wrong).status_code == 400
    assert ask.post(f"{where}/rate", json={"picture": 0, "score": 3, "user": "u3"}).status_code == 403


def test_people_of_a_data_set_are_not_rated(painted):
    ask = http(painted)
    run = ask.post("/v1/runs", json={"prompt": "a cat", "user": "u3", "budget": 4}).json()["id"]
    ask.get(f"/v1/runs/{run}/events")
    answer = ask.post(f"/v1/runs/{run}/rate", json={"picture": 0, "score": 3})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "read_only")


def test_a_run_that_learns_asks_and_its_ratings_count_at_once(tmp_path):
    with running(fake_parts(tmp_path, SlowRenderer(0.02)), ServerSettings(out=tmp_path / "runs")) as server:
        ask = http(server)
        body = {"prompt": "a fox", "user": "bob", "budget": 16, "learn": True}
        run = ask.post("/v1/runs", json=body).json()["id"]
        found = []
        begun = time.monotonic()
        while not found and time.monotonic() - begun < 60:
            found = ask.get(f"/v1/runs/{run}/questions").json()["data"]
        index = found[0]["picture"]["index"]
        rated = ask.post(f"/v1/runs/{run}/rate", json={"picture": index, "score": 1}).json()
        assert rated["counts_now"]
        ask.get(f"/v1/runs/{run}/events")
        lines = (server.service.runs[run].folder / "journal.jsonl").read_text().splitlines()
        assert any(json.loads(line)["kind"] == "learned" for line in lines)


class HeldRenderer(FakeRenderer):
    """Draws nothing while a question is open, until it is let."""

    def __init__(self):
        super().__init__()
        self.let, self.runs = threading.Event(), {}

    def render(self, prompts, seeds):
        if any(run.open_question() for run in self.runs.values()):
            assert self.let.wait(300)
        return super().render(prompts, seeds)


def test_a_run_asks_which_picture_is_liked_best_and_goes_on_meanwhile(tmp_path):
    renderer = HeldRenderer()
    with running(fake_parts(tmp_path, renderer), ServerSettings(out=tmp_path / "runs")) as server:
        ask, renderer.runs = http(server), server.service.runs
        refused = ask.post("/v1/runs", json={"prompt": "a fox", "user": "u1", "budget": 16, "ask": 2})
        assert (refused.status_code, "one user of your own" in refused.text) == (400, True)
        run = ask.post("/v1/runs", json={"prompt": "a fox", "user": "bob", "budget": 16, "seed": 0, "ask": 2}).json()
        assert run["ask"] == 2
        where, question = f"/v1/runs/{run['id']}", None
        begun = time.monotonic()
        while question is None and time.monotonic() - begun < 300:
            found = ask.get(f"{where}/questions").json()
            question = next(iter(found["data"]), None)
        assert found["asks"]
        assert question["kind"] in ("which", "rate")
        value = question["pictures"][0]["index"] if question["kind"] == "which" else 4
        for wrong, status in (({"question": 9, "value": value}, 404), ({"question": 0, "value": 99}, 400)):
            assert ask.post(f"{where}/answer", json=wrong).status_code == status
        kept = ask.post(f"{where}/answer", json={"question": question["number"], "value": value})
        assert kept.json() == {"user": "bob", "question": question["number"], "value": value}
        assert ask.post(f"{where}/answer", json={"question": question["number"], "value": None}).status_code == 409
        renderer.let.set()
        told = events_of(ask.get(f"{where}/events").text)
        asked = [e for e in told if e["event"] == "question"]
        assert asked[0]["number"] == question["number"]
        answers = [e for e in told if e["event"] == "answer"]
        assert answers[0]["value"] == value
        folder = server.service.runs[run["id"]].folder
        assert {"question", "answer", "learned"} <= {
            json.loads(line)["kind"] for line in (folder / "journal.jsonl").read_text().splitlines()
        }
        assert ask.get(f"{where}/questions").json() == {"object": "list", "data": [], "asks": False}


def test_a_run_goes_on_without_its_watcher_and_stops_when_told(tmp_path):
    with running(fake_parts(tmp_path, SlowRenderer()), ServerSettings(out=tmp_path / "runs")) as server:
        ask = http(server)
        run = ask.post("/v1/runs", json={"prompt": "a fox", "user": "u1", "budget": 16}).json()["id"]
        with ask.stream("GET", f"/v1/runs/{run}/events") as watched:
            next(watched.iter_lines())
        assert ask.get(f"/v1/runs/{run}/result").status_code == 409
        time.sleep(1.0)
        assert ask.get(f"/v1/runs/{run}").json()["state"] == "running"
        waiting = ask.post("/v1/runs", json={"prompt": "a fox", "user": "u1", "budget": 16}).json()
        assert ask.get(f"/v1/runs/{waiting['id']}").json()["before"] == 0
        assert ask.post(f"/v1/runs/{waiting['id']}/stop").json()["state"] == "stopped"
        ask.post(f"/v1/runs/{run}/stop")
        events = events_of(ask.get(f"/v1/runs/{run}/events").text)
        assert events[-1]["state"] == "stopped"
        assert ask.get(f"/v1/runs/{run}/result").json()["result"]["best"]
        assert ask.get(f"/v1/runs/{waiting['id']}/result").json()["result"] is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": "a fox", "user": "u1", "budget": 10**6},
        {"prompt": "a fox", "user": "u1", "seed": -1},
        {"prompt": "a fox", "user": "u1", "steps": 3},
        {"prompt": "a fox", "user": "u1", "negative_prompt": "fog"},
    ],
)
def test_a_run_that_cannot_be(painted, body):
    ask = http(painted)
    answer = ask.post("/v1/runs", json=body)
    if answer.status_code == 202:  # found out when its turn came
        events = events_of(ask.get(f"{answer.headers['location']}/events").text)
        assert events[-1]["state"] == "failed"
        answer = ask.get(f"{answer.headers['location']}/result")
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_health_and_metrics_name_nobody(painted):
    ask = http(painted)
    assert ask.get("/health").json()["model"] == "miniature"
    text = ask.get("/metrics").text
    assert "steer_pictures_total" in text
    assert 'steer_requests_total{route="/v1/runs",status="202"}' in text
    assert "u17" not in text
    assert "bob" not in text
