"""Several engines that share the work: processes on loopback that draw one picture at a time in a fixed time."""

from __future__ import annotations

import io
import json
import threading
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from PIL import Image

from steer.config import RemoteConfig
from steer.errors import RenderError, UsageError
from steer.renderers import build_renderer
from steer.types import State
from tests.steer.engines import EngineProcess, picture
from tests.steer.image_server import ImageServer


@pytest.fixture
def engines():
    """``engines(SECONDS, WAY...)``: one engine for each way."""
    with ExitStack() as stack:

        def start(seconds, *ways):
            found = [EngineProcess(seconds, *([way] if way else [])) for way in ways]
            for engine in found:
                stack.callback(engine.close)
            assert all(engine.name for engine in found)
            return found

        yield start


def pool(engines, **settings):
    values = {"kind": "remote", "dialect": "sglang", "base_urls": [e.url for e in engines], "timeout_s": 20}
    return build_renderer(RemoteConfig(**{**values, **settings}))


def right(result, seed, text):
    return result.tobytes() == Image.open(io.BytesIO(picture(seed, text))).convert("RGB").tobytes()


def test_the_rate_grows_with_the_engines(engines):
    """1.99 and 3.94 times in benchmarks/pool.py; where the tests share their cores with others it is less."""
    all_four, rates = engines(0.12, "", "", "", ""), {}
    for n in (1, 2, 4):
        found = pool(all_four[:n])
        found.render(["warm"] * n, range(n))
        before = [len(e.drawn()) for e in all_four[:n]]
        begun = time.perf_counter()
        results = found.render(["a fox"] * 16, range(16))
        rates[n] = 16 / (time.perf_counter() - begun)
        shares = [len(e.drawn()) - was for e, was in zip(all_four, before, strict=False)]
        assert max(shares) - min(shares) <= 4
        assert all(right(r, seed, "a fox") for seed, r in enumerate(results))
    assert rates[2] / rates[1] > 1.3
    assert rates[4] / rates[1] > 1.8


def test_one_that_is_killed_loses_nothing_and_nothing_is_drawn_twice(engines, fake_steerer, tmp_path):
    three, sent_before = engines(0.05, "", "", ""), []
    renderer = pool(three, hedge=None)

    def kill():
        sent_before.extend(three[1].drawn())
        three[1].kill()

    timer = threading.Timer(0.4, kill)
    timer.start()
    result = fake_steerer(renderer=renderer).run("a fox", "u1", budget=48, out=tmp_path / "run")
    timer.join()
    assert [c.state for c in result.candidates] == [State.SCORED] * 48
    journal = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    scored = Counter(line["index"] for line in journal if line["kind"] == "candidate" and line["state"] == "SCORED")
    assert scored == Counter(range(48))
    sent = Counter(each for engine in (three[0], three[2]) for each in engine.drawn()) + Counter(sent_before)
    usage = renderer.meter.spent()
    assert sum(sent.values()) - len(sent) <= usage["checks"]
    for c in result.candidates:
        assert right(Image.open(tmp_path / "run" / c.picture), c.seed, c.rewrite.text)
    name = three[1].name
    assert any(name in each and "others draw in its place" in each for each in result.warnings)
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["warnings"] == result.warnings


def test_one_that_draws_wrongly_is_found_named_and_not_used(engines, fake_steerer, tmp_path):
    four = engines(0.02, "", "wrong", "", "")
    renderer = pool(four)
    result = fake_steerer(renderer=renderer).run("a fox", "u1", budget=24, out=tmp_path / "run")
    (said,) = [each for each in result.warnings if "draws another picture" in each]
    assert said.startswith(f"the engine {four[1].name} draws another picture than {four[0].name}, ")
    assert "gets no more work" in said
    for c in result.candidates:
        assert right(Image.open(tmp_path / "run" / c.picture), c.seed, c.rewrite.text)
    usage = json.loads((tmp_path / "run" / "manifest.json").read_text())["usage"]["renderer"]
    assert usage["checks"] == 3
    before = len(four[1].drawn())
    renderer.render(["a fox"] * 12, range(500, 512))
    assert len(four[1].drawn()) == before


