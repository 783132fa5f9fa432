"""The image API's renderer against a real server that misbehaves."""

from __future__ import annotations

import io
import json
import time

import pytest
from PIL import Image

from steer.config import RemoteConfig, load_config, override
from steer.errors import RenderError, UsageError
from steer.renderers import build_renderer
from steer.renderers.dialect import LARGEST
from steer.testing import RendererConformance
from steer.types import RenderFailure, State
from tests.loopback import packed
from tests.steer.image_server import ImageServer, answer, png

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    found = ImageServer()
    yield found
    found.close()


def renderer(server, **changes):
    values = {
        "kind": "remote",
        "model": "gpt-image",
        "base_url": f"{server.root}/v1",
        "width": 64,
        "height": 32,
        "retries": 2,
    }
    return build_renderer(RemoteConfig(**{**values, **changes}))


def plain(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(buffer, "PNG")
    return buffer.getvalue()


def huge():
    """A small file of 20,000 x 5,000 pixels."""
    buffer = io.BytesIO()
    Image.new("1", (20_000, 5_000)).save(buffer, "PNG")
    return buffer.getvalue()


class TestConformance(RendererConformance):
    """Of an API that takes seeds; one that takes none cannot give the same picture twice."""

    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.server = server

    def make(self):
        return renderer(self.server, seed_field="seed")


def test_what_is_asked(server):
    renderer(server, call={"quality": "low"}).render(["a fox"], [7])
    (request,) = server.requests
    assert request["path"] == "/v1/images/generations"
    assert request["body"] == {"model": "gpt-image", "prompt": "a fox", "n": 1, "size": "64x32", "quality": "low"}
    assert "no seeds: each picture is a new drawing" in renderer(server).name
    renderer(server, seed_field="seed").render(["a fox"], [7])
    assert server.requests[1]["body"]["seed"] == 7


def test_several_at_once_in_order_and_no_more_than_allowed(server):
    server.delay_s = 0.1
    pictures = renderer(server, seed_field="seed", parallel=3).render(["a fox"] * 7, [10, 11, 12, 13, 14, 15, 16])
    assert [p.getpixel((0, 0))[0] for p in pictures] == [10, 11, 12, 13, 14, 15, 16]
    assert 2 <= server.most_at_once <= 3


@pytest.mark.parametrize("code", ["moderation_blocked", "content_policy_violation"])
def test_a_refused_prompt_is_a_failed_picture_with_the_reason(server, code):
    server.queue = [(400, {"error": {"message": "Your request was rejected.", "code": code}})]
    found = renderer(server, parallel=1)
    failure, picture = found.render(["a fox", "a fox"], [1, 2])
    assert failure == RenderFailure("the image API refused the prompt: Your request was rejected.")
    assert isinstance(picture, Image.Image)
    assert found.meter.spent() == {
        "pictures": 1,
        "calls": 2,
        "failed_calls": 1,
        "refused": 1,
        "seconds": found.meter.spent()["seconds"],
    }


def test_retry_after_is_honoured_and_faults_that_pass_are_asked_again(server):
    server.queue = [(429, {"error": {"message": "slow"}}, {"Retry-After": "1"}), (500, b"oops"), None]
    found = renderer(server, parallel=1)
    (picture,) = found.render(["a fox"], [1])
    assert isinstance(picture, Image.Image)
    first, second, _ = server.requests
    assert second["at"] - first["at"] >= 1
    assert found.meter.spent()["calls"] == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        {"created": 0, "data": []},
        {"created": 0, "data": None},
        {"created": 0, "data": [{"b64_json": "%%%"}]},
        answer(b"no picture"),
        answer(png()[:200]),
        {"created": 0, "data": [{"url": "file:///etc/passwd"}]},
        {"created": 0, "data": [{"b64_json": 5}]},
        {"created": 0, "data": [{"url": 5}]},
        {"created": 0, "data": [5]},
        {"created": 0, "data": "no"},
        b'{"data": ' + b"[" * 100_000,
        answer(huge()),
    ],
)
def test_an_answer_without_a_picture_is_asked_again_and_then_a_failed_picture(server, body):
    server.queue = [(200, body), (200, body), None]
    (picture,) = renderer(server, parallel=1).render(["a fox"], [1])
    assert isinstance(picture, Image.Image)
    server.queue = [(200, body)] * 3
    failure, picture = renderer(server, parallel=1).render(["a fox", "a fox"], [1, 2])
    assert failure.reason.startswith("the image API does not give a picture")
    assert isinstance(picture, Image.Image)


