"""The first personal picture, as a newcomer makes it: an empty cache, a hub, a preset, and nothing else set.

The hub is a real server on loopback with tiny random models in the layout of the real ones; the API is one that speaks
OpenAI's wire. The commands run in processes of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import Image

from steer.resources import MINIATURE_WEIGHTS
from tests.hub_server import HubServer
from tests.reward_models.prompted.decision_server import DecisionServer, brightness_of
from tests.reward_models.tiny_vlms import save_qwen
from tests.steer.image_server import png
from tests.steer.tiny_pipelines import (
    save_flux,
    save_flux2,
    save_klein,
    save_qwen_image,
    save_sd3,
    save_sdxl,
    save_z_image,
)

VLM, SIGLIP = "Qwen/Qwen3-VL-4B-Instruct", "google/siglip2-so400m-patch16-384"
KLEIN = "black-forest-labs/FLUX.2-klein-4B"


class _Machine:
    """A working folder, an empty cache and a store of its own, and a hub."""

    def __init__(self, folder, hub, **environment):
        self.folder, self.hub = folder, hub
        self.environment = hub.environment(folder / "cache") | {"STEER_USERS": str(folder / "users.db")} | environment

    def __call__(self, *arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "steer", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=400,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def announced(self, preset):
        """(repository, file) of everything that the doctor says will be fetched. Whether a model fits is not asked."""
        done = subprocess.run(
            [sys.executable, "-m", "steer", "doctor", "--config", preset, "--json"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        parts = json.loads(done.stdout)["parts"]
        return {(part["hub"]["repository"], name) for part in parts if part["hub"] for name in part["hub"]["files"]}


@pytest.fixture(scope="module")
def vlm(tmp_path_factory):
    return save_qwen(tmp_path_factory.mktemp("vlm"))


@pytest.fixture
def start(tmp_path, vlm):
    """A machine whose hub has the judge, the encoder and these pipelines."""
    hubs = []

    def begin(repositories, **environment):
        hub = HubServer({VLM: vlm, SIGLIP: MINIATURE_WEIGHTS / "siglip", **repositories})
        hubs.append(hub)
        return _Machine(tmp_path, hub, **environment)

    yield begin
    for hub in hubs:
        hub.close()


def _first_picture(machine, preset, *settings):
    announced = machine.announced(preset)
    machine.hub.fetched.clear()
    said = machine("user", "add", "me", "--profile", "warm light, no neon", "--config", preset)
    assert "the reward is told these words as they are" in said
    assert f"next: steer run --config {preset} --user me" in said
    assert machine.hub.fetched == []
    result = json.loads(
        machine("run", "-u", "me", "-p", "a castle", "--config", preset, "-n", "3", "--json", *settings)
    )
    assert result["pictures"] == 3
    assert not result["failed"]
    assert all(0 <= c["personal"] <= 1 and 0 <= c["fidelity"] <= 1 for c in result["candidates"])
    assert set(machine.hub.fetched) - announced == set()
    assert {name for name, _ in machine.hub.fetched} == {name for name, _ in announced}
    return result, machine.folder / result["folder"] / result["picture"]


@pytest.mark.slow
def test_klein_from_an_empty_cache_to_a_picture(start, tmp_path):
    """Two commands, no other setting; beside the parts, the repository holds the whole model in one file, as the real
    one does, which nobody needs."""
    repository = save_klein(tmp_path / "klein", halvings=3)
    (repository / "flux-2-klein-4b.safetensors").write_bytes(b"\0" * 2000)
    result, picture = _first_picture(start({KLEIN: repository}), "flux2-klein")
    assert Image.open(picture).size == (1024, 1024)
    assert result["tastes"] == [{"user": "me", "ratings": 0, "known": 0.0, "words": "nothing rated yet"}]


SMALL = ("--set", "renderer.width=64", "--set", "renderer.height=64")  # the tiny VAEs of these halve once


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "repository", "save"),
    [
        ("flux1-dev", "black-forest-labs/FLUX.1-dev", save_flux),
        ("flux1-schnell", "black-forest-labs/FLUX.1-schnell", save_flux),
        ("sdxl", "stabilityai/stable-diffusion-xl-base-1.0", save_sdxl),
        ("sdxl-turbo", "stabilityai/sdxl-turbo", save_sdxl),
        ("flux2-klein-9b", "black-forest-labs/FLUX.2-klein-9B", save_klein),
        ("z-image-turbo", "Tongyi-MAI/Z-Image-Turbo", save_z_image),
        ("qwen-image", "Qwen/Qwen-Image-2512", save_qwen_image),
        ("sd35-large", "stabilityai/stable-diffusion-3.5-large", save_sd3),
        ("sd35-large-turbo", "stabilityai/stable-diffusion-3.5-large-turbo", save_sd3),
        ("sd35-medium", "stabilityai/stable-diffusion-3.5-medium", save_sd3),
    ],
)
def test_every_other_preset(start, tmp_path, preset, repository, save):
    folder = save(tmp_path / "pipeline")
    if preset.startswith("sdxl"):
        _in_both_variants(folder)
    _first_picture(start({repository: folder}), preset, *SMALL)


def _in_both_variants(folder):
    """As the real repositories have them."""
    for path in [p for p in folder.rglob("*.safetensors")]:
        (path.parent / path.name.replace(".safetensors", ".fp16.safetensors")).write_bytes(path.read_bytes())
    return folder


@pytest.mark.slow
def test_sdxl_lightning_with_its_lora(start, tmp_path):
    """The LoRA comes from a repository of its own, beside the other files of its makers."""
    folder = save_sdxl(tmp_path / "pipeline")
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    lightning = tmp_path / "lightning"
    StableDiffusionXLPipeline.save_lora_weights(lightning, unet_lora_layers=get_peft_model_state_dict(unet))
    (path,) = lightning.glob("*.safetensors")
    path.rename(lightning / "sdxl_lightning_4step_lora.safetensors")
    (lightning / "sdxl_lightning_2step_lora.safetensors").write_bytes(b"")
    machine = start(
        {"stabilityai/stable-diffusion-xl-base-1.0": _in_both_variants(folder), "ByteDance/SDXL-Lightning": lightning}
    )
    result, _ = _first_picture(machine, "sdxl-lightning", *SMALL)
    manifest = json.loads((machine.folder / result["folder"] / "manifest.json").read_text())
    assert "sdxl_lightning_4step_lora" in json.dumps(manifest)
    assert {n for r, n in machine.hub.fetched if r.endswith("Lightning")} == {"sdxl_lightning_4step_lora.safetensors"}


@pytest.mark.slow
def test_flux2_dev_too(start, tmp_path):
    _first_picture(start({"black-forest-labs/FLUX.2-dev": save_flux2(tmp_path / "p")}), "flux2-dev", *SMALL)


@pytest.mark.slow
def test_a_pipeline_without_a_preset(start, tmp_path):
    """`--config ORG/NAME`, with steps and guidance from its class: here Z-Image, which has two models."""
    machine = start({"Tongyi-MAI/Z-Image": save_z_image(tmp_path / "p")})
    assert ("Tongyi-MAI/Z-Image", "transformer/config.json") in machine.announced("Tongyi-MAI/Z-Image")
    machine("user", "add", "me", "--config", "Tongyi-MAI/Z-Image")
    said = machine("run", "-u", "me", "-p", "a castle", "-c", "Tongyi-MAI/Z-Image", "-n", "2", "--json", *SMALL)
    result = json.loads(said)
    assert result["pictures"] == 2
    manifest = json.loads((machine.folder / result["folder"] / "manifest.json").read_text())
    assert manifest["config"]["renderer"]["steps"] == 50


def test_an_unknown_user_is_refused_before_anything_is_fetched(start, tmp_path):
    machine = start({KLEIN: tmp_path})
    machine("run", "-u", "nobody", "-p", "a castle", "--config", "flux2-klein", code=2)
    assert machine.hub.fetched == []


class _OpenAI(DecisionServer):
    """Pictures, rewrites and decisions at one address."""

    def answer(self, path, body, number=0):
        import base64

        if path == "/v1/images/generations":
            picture = base64.b64encode(png(len(self.requests), (64, 64))).decode()
            assert 0 < brightness_of(picture) < 1
            return {"created": 0, "data": [{"b64_json": picture}]}
        if path == "/v1/chat/completions":
            texts = [f"a castle in light number {len(self.requests)}-{i}" for i in range(6)]
            message = {"role": "assistant", "content": json.dumps({"rewrites": texts})}
            usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            return {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": "m",
                "choices": [choice],
                "usage": usage,
            }
        return super().answer(path, body)


def test_one_key_and_no_card(start):
    """`--config api`: what is sent where, what it costs, and the small encoder that alone is fetched."""
    server = _OpenAI()
    small = "google/siglip2-base-patch16-256"
    machine = start(
        {small: MINIATURE_WEIGHTS / "siglip"},
        OPENAI_API_KEY="sk-test",
        OPENAI_BASE_URL=server.url,
    )
    machine("user", "add", "me", "--profile", "no neon", "--about", "age=30-39", "--config", "api")
    command = ("run", "-u", "me", "-p", "a castle", "--config", "api", "-n", "6", "--json")
    result = json.loads(machine(*command, "--set", "reward.size=64", "--set", "reward.price=0.1"))
    drawn = result["pictures"]  # the guard may drop rewrites
    assert 3 <= drawn <= 6
    assert not result["failed"]
    assert {name for name, _ in machine.hub.fetched} == {small}
    asked = [r["path"].rpartition("/")[2] for r in server.requests]
    assert asked.count("generations") == drawn
    assert asked.count("decisions") == drawn
    assert asked.count("completions") >= 1
    assert "30-39" not in json.dumps(server.requests)
    assert all("no neon" in json.dumps(r) for r in server.requests if not r["path"].endswith("generations"))
    usage = json.loads((machine.folder / result["folder"] / "manifest.json").read_text())["usage"]
    assert usage["reward"]["calls"] == drawn
    assert usage["reward"]["cost"] == pytest.approx(drawn * 300 * 0.1 / 1e6, abs=1e-6)
    assert "sk-test" not in (machine.folder / result["folder"] / "manifest.json").read_text()
    server.close()


def test_without_the_key_the_doctor_and_the_run_say_so(start):
    machine = start({})
    machine.environment.pop("OPENAI_API_KEY", None)
    said = machine("doctor", "--config", "api", code=1)
    assert said.count("there is no key in the environment variable OPENAI_API_KEY") == 3
