"""The queue: bounded, fair, and a place that nobody waits for is free at once."""

from __future__ import annotations

import json
import socket
import threading
import time

import openai
import pytest

from steer.server.queue import Closed, Full, Job, Queue
from steer.server.settings import ServerSettings
from steer.testing import FakeRenderer
from tests.steer.server.conftest import ALL, fake_parts, running


class SlowRenderer(FakeRenderer):
    """A fake that takes its time over each step of a picture, and looks between two steps as real ones do."""

    def __init__(self, step_s=0.05, steps=4):
        super().__init__(batch_size=1)
        self.step_s, self.steps = step_s, steps
        self.begun = threading.Event()

    def render(self, prompts, seeds):
        for _ in range(self.steps):
            self.begun.set()
            time.sleep(self.step_s)
            self.between()
        return super().render(prompts, seeds)


@pytest.fixture
def slow(tmp_path):
    with running(fake_parts(tmp_path, SlowRenderer()), ServerSettings(out=tmp_path / "runs", queue=4)) as server:
        yield server


def client(server, **more):
    return openai.OpenAI(base_url=server.url, api_key=ALL, timeout=120, **{"max_retries": 0, **more})


def waited(condition, most_s=20.0):
    """Seconds until a condition holds."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < most_s
        time.sleep(0.01)
    return time.monotonic() - begun


def raw_request(server, body):
    """A request on a bare socket, to be left in the middle."""
    connection = socket.create_connection(("127.0.0.1", server.port))
    data = json.dumps(body).encode()
    head = (
        f"POST /v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {ALL}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    connection.sendall(head.encode() + data)
    return connection


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_frees_its_place_at_once(slow, stream):
    body = {"prompt": "a fox", "user": "u1", "quality": "high", "stream": stream, "partial_images": 2}
    first = raw_request(slow, body)
    waited(lambda: slow.service.queue.running is not None)
    second = raw_request(slow, body)
    waited(lambda: slow.service.queue.waiting == 1)
    second.close()
    assert waited(lambda: slow.service.queue.waiting == 0) < 3.0
    assert slow.service.queue.running is not None
    first.close()
    assert waited(lambda: slow.service.queue.running is None) < 3.0
    assert {run.state for run in slow.service.runs.values()} == {"cancelled"}
    folder = next(run.folder for run in slow.service.runs.values() if run.folder)
    assert (folder / "manifest.json").exists()  # what was made can be gone on with


def test_a_full_queue_is_429_with_a_time_and_the_client_comes_again(slow):
    leaving = [raw_request(slow, {"prompt": "a fox", "user": "u1", "quality": "high"})]
    waited(lambda: slow.service.queue.running is not None)
    leaving += [raw_request(slow, {"prompt": "a fox", "user": user, "quality": "high"}) for user in ("u1", "u17")]
    waited(lambda: slow.service.queue.waiting == 2)
    leaving += [raw_request(slow, {"prompt": "a fox", "user": user, "quality": "high"}) for user in ("u17", "blue")]
    waited(lambda: slow.service.queue.waiting == 4)
    with pytest.raises(openai.RateLimitError) as caught:
        client(slow).images.generate(prompt="a fox", user="bob")
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 120
    assert caught.value.body["code"] == "queue_full"
    threading.Timer(1.0, lambda: [each.close() for each in leaving]).start()
    answer = client(slow, max_retries=9).images.generate(prompt="a fox", user="bob", quality="low")
    assert answer.steer["user"] == "bob"


def test_one_user_gets_half_of_the_places(slow):
    leaving = [raw_request(slow, {"prompt": "a fox", "user": "u1", "quality": "high"})]
    waited(lambda: slow.service.queue.running is not None)  # else the third is one too many
    leaving += [raw_request(slow, {"prompt": "a fox", "user": "u1", "quality": "high"}) for _ in range(2)]
    waited(lambda: slow.service.queue.waiting == 2)
    with pytest.raises(openai.RateLimitError, match="for 'u1'"):
        client(slow).images.generate(prompt="a fox", user="u1")
    for each in leaving:
        each.close()


def test_a_text_does_not_wait_for_a_picture(slow):
    raw = raw_request(slow, {"prompt": "a fox", "user": "u1", "quality": "high"})
    waited(lambda: slow.service.queue.running is not None)
    begun = time.monotonic()
    message = {"role": "user", "content": "a cat"}
    answer = client(slow).chat.completions.create(model="miniature/u17", messages=[message])
    assert "a cat" in answer.choices[0].message.content
    assert time.monotonic() - begun < 10
    assert slow.service.queue.running is not None
    raw.close()


def test_a_graceful_stop_answers_what_was_made_and_refuses_what_waits(tmp_path):
    with running(fake_parts(tmp_path, SlowRenderer()), ServerSettings(out=tmp_path / "runs")) as server:
        answers = {}

        def ask(name):
            try:
                more = {"prompt": "a fox", "user": "u1", "quality": "high"}
                answers[name] = client(server).images.generate(**more)
            except openai.APIStatusError as error:
                answers[name] = error

        first = threading.Thread(target=ask, args=("first",))
        first.start()
        waited(lambda: any(run.progress() > 0.2 for run in server.service.runs.values()))
        second = threading.Thread(target=ask, args=("second",))
        second.start()
        waited(lambda: server.service.queue.waiting == 1)
        server.serving.stop()
        first.join(30)
        second.join(30)
    assert answers["first"].data[0].b64_json
    assert answers["first"].steer["pictures"] < 16
    assert answers["second"].status_code == 503
    assert int(answers["second"].response.headers["retry-after"]) > 0
    run = next(iter(server.service.runs.values()))
    assert run.state == "stopped"
    assert (run.folder / "result.json").exists()


def test_users_take_turns():
    queue, order, gate = Queue(100), [], threading.Event()
    queue.submit(Job("x", lambda: gate.wait(20)))
    waited(lambda: queue.running is not None)
    jobs = [Job(user, lambda user=user: order.append(user)) for user in "aaaabbc"]
    for job in jobs:
        queue.submit(job)
    assert [queue.place(job) for job in jobs] == [0, 3, 5, 6, 1, 4, 2]
    gate.set()
    jobs[3].done.result(20)
    assert order == list("abcabaa")
    queue.close()
    with pytest.raises(Closed):
        queue.submit(Job("a", list))


def test_a_bug_in_a_job_is_an_error_and_the_next_goes_on():
    queue = Queue(2)
    broken, fine = Job("a", lambda: 1 / 0), Job("a", lambda: 7)
    queue.submit_short(broken)
    queue.submit_short(fine)
    assert fine.done.result(20) == 7
    assert "ZeroDivisionError" in str(broken.done.exception())
    gate = threading.Event()
    queue.submit(Job("a", lambda: gate.wait(20)))
    waited(lambda: queue.running is not None)
    queue.submit(Job("a", list))
    with pytest.raises(Full) as full:
        queue.submit(Job("a", list))
    assert full.value.retry_s >= 1
    gate.set()
    queue.close()
