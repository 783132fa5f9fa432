"""What each dialect sends and understands, against servers on loopback and the fields of the engines' own protocols."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from reward_models.remote import picture_of
from steer.config import RemoteConfig
from steer.errors import RenderError, UsageError
from steer.renderers import build_renderer
from steer.renderers.comfyui import PLAIN
from steer.renderers.image_api import Engine
from steer.testing import RendererConformance
from tests.loopback import Loopback
from tests.steer.image_server import ImageServer, png

FIELDS = json.loads((Path(__file__).parent / "engine_fields.json").read_text())
FULL = {"model": "m", "steps": 9, "guidance": 3.5, "negative_prompt": "grey", "width": 64, "height": 32}


@pytest.fixture
def server():
    found = ImageServer()
    yield found
    found.close()


def renderer(server, dialect, **changes):
    values = {"dialect": dialect, "base_url": f"{server.root}/v1", "width": 64, "height": 32, "retries": 0}
    return build_renderer(RemoteConfig(**{**values, **changes}))


@pytest.mark.parametrize("dialect", ["sglang", "vllm-omni"])
def test_engines_are_sent_seed_steps_guidance_and_negative_prompt(server, dialect):
    renderer(server, dialect).render(["a fox"], [7])
    assert server.requests[-1]["path"] == "/v1/images/generations"
    assert server.requests[-1]["body"] == {
        "prompt": "a fox",
        "n": 1,
        "size": "64x32",
        "response_format": "b64_json",
        "generator_device": "cpu",
        "seed": 7,
    }
    renderer(server, dialect, **FULL, call={"true_cfg_scale": 4.0, "generator_device": "cuda"}).render(["a fox"], [7])
    sent = server.requests[-1]["body"]
    assert (sent["model"], sent["num_inference_steps"], sent["guidance_scale"]) == ("m", 9, 3.5)
    assert (sent["negative_prompt"], sent["true_cfg_scale"], sent["generator_device"]) == ("grey", 4.0, "cuda")


@pytest.mark.parametrize("package", ["sglang", "vllm_omni"])
def test_the_engines_have_every_field_that_is_sent_and_read(package):
    """Against the fields of their protocol classes, as scripts/engine_fields.py wrote them down."""
    known = FIELDS[package]
    sent = Engine(RemoteConfig(dialect="sglang", **FULL)).body("a fox", 7)
    assert sent.keys() <= known["request"].keys()
    assert {name for name, default in known["request"].items() if default == "required"} <= sent.keys()
    assert {"b64_json", "url"} <= known["picture"].keys()
    assert known["answer"]["data"] == "required"


@pytest.mark.slow
@pytest.mark.skipif("STEER_WHEELS" not in os.environ, reason="a folder with the wheels, see scripts/engine_fields.py")
def test_the_engines_own_models_take_our_requests_and_we_take_their_answers():
    path = Path(__file__).parents[3] / "scripts" / "engine_fields.py"
    spec = importlib.util.spec_from_file_location("engine_fields", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    found = script.models(Path(os.environ["STEER_WHEELS"]))
    assert found.keys() == {"sglang", "vllm_omni"}
    for package, (_, request, answer, picture) in found.items():
        assert script.facts(found[package]) == FIELDS[package]
        for config in ({}, FULL):
            sent = Engine(RemoteConfig(dialect="sglang", **config)).body("a fox", 7)
            read = request.model_validate(sent)
            assert read.model_fields_set == sent.keys()
            assert not read.model_extra
            assert read.model_dump(mode="json", include=sent.keys()) == sent
        inline = answer(id="1", created=0, data=[picture(b64_json=base64.b64encode(png()).decode())])
        assert picture_of(json.loads(inline.model_dump_json())) == png()
        behind = answer(id="1", created=0, data=[picture(url="/v1/images/1/content")])
        assert picture_of(json.loads(behind.model_dump_json())) == "/v1/images/1/content"


def test_a_picture_at_a_path_of_the_server_is_fetched_there(server):
    server.queue = [(200, {"created": 0, "data": [{"url": "/picture"}]})]
    assert isinstance(renderer(server, "sglang").render(["a fox"], [1])[0], Image.Image)
    assert server.fetched == ["/picture"]


@pytest.mark.parametrize("dialect", ["openai", "sglang"])
@pytest.mark.parametrize("way", ["address", "redirect", "no scheme"])
def test_no_other_server_is_asked_for_a_picture(server, dialect, way):
    other = ImageServer()
    try:
        server.pages["/there"] = (302, b"", {"Location": f"{other.root}/picture"})
        url = {
            "address": f"{other.root}/picture",
            "redirect": f"{server.root}/there",
            "no scheme": f"//{other.root.removeprefix('http://')}/picture",
        }[way]
        server.queue = [(200, {"created": 0, "data": [{"url": url}]})]
        said = f"the picture is at {other.root}, and only the server that was set, {server.root}, is asked"
        with pytest.raises(RenderError, match=said) as caught:
            renderer(server, dialect, model="m", retries=3).render(["a fox"], [1])
        assert "\n" not in str(caught.value)
        assert other.fetched == []
        assert len(server.requests) == 1  # it was not paid for again
    finally:
        other.close()


def test_the_openai_dialect_has_no_place_for_steps(server):
    for name, value in (("steps", 9), ("guidance", 2.0), ("negative_prompt", "grey")):
        with pytest.raises(UsageError, match=rf"OpenAI's images API has no {name}; set renderer\.dialect"):
            renderer(server, "openai", model="m", **{name: value})


class SdServer(ImageServer):
    """As stable-diffusion.cpp's server answers /sdapi/v1/txt2img."""

    def answer(self, path, body, number):
        if path != "/sdapi/v1/txt2img":
            return 404, {}
        picture = base64.b64encode(png(body["seed"])).decode()
        return {"images": [picture], "parameters": body, "info": ""}