def test_a_picture_behind_an_address_is_fetched(server):
    server.queue = [(200, {"created": 0, "data": [{"url": f"{server.root}/picture"}]})]
    (picture,) = renderer(server).render(["a fox"], [1])
    assert picture.size == (32, 32)


@pytest.mark.parametrize(("colour", "reason"), [("black", "black"), ("white", "one plain colour")])
def test_black_and_plain_pictures_are_failures(server, colour, reason):
    server.queue = [(200, answer(plain(colour)))]
    (failure,) = renderer(server).render(["a fox"], [1])
    assert reason in failure.reason


def test_what_will_not_pass_stops_the_run_in_one_line(server):
    for status, body, message in (
        (401, {"error": {"message": f"Incorrect API key {KEY}"}}, "refused the key in OPENAI_API_KEY"),
        (
            400,
            {"error": {"message": "size 64x32 is not supported"}},
            "takes no such request .* size 64x32 is not supported",
        ),
        (404, {"error": {"message": "nothing here"}}, "knows no model 'gpt-image'"),
    ):
        server.queue = [(status, body)]
        with pytest.raises(RenderError, match=message) as caught:
            renderer(server).render(["a fox"], [1])
        assert KEY not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_server_that_hangs_or_is_gone_ends_the_run_not_the_pictures(server, fake_steerer, tmp_path):
    server.queue = [None, None, None, *[("hang", 3)] * 20]
    found = renderer(server, timeout_s=1, retries=0, parallel=1)
    with pytest.raises(RenderError, match=r"does not answer: no answer in time.*steer resume"):
        fake_steerer(renderer=found).run("a fox", "u1", budget=8, out=tmp_path / "run")
    kept = len(list((tmp_path / "run" / "pictures").glob("*.png")))
    assert kept >= 1
    server.queue = []
    again = renderer(server)
    result = fake_steerer(renderer=again).resume(tmp_path / "run")
    assert len(result.candidates) == 8


def test_a_run_counts_what_it_paid_and_refusals_are_never_best(server, fake_steerer, tmp_path):
    refusal = (400, {"error": {"message": "no", "code": "moderation_blocked"}})
    server.queue = [None, None, refusal, refusal]
    result = fake_steerer(renderer=renderer(server, price=0.04)).run("a fox", "u1", budget=10, out=tmp_path / "run")
    states = [c.state for c in result.candidates]
    assert states.count(State.FAILED) == 2
    assert result.best.state is State.SCORED
    usage = json.loads((tmp_path / "run" / "manifest.json").read_text())["usage"]["renderer"]
    assert usage["pictures"] == 8
    assert usage["cost"] == pytest.approx(0.32)
    for path in (tmp_path / "run").rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()