def test_of_two_that_differ_the_first_is_used(engines):
    two = engines(0.01, "", "wrong")
    renderer = pool(two)
    assert all(right(r, seed, "a fox") for seed, r in enumerate(renderer.render(["a fox"] * 8, range(8))))
    assert "which of the two is right is not known" in renderer.remarks[0]


def test_one_that_begins_to_draw_wrongly_is_found_at_the_next_check(engines):
    two = engines(0.01, "", "")
    renderer = pool(two, check_every=8)
    renderer.render(["a fox"] * 8, range(8))
    assert renderer.remarks == []
    assert renderer.meter.spent()["checks"] == 1
    renderer.render(["a fox"] * 8, range(8, 16))
    assert renderer.meter.spent()["checks"] == 2


def test_an_engine_that_does_not_heed_the_seed_is_said(engines, fake_steerer, tmp_path):
    found = pool(engines(0.01, "constant"))
    found.render(["a fox"] * 4, range(4))
    said = "the image API gave equal pictures for different seeds, 3 so far: it does not heed 'seed'"
    assert found.remarks == [said]
    result = fake_steerer(renderer=found).run("a dog", "u1", budget=4, out=tmp_path / "run")
    assert result.warnings == found.remarks


def test_one_that_hangs_is_overtaken_by_another(engines):
    two = engines(0.02, "", "")
    renderer = pool(two, hedge=3, parallel=2)
    renderer.render(["a fox"] * 8, range(8))
    two[1].pause()
    begun = time.monotonic()
    results = renderer.render(["a fox"] * 8, range(20, 28))
    assert time.monotonic() - begun < 10  # the limit of one attempt is 20
    two[1].goes_on()
    assert all(right(r, seed, "a fox") for seed, r in enumerate(results, start=20))
    assert 1 <= renderer.meter.spent()["hedges"] <= 2


def test_one_that_is_gone_from_the_start_is_said_and_all_gone_end_the_run(engines):
    three = engines(0.01, "", "", "")
    three[0].kill()
    renderer = pool(three)
    assert all(right(r, seed, "a fox") for seed, r in enumerate(renderer.render(["a fox"] * 6, range(6))))
    assert renderer.remarks == [f"the engine {three[0].name} does not answer; others draw in its place"]
    three[1].kill()
    three[2].kill()
    with pytest.raises(RenderError, match=r"the image API does not answer: .*try again later"):
        pool(three, retries=0).render(["a fox"] * 6, range(6))


def test_pictures_that_cost_money_or_have_no_seed_are_never_asked_for_twice(engines):
    two = engines(0.01, "", "")
    renderer = pool(two, price=0.01)
    renderer.render(["a fox"] * 10, range(10))
    assert sum(len(e.drawn()) for e in two) == 10
    assert renderer.meter.spent()["pictures"] == 10


def test_an_engine_that_is_well_again_gets_work_again(monkeypatch):
    monkeypatch.setattr("steer.renderers.pool.HEALTH_S", 0.1)
    servers = [ImageServer(), ImageServer()]
    for server in servers:
        server.pages["/health"] = (200, {})
        server.delay_s = 0.05
    try:
        servers[1].queue = [(500, b"oops")]
        found = build_renderer(
            RemoteConfig(dialect="vllm-omni", base_urls=[s.url for s in servers], check_every=None, hedge=None)
        )
        assert all(isinstance(r, Image.Image) for r in found.render(["a fox"] * 60, range(60)))
        name = servers[1].root.removeprefix("http://")
        assert [each.split(" (")[0] for each in found.remarks] == [
            f"the engine {name} failed",
            f"the engine {name} answers again",
        ]
        assert len(servers[1].requests) > 8
        assert found.meter.spent()["moved"] == 1
    finally:
        for server in servers:
            server.close()


def test_addresses_are_named_once_and_in_one_place():
    with pytest.raises(ValueError, match="not both"):
        RemoteConfig(base_url="http://a:1", base_urls=["http://b:1"])
    with pytest.raises(ValueError, match="twice"):
        RemoteConfig(base_urls=["http://b:1", "http://b:1"])
    with pytest.raises(UsageError, match=r"SGLang-Diffusion needs its address; set renderer\.base_url"):
        build_renderer(RemoteConfig(dialect="sglang"))