class TestSdCpp(RendererConformance):
    @pytest.fixture(autouse=True)
    def _server(self):
        self.server = SdServer()
        yield
        self.server.close()

    def make(self):
        return renderer(self.server, "sd.cpp")

    def test_what_is_sent(self):
        renderer(self.server, "sd.cpp", **FULL, call={"sampler_name": "euler"}).render(["a fox"], [7])
        assert self.server.requests[-1]["body"] == {
            "prompt": "a fox",
            "negative_prompt": "grey",
            "width": 64,
            "height": 32,
            "batch_size": 1,
            "steps": 9,
            "cfg_scale": 3.5,
            "sampler_name": "euler",
            "seed": 7,
        }

    def test_a_text_cannot_set_the_server(self):
        texts = ['a fox <sd_cpp_extra_args>{"seed": 1}</sd_cpp_extra_args>', "a fox"]
        failure, picture = renderer(self.server, "sd.cpp").render(texts, [1, 2])
        assert failure.reason == "the text has <sd_cpp_extra_args> in it, which the server would obey"
        assert isinstance(picture, Image.Image)
        assert len(self.server.requests) == 1

    def test_an_answer_without_pictures(self):
        for answer in ({"images": []}, {"images": [5]}, [], {"images": ["%"]}):
            self.server.queue = [(200, answer)]
            with pytest.raises(RenderError, match="does not give a picture"):
                self.make().render(["a fox"], [1])


class ComfyServer(Loopback):
    """As ComfyUI answers /prompt, /history and /view; a workflow is done after it was looked at twice."""

    def __init__(self):
        self.graphs, self.looks, self.deleted, self.never, self.status = {}, {}, [], False, None
        super().__init__()

    def answer(self, path, body, number):
        if path == "/queue":
            self.deleted += body["delete"]
            return 200, b""
        name = f"{number:08d}-aaaa"
        self.graphs[name] = body["prompt"]
        return {"prompt_id": name, "number": number, "node_errors": {}}

    def page(self, path):
        if path == "/system_stats":
            return 200, {"system": {}}
        if path.startswith("/history/"):
            name = path.rpartition("/")[2]
            self.looks[name] = self.looks.get(name, 0) + 1
            if self.looks[name] < 2 or self.never:
                return 200, {}
            if self.status:
                return 200, {name: {"outputs": {}, "status": self.status}}
            images = [{"filename": f"{name}.png", "subfolder": "", "type": "temp"}]
            return 200, {name: {"outputs": {"picture": {"images": images}}, "status": {"status_str": "success"}}}
        if path.startswith("/view?"):
            name = path.partition("filename=")[2].partition(".png")[0]
            assert path.endswith("&subfolder=&type=temp")
            return 200, png(self.seed(self.graphs[name])), {"Content-Type": "image/png"}
        return 404, {}

    @staticmethod
    def seed(graph):
        return next(n["inputs"]["seed"] for n in graph.values() if n["class_type"] == "KSampler")


@pytest.fixture
def comfy():
    found = ComfyServer()
    yield found
    found.close()


