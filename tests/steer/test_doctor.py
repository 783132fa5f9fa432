"""``steer doctor`` against a hub on loopback: what it announces is what the loaders then fetch."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import pytest
from diffusers import StableDiffusionXLPipeline
from transformers import Qwen3ForCausalLM, Qwen3VLForConditionalGeneration

from steer.config import find_config, load_config, read_values
from steer.doctor import examine
from steer.models import Machine
from tests.hub_server import HubServer
from tests.reward_models.tiny_vlms import save_qwen
from tests.reward_models.worlds import save_siglip
from tests.steer.tiny_pipelines import save_klein, save_sdxl

KLEIN, SDXL = "black-forest-labs/FLUX.2-klein-4B", "stabilityai/stable-diffusion-xl-base-1.0"
QWEN, SIGLIP = "Qwen/Qwen3-VL-4B-Instruct", "google/siglip2-so400m-patch16-384"
# in one process, as most of the time is the import of the libraries
EVERYTHING = """
import json, sys
from reward_models.encoders.load import load_encoder
from reward_models.encoders.vlm import load_vlm
from steer.config import load_config
from steer.doctor import examine
from steer.renderers.ready import Loaded

settings = ["renderer.device=cpu", "renderer.dtype=float32"]
presets = [load_config(name, settings) for name in ("flux2-klein", "sdxl")]
look = lambda: [
    {"name": p.name, "files": p.hub.files, "cached": sorted(p.hub.cached), "bytes": p.bytes_, "fault": p.hub.fault}
    for preset in presets for p in examine(preset, {}).parts
]
before = look()
print("looked", flush=True)
sys.stdin.readline()
for preset in presets:
    Loaded(preset.renderer, "cpu")
load_vlm(presets[0].reward.model)
load_encoder(presets[0].reward.features)
print(json.dumps([before, look()]))
"""


def beside(folder, *names):
    """Files of a real repository that no loader reads."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * 5000)


def sharded(kind, folder):
    """The weights of a folder in several files, as those of large models come."""
    model = kind.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="60KB")
    assert (folder / "model.safetensors.index.json").exists()


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """Tiny repositories in the layout of the real ones."""
    root = tmp_path_factory.mktemp("hub")
    klein, sdxl, qwen, siglip = (root / name for name in ("klein", "sdxl", "qwen", "siglip"))
    save_klein(klein)
    sharded(Qwen3ForCausalLM, klein / "text_encoder")
    beside(klein, "flux-2-klein-4b.safetensors", "README.md", "LICENSE.md", ".gitattributes", "teaser.png")
    save_sdxl(sdxl)
    StableDiffusionXLPipeline.from_pretrained(sdxl).save_pretrained(sdxl, variant="fp16")
    for file in (sdxl / "tokenizer_2").iterdir():  # not the first one's files, which the cache would know
        file.write_text(file.read_text() + "\n")
    beside(sdxl, "sd_xl_base_1.0.safetensors", "unet/model.onnx", "unet/model.onnx_data", "README.md")
    beside(sdxl, "vae_1_0/diffusion_pytorch_model.safetensors", "text_encoder/flax_model.msgpack")
    beside(sdxl, "text_encoder/openvino_model.bin", "vae_decoder/config.json", "vae_decoder/model.onnx")
    save_qwen(qwen)
    sharded(Qwen3VLForConditionalGeneration, qwen)
    beside(qwen, "README.md", ".gitattributes")
    save_siglip(siglip)
    beside(siglip, "README.md", ".gitattributes")
    server = HubServer({KLEIN: klein, SDXL: sdxl, QWEN: qwen, SIGLIP: siglip})
    yield server
    server.close()


@pytest.fixture
def environment(hub, tmp_path):
    """Of a program that asks this hub, from an empty cache and without a token."""
    hub.fetched.clear()
    hub.gated.clear()
    return {name: value for name, value in hub.environment(tmp_path / "hf").items() if name != "HF_TOKEN"}


