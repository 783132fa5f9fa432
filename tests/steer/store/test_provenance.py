"""Every picture's metadata is read by the tools that others read metadata with."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sd_parsers import ParserManager

from steer import Steerer
from steer.config import DiffusersConfig, RemoteConfig, load_config
from steer.renderers.diffusion import DiffusersRenderer
from steer.renderers.painter import PainterRenderer
from steer.renderers.remote import RemoteRenderer
from steer.store.provenance import Drawing, parameters, png_text
from steer.testing import FakeRenderer, FakeReward
from steer.types import Candidate, Rewrite
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