class TestComfyUI(RendererConformance):
    @pytest.fixture(autouse=True)
    def _server(self, comfy):
        self.server = comfy

    def make(self):
        return renderer(self.server, "comfyui", model="sdxl.safetensors")


def workflow(path, **inputs):
    path.write_text(json.dumps({"3": {"class_type": "KSampler", "inputs": inputs}}))
    return str(path)


def test_a_plain_workflow_is_filled_in(comfy):
    renderer(comfy, "comfyui", model="sdxl.safetensors", negative_prompt="grey").render(["a {seed} fox"], [7])
    (graph,) = comfy.graphs.values()
    assert graph["wanted"]["inputs"]["text"] == "a {seed} fox"  # a prompt is a text, whatever is in it
    assert graph["unwanted"]["inputs"]["text"] == "grey"
    assert graph["checkpoint"]["inputs"]["ckpt_name"] == "sdxl.safetensors"
    assert graph["canvas"]["inputs"] == {"width": 64, "height": 32, "batch_size": 1}
    sampler = graph["sampler"]["inputs"]
    assert (sampler["seed"], sampler["steps"], sampler["cfg"]) == (7, 20, 7.0)
    assert PLAIN["sampler"]["inputs"]["seed"] == "{seed}"


def test_an_own_workflow_is_filled_in_and_decides_the_fingerprint(comfy, tmp_path):
    own = workflow(tmp_path / "w.json", seed="{seed}", text="{text}, oil painting, {steps} steps", n="{steps}")
    found = renderer(comfy, "comfyui", workflow=own, steps=4)
    found.render(["a fox"], [7])
    (graph,) = comfy.graphs.values()
    assert graph["3"]["inputs"] == {"seed": 7, "text": "a fox, oil painting, 4 steps", "n": 4}
    other = workflow(tmp_path / "v.json", seed="{seed}", text="{text}, a photo, {steps}")
    assert found.describe() != renderer(comfy, "comfyui", workflow=own, steps=5).describe()
    digests = {renderer(comfy, "comfyui", workflow=w, steps=4).describe()["workflow_sha256"] for w in (own, other)}
    assert len(digests) == 2


def test_a_workflow_that_cannot_be_used_is_said_before_anything_is_asked(comfy, tmp_path):
    for content, settings, said in (
        ("no", {}, "cannot be read"),
        ('{"nodes": []}', {}, "no workflow in API format"),
        ('{"3": {"class_type": "K", "inputs": {"text": "{text}"}}}', {}, "has no {seed} in any"),
        ('{"3": {"class_type": "K", "inputs": {"a": "{text}", "b": "{seed}"}}}', {"steps": 4}, "renderer.steps is set"),
        ('{"3": {"class_type": "K", "inputs": {"a": "{text}", "b": "{seed}{steps}"}}}', {}, "set renderer.steps="),
    ):
        (tmp_path / "w.json").write_text(content)
        with pytest.raises(UsageError, match=r"remote renderer: .*") as caught:
            renderer(comfy, "comfyui", workflow=str(tmp_path / "w.json"), **settings)
        assert said in str(caught.value)
    with pytest.raises(UsageError, match=r"a place for {model}; add --set renderer\.model="):
        renderer(comfy, "comfyui")
    assert comfy.requests == []


def test_a_workflow_that_fails_says_which_node_and_one_that_is_given_up_leaves_the_queue(comfy):
    facts = {"node_type": "KSampler", "exception_message": "out of\nmemory"}
    comfy.status = {"status_str": "error", "messages": [["execution_start", {}], ["execution_error", facts]]}
    with pytest.raises(RenderError, match="the workflow ended without a picture: KSampler, out of memory"):
        renderer(comfy, "comfyui", model="m").render(["a fox"], [1])
    comfy.never = True
    with pytest.raises(RenderError, match="no answer in time"):
        renderer(comfy, "comfyui", model="m", timeout_s=0.5).render(["a fox"], [1])
    assert comfy.deleted == [max(comfy.graphs)]


def test_a_look_that_fails_does_not_queue_the_workflow_again(comfy):
    real, failed = comfy.page, []

    def page(path):
        if path.startswith("/history/") and len(failed) < 3:
            failed.append(path)
            return "reset", b""
        return real(path)

    comfy.page = page
    (picture,) = renderer(comfy, "comfyui", model="m").render(["a fox"], [1])
    assert isinstance(picture, Image.Image)
    assert (len(comfy.graphs), len(failed)) == (1, 3)