def doctor(environment, *arguments):
    command = [sys.executable, "-m", "steer", "doctor", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_it_announces_exactly_the_files_that_the_loaders_then_fetch(hub, environment):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", EVERYTHING], env=environment, **pipes) as process:
        assert process.stdout.readline() == "looked\n", process.stderr.read()[-3000:]
        assert not hub.fetched  # looking fetches nothing
        out, errors = process.communicate("\n", timeout=240)
    assert process.returncode == 0, errors[-3000:]
    before, after = json.loads(out)

    announced = {part["name"]: set(part["files"]) for part in before}
    assert set(announced) == {KLEIN, SDXL, QWEN, SIGLIP}
    for part in before:
        sizes = hub.files(part["name"])
        assert part["files"] == {name: sizes[name] for name in part["files"]}
        assert part["bytes"] == sum(part["files"].values())
        assert not part["cached"]
    fetched = {name: {file for repo, file in hub.fetched if repo == name} for name in announced}
    unsaid = {name: sorted(fetched[name] - files) for name, files in announced.items()}
    unused = {name: sorted(files - fetched[name]) for name, files in announced.items()}
    assert not any(unsaid.values()), unsaid
    assert not any(unused.values()), unused
    assert all(part["bytes"] == 0 for part in after)


def test_a_licence_that_was_not_accepted_is_one_line_before_anything_is_fetched(hub, environment):
    hub.gated.add(KLEIN)
    done = doctor(environment, "--json", "--config", "flux2-klein")
    assert done.returncode == 1, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["parts"][0]["bytes"] > 0  # how large it is, is public
    assert [line for line in report["problems"] if "accepted its licence" in line and KLEIN in line]
    assert not hub.fetched


def test_a_hub_that_cannot_be_asked_is_a_guess_and_a_line(tmp_path):
    """The sizes are by parameter counts then; and what is not in the cache cannot be had."""
    done = doctor({**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}, "--config", "flux2-klein")
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "16.0 GB to fetch (the hub cannot be asked: a guess" in said
    for name in (KLEIN, QWEN, SIGLIP):
        assert f"'{name}' is not in the cache, and the hub cannot be asked" in said


def test_keys_are_asked_for_and_never_shown(monkeypatch):
    config = load_config("api", ["reward.features=null"])
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert [line.split(":")[0] for line in examine(config, {}).problems] == ["renderer", "reward", "proposer"]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    report = examine(config, {})
    assert report.problems == []
    assert "sk-secret" not in repr(report)
    assert report.requests == 24 + 24 + 4
    assert math.isnan(report.money)  # no price is set
    assert examine(load_config("api", ["renderer.price=0.02"]), {}).money == pytest.approx(0.48)


def test_what_fits_counts_the_reward_beside_the_image_model(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    config, card = load_config("flux2-klein"), read_values(find_config("flux2-klein"))["card"]
    said = {gib: examine(config, card, Machine("cuda", "a card", gib)).fits for gib in (40, 24, 15)}
    assert said[40].startswith("yes (")
    assert said[24].startswith("yes (")
    assert "take turns on the card" in said[24]
    assert said[15].startswith("yes, the text encoders by turns")
    small = examine(config, card, Machine("cuda", "a card", 7.4)).problems
    assert [line for line in small if line.startswith("memory: needs a card with 9 GiB for the reward")]
    laptop = examine(config, card, Machine("cpu", "no GPU", 8))
    assert [line for line in laptop.problems if line.startswith("memory: needs")]


def test_a_trained_reward_that_is_nowhere_is_said_and_one_that_is_here_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config("miniature", ["reward=pamela"])
    assert "steer reward train -c pamela" in examine(config, {}).problems[0]
    (tmp_path / "outputs" / "rewards" / "pamela").mkdir(parents=True)
    assert examine(config, {}).problems == []


def test_the_default_can_run():
    done = doctor(dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert "next      steer user add me" in done.stdout or "next      steer run" in done.stdout


def test_a_lora_is_one_of_the_parts(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    parts = {part.role: part for part in examine(load_config("sdxl-lightning"), {}).parts}
    assert parts["LoRA"].name == "ByteDance/SDXL-Lightning"
    assert parts["LoRA"].where == "the hub"
