"""Every picture's metadata is read by the tools that others read metadata with."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sd_parsers import ParserManager

import steer
from steer import Steerer
from steer.config import DiffusersConfig, RemoteConfig, load_config
from steer.errors import UsageError
from steer.renderers.diffusion import DiffusersRenderer
from steer.renderers.painter import PainterRenderer
from steer.renderers.remote import RemoteRenderer
from steer.store.origin import origin_of
from steer.store.provenance import Drawing, parameters, png_text
from steer.testing import FakeRenderer, FakeReward
from steer.types import Candidate, Rewrite, Start
from tests.steer.command import steer_here
from tests.steer.image_server import ImageServer

sd_geninfo = pytest.importorskip("sd_geninfo.sd_geninfo")


def read_by_others(path):
    """What sd-parsers and sd-geninfo make of a picture: (info of the one, mapping of the other)."""
    info = ParserManager().parse(path)
    assert info is not None, path
    with Image.open(path) as image:
        text, _ = sd_geninfo.read_geninfo(image)
    return info, json.loads(sd_geninfo.yaml_to_json(sd_geninfo.parse_geninfo(text)))


@pytest.fixture(scope="module")
def image_api():
    server = ImageServer()
    yield server
    server.close()


def the_remote(url):
    return RemoteRenderer(RemoteConfig(model="org/model:v2", base_url=url, call={"steps": 4, "cfg_scale": 2.5}))


@pytest.mark.parametrize("kind", ["painter", "diffusers", "remote", "fake"])
def test_every_renderers_pictures_are_read_whole(kind, tiny_flux, image_api, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    renderer = {
        "painter": PainterRenderer,
        "diffusers": lambda: DiffusersRenderer(tiny_flux),
        "remote": lambda: the_remote(image_api.url),
        "fake": FakeRenderer,
    }[kind]()
    config = load_config("miniature", ["search.screen=1", "search.min_likeness=0"])
    steerer = Steerer(config, renderer=renderer, reward=FakeReward())
    result = steerer.run("a fox in the snow, at dawn", "u1", budget=6, seed=3, out=tmp_path / "run")
    drawn = [c for c in result.candidates if c.picture]
    assert drawn
    for candidate in drawn:
        path = tmp_path / "run" / candidate.picture
        theirs, mapping = read_by_others(path)
        sampler = theirs.samplers[0]
        with Image.open(path) as image:
            size = f"{image.width}x{image.height}"
        assert theirs.full_prompt == mapping["Positive prompt"] == candidate.rewrite.text
        assert int(sampler.parameters["seed"]) == mapping["Seed"] == candidate.seed
        assert sampler.name == mapping["Sampler"]
        assert sampler.model.name == mapping["Model"]
        assert theirs.metadata["Size"] == mapping["Size"] == size
        assert int(sampler.parameters["steps"]) == mapping["Steps"]
        assert "Negative prompt" in mapping
    expected = {
        "painter": ("painter", "painter", 0),
        "diffusers": (Path(tiny_flux.model).name, "FlowMatchEulerDiscreteScheduler", 2),
        "remote": ("org/model_v2", "remote", 4),
        "fake": ("fake", "fake", 0),
    }[kind]
    assert (mapping["Model"], mapping["Sampler"], mapping["Steps"]) == expected


@pytest.fixture
def tiny_flux(flux):
    call = {"max_sequence_length": 32}
    return DiffusersConfig(model=str(flux), width=32, height=32, steps=2, batch_size=2, call=call)


def test_a_pipelines_own_guidance_is_told(tiny_flux):
    assert Drawing.of(DiffusersRenderer(tiny_flux).describe()).guidance == 3.5


def test_a_draft_tells_its_own_steps_and_the_negative_prompt_is_there():
    says = {"kind": "diffusers", "model": "m", "steps": 20, "draft": {"steps": 5}, "call": {"guidance_scale": 0}}
    assert Drawing.of(says, "draft") == Drawing("m", "diffusers", 5, 0.0, "")
    assert Drawing.of({**says, "negative_prompt": "fog"}) == Drawing("m", "diffusers", 20, 0.0, "fog")


PLAIN = st.from_regex(r"[A-Za-z][A-Za-z0-9, ()\-]{0,60}[a-z]", fullmatch=True)  # sd-geninfo reads prompts as YAML


@settings(max_examples=20, deadline=None)
@given(text=PLAIN, away=PLAIN, model=st.text(min_size=1, max_size=30), sampler=st.text(min_size=1, max_size=20))
def test_no_name_of_a_model_or_sampler_breaks_a_reader(tmp_path_factory, text, away, model, sampler):
    path = tmp_path_factory.mktemp("png") / "x.png"
    manifest = {
        "parts": {"renderer": {"kind": "diffusers", "model": model, "scheduler": sampler, "negative_prompt": away}},
        "request": {"prompt": text, "user": "u1"},
        "config": {"name": "x"},
        "fingerprint": "0" * 16,
        "steer": "0.1.0",
    }
    Image.new("RGB", (16, 16)).save(path, pnginfo=png_text(Candidate(0, 0, Rewrite(text), 5), manifest, (16, 16)))
    theirs, mapping = read_by_others(path)
    assert theirs.full_prompt == " ".join(text.split())
    assert theirs.full_negative_prompt == " ".join(away.split())
    assert theirs.samplers[0].model.name
    assert mapping["Seed"] == 5
    with Image.open(path) as image:
        assert json.loads(image.text["steer"])["text"] == text


@settings(max_examples=50, deadline=None)
@given(text=st.text(min_size=1, max_size=80))
def test_any_prompt_is_read_by_sd_parsers(text):
    image, file = Image.new("RGB", (8, 8)), io.BytesIO()
    info = PngInfo()
    info.add_itxt("parameters", parameters(text, 1, (8, 8), Drawing("m", "s"), "0.1.0"))
    image.save(file, "PNG", pnginfo=info)
    file.seek(0)
    assert ParserManager().parse(file).samplers[0].parameters["seed"] == "1"


def picture_with(path, **chunks):
    info = PngInfo()
    for name, text in chunks.items():
        info.add_itxt(name, text)
    Image.new("RGB", (32, 32), "teal").save(path, pnginfo=info)
    return path


def test_a_picture_says_what_to_go_on_from(fake_steerer, tmp_path):
    result = fake_steerer().run("a fox", "u1", budget=8, out=tmp_path / "run")
    origin = origin_of(tmp_path / "run" / result.best.picture)
    assert (origin.prompt, origin.start.text, origin.start.seed) == (
        "a fox",
        result.best.rewrite.text,
        result.best.seed,
    )
    theirs = "a castle,\nat dawn\nNegative prompt: rain\nSteps: 20, Sampler: Euler, Seed: 77, Size: 64x64"
    origin = origin_of(picture_with(tmp_path / "a1111.png", parameters=theirs))
    assert (origin.prompt, origin.start) == ("a castle, at dawn", Start("a castle, at dawn", 77))
    short = origin_of(picture_with(tmp_path / "short.png", parameters="a cat\nSteps: 20, Seed: 5"))
    assert short.start == Start("a cat", 5)


@pytest.mark.parametrize(
    "chunks",
    [
        {},
        {"steer": "no JSON"},
        {"steer": '["a list"]'},
        {"steer": '{"text": "a fox", "prompt": "a fox", "seed": -1}'},
        {"steer": '{"text": "a fox", "prompt": "a fox", "seed": true}'},
        {"steer": '{"text": 5, "prompt": "a fox", "seed": 1}'},
        {"steer": json.dumps({"text": "\u202e\n", "prompt": "a fox", "seed": 1})},
        {"parameters": "a fox"},
        {"parameters": f"a fox\nSeed: {10**30}"},
        {"parameters": "\n\n\nSeed: 5"},
    ],
)
def test_a_picture_that_says_nothing_useful_is_one_line(chunks, tmp_path):
    with pytest.raises(UsageError, match="does not say which text and seed it was drawn with"):
        origin_of(picture_with(tmp_path / "x.png", **chunks))


def test_no_picture_at_all_is_one_line(tmp_path):
    (tmp_path / "x.png").write_bytes(b"no picture")
    for path in (tmp_path / "x.png", tmp_path, tmp_path / "none.png"):
        with pytest.raises(UsageError, match=r"^--from: '.*' cannot be read as a PNG picture: .+"):
            origin_of(path)


def test_a_run_starts_with_the_text_and_seed_it_is_given(fake_steerer, tmp_path):
    start = Start("a fox in a hat", 4711, {"dress": "in a hat"})
    steerer = fake_steerer(["search.original_seeds=2"])
    result = steerer.run("a fox", "u1", budget=16, out=tmp_path / "run", start=start)
    first = [(c.rewrite.text, c.seed) for c in result.candidates if c.round == 0]
    assert first[:2] == [("a fox", 4711), ("a fox in a hat", 4711)]
    assert len(first) == len(set(first)) == 4
    assert result.candidates[1].rewrite.changes == {"dress": "in a hat"}
    assert steer.load(tmp_path / "run").request == result.request
    again = fake_steerer(["search.original_seeds=2"]).resume(tmp_path / "run")
    assert [c.facts() for c in again.candidates] == [c.facts() for c in result.candidates]
    same = steerer.run("a fox", "u1", budget=8, out=tmp_path / "same", start=Start("a fox", 5))
    assert (same.candidates[0].rewrite.text, same.candidates[0].seed) == ("a fox", 5)
    assert len({(c.rewrite.text, c.seed) for c in same.candidates}) == len(same.candidates)


def test_a_run_without_a_start_is_identified_as_before(fake_steerer, tmp_path):
    fake_steerer().run("a fox", "u1", budget=4, out=tmp_path / "run")
    assert set(json.loads((tmp_path / "run/manifest.json").read_text())["request"]) == {
        "prompt",
        "user",
        "budget",
        "seed",
    }


def test_from_on_the_command_line(tmp_path):
    fox = steer_here("run", "a fox", "-u", "u17", "-n", 8, "-s", "renderer=painter", "-o", "fox", cwd=tmp_path)
    assert fox.returncode == 0, fox.stderr
    best = json.loads((tmp_path / "fox/result.json").read_text())
    done = steer_here("run", "--from", "fox", "-u", "u3", "-n", 8, "-s", "renderer=painter", "-o", "on", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"from      {best['best']['text']}, seed" in done.stdout
    assert "look different" not in done.stdout
    second = json.loads((tmp_path / "on/result.json").read_text())
    assert second["prompt"] == "a fox"
    assert second["candidates"][1]["text"] == best["best"]["text"]
    drawn = [(tmp_path / f / p).read_bytes() for f, p in (("fox", best["picture"]), ("on", "pictures/0001.png"))]
    assert np.array_equal(*(np.asarray(Image.open(io.BytesIO(data))) for data in drawn))  # the same picture
    picture_with(tmp_path / "plain.png")
    for arguments, why in (
        (("--from", "plain.png"), "does not say which text and seed"),
        (("--from", "fox", "--no-rewrite"), "--no-rewrite the prompt alone"),
        (("--from", "nothing.png"), "cannot be read as a PNG picture"),
    ):
        done = steer_here("run", *arguments, "-u", "u3", cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert why in done.stderr