def test_a_broken_address_in_the_environment_is_blamed_before_anything_is_asked(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:99999/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(
        UsageError, match="the environment's OPENAI_BASE_URL: 'http://localhost:99999/v1' is no address"
    ):
        build_renderer(RemoteConfig(model="m"))


def test_no_model_and_no_key_are_said(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match=r"add --set renderer\.model=NAME"):
        build_renderer(load_config("miniature", ["renderer=remote"]).renderer)
    with pytest.raises(UsageError, match="needs a key in the environment variable OPENAI_API_KEY"):
        build_renderer(load_config("miniature", ["renderer=remote", "renderer.model=gpt-image"]).renderer)


def test_each_dialect_is_sent_its_own_fields(server):
    renderer(server, model="flux").render(["a fox"], [1])
    body = server.requests[-1]["body"]
    assert body == {"model": "flux", "prompt": "a fox", "n": 1, "size": "64x32", "response_format": "b64_json"}
    for model in ("gpt-image-2.6-flare", "gpt-image-1.5", "chatgpt-image-latest"):
        renderer(server, model=model, width=1024, height=1024).render(["a fox"], [1])
        assert server.requests[-1]["body"].keys() == {"model", "prompt", "n", "size"}


@pytest.mark.parametrize("param", ["response_format", None])
def test_a_response_format_that_a_server_refuses_is_left_out_from_then_on(server, param):
    error = {"message": "Unknown parameter: 'response_format'.", "param": param, "code": "unknown_parameter"}
    if param:
        error["message"] = "Unknown parameter."
    server.refused = lambda body: error if "response_format" in body else None
    found = renderer(server, model="m", retries=0, parallel=1)
    assert all(isinstance(p, Image.Image) for p in found.render(["a fox"] * 2, [1, 2]))
    assert len(server.requests) == 3
    with pytest.raises(RenderError, match="takes no such request"):  # what was set by hand stays
        renderer(server, model="m", call={"response_format": "b64_json"}).render(["a fox"], [1])


def test_a_size_that_a_model_does_not_draw_is_said_before_anything_is_asked(server):
    for model, size in (("gpt-image-1", 128), ("dall-e-3", 512), ("dall-e-2", 2048)):
        with pytest.raises(UsageError, match=f"'{model}' draws .*, not {size} x {size}; set renderer.width and"):
            renderer(server, model=model, width=size, height=size)
    for model, aspect, size in (
        ("gpt-image-1", "3:2", "1536x1024"),
        ("gpt-image-1", "9:16", "1024x1536"),
        ("gpt-image-1", "1:1", "1024x1024"),
        ("dall-e-3", "16:9", "1792x1024"),
        ("dall-e-2", "4:3", "1024x1024"),
        ("gpt-image-2.6-flare", "3:2", "1248x832"),
    ):
        renderer(server, model=model, width=1024, height=1024, aspect=aspect).render(["a fox"], [1])
        assert server.requests[-1]["body"]["size"] == size


def test_nothing_of_a_local_preset_is_sent_to_an_api(server):
    local = load_config("sdxl", ["renderer.call={clip_skip: 1}", "renderer.negative_prompt=grey", "renderer.steps=9"])
    settings = {"renderer": "remote", "renderer.model": "m", "renderer.base_url": server.url}
    build_renderer(override(local, settings).renderer).render(["a fox"], [1])
    assert server.requests[-1]["body"].keys() == {"model", "prompt", "n", "size", "response_format"}


def at(url):
    return 200, {"created": 0, "data": [{"url": url}]}


def test_a_picture_behind_an_address_costs_bounded_time_and_bytes(server):
    server.pages |= {
        "/drip": ("drip", png()),
        "/endless": ("endless", b"x"),
        "/bomb": packed(b"0" * 2**20, LARGEST // 2**20 + 1),
        "/there": (302, b"", {"Location": "/picture"}),
    }
    for path, reason in (
        ("drip", "no answer in time"),
        ("endless", "larger than 32 MB"),
        ("bomb", "larger than 32 MB"),
    ):
        server.queue = [at(f"{server.root}/{path}")]
        begun = time.monotonic()
        with pytest.raises(RenderError, match=reason):
            renderer(server, timeout_s=1 if path == "drip" else 60, retries=0).render(["a fox"], [1])
        assert time.monotonic() - begun < 30
    server.queue = [at(f"{server.root}/there")]
    assert isinstance(renderer(server, retries=0).render(["a fox"], [1])[0], Image.Image)


def test_a_public_api_cannot_have_a_picture_fetched_from_this_machine(server, monkeypatch):
    """The API is reached through a proxy, which is the test's server; the picture it names is on loopback."""
    monkeypatch.setenv("http_proxy", server.root)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    found = renderer(server, base_url="http://93.184.215.14/v1", parallel=1)
    server.queue = [at(f"{server.root}/picture")]
    failure, picture = found.render(["a fox"] * 2, [1, 2])
    assert failure.reason == (
        f"the image API does not give a picture: the picture is at {server.root}, and only the server that was set, "
        "http://93.184.215.14:80, is asked"
    )
    assert isinstance(picture, Image.Image)
    assert server.fetched == []
    assert len(server.requests) == 2  # it was not paid for again


def test_the_servers_words_hold_no_escapes_and_no_key(server):
    server.queue = [
        (400, {"error": {"message": f"no\x1b]0;title\x07 {KEY}\x1b[31m", "code": "moderation_blocked"}}),
        None,
    ]
    failure, _ = renderer(server, parallel=1).render(["a fox"] * 2, [1, 2])
    assert failure.reason == "the image API refused the prompt: no]0;title (the key)[31m"
