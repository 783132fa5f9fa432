"""`--config ORG/NAME` or a folder: any text-to-image pipeline, with what its class says; and what is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from steer.config import load_config, values_of
from steer.errors import UsageError
from tests.hub_server import HubServer


def _folder(tmp_path, kind, **parts):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": kind, **parts}))
    return str(tmp_path)


def test_a_folder_with_what_its_class_says(z_image):
    config = load_config(str(z_image))
    r = config.renderer
    assert (r.model, r.steps, r.size, r.batch_size, r.call) == (str(z_image), 50, (1024, 1024), 1, {})
    assert (config.proposer.style, config.reward.kind) == ("sentences", "prompted")


def test_settings_go_upon_it(z_image):
    r = load_config(str(z_image), ["renderer.steps=9", "renderer.call={guidance_scale: 0}"]).renderer
    assert (r.steps, r.call) == (9, {"guidance_scale": 0})


def test_one_that_draws_without_guidance_unless_it_has_a_negative_prompt(qwen_image):
    assert load_config(str(qwen_image)).renderer.call == {"negative_prompt": " "}


def test_one_of_clip_gets_tags_and_the_size_of_its_unet(tmp_path):
    folder = _folder(tmp_path, "StableDiffusionPipeline", unet=["diffusers", "UNet2DConditionModel"], vae=["d", "V"])
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text('{"sample_size": 64}')
    config = load_config(folder)
    assert (config.renderer.size, config.renderer.variant, config.proposer.style) == ((512, 512), None, "tags")


def test_a_model_that_has_a_preset_gets_it():
    assert load_config("black-forest-labs/FLUX.1-schnell") == load_config("flux1-schnell")
    assert load_config("stabilityai/stable-diffusion-xl-base-1.0") == load_config("sdxl")  # and not sdxl-lightning
    assert values_of("Qwen/Qwen-Image-2512")[0]["card"]["licence"] == "Apache-2.0"


ASKED = """
from steer.config import load_config
from steer.errors import UsageError
for name in ("Org/Z-Pictures", "Org/Words", "Org/Nothing"):
    try:
        config = load_config(name)
        print(config.name, config.renderer.model, config.renderer.steps)
    except UsageError as error:
        print(error)
"""


def test_from_the_hub(tmp_path, z_image):
    """Only the index is fetched; what the hub does not have, and what is no pipeline, is one line each."""
    words = tmp_path / "words"
    words.mkdir()
    (words / "config.json").write_text("{}")
    hub = HubServer({"Org/Z-Pictures": z_image, "Org/Words": words})
    try:
        done = subprocess.run(
            [sys.executable, "-c", ASKED],
            env=hub.environment(tmp_path / "cache"),
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        hub.close()
    assert done.stdout.splitlines() == [
        "Z-Pictures Org/Z-Pictures 50",
        "'Org/Words' is no config file, and on the hub it holds no pipeline of diffusers",
        "there is no config file 'Org/Nothing', and the hub has no model of that name",
    ]
    assert [name for _, name in hub.fetched] == ["model_index.json"]


@pytest.mark.parametrize(
    "kind",
    [
        "StableDiffusionXLImg2ImgPipeline",
        "QwenImageEditPipeline",
        "StableDiffusionXLControlNetPipeline",
        "WanPipeline",
        "StableAudioPipeline",
        "StableVideoDiffusionPipeline",
        "DDPMPipeline",
        "FluxFillPipeline",
    ],
)
def test_a_pipeline_that_is_not_from_text_to_picture(tmp_path, kind):
    with pytest.raises(UsageError, match=f"is a {kind}, which does not draw pictures from texts alone"):
        load_config(_folder(tmp_path, kind))


@pytest.mark.parametrize(
    "kind",
    [
        "StableDiffusionPipeline",
        "FluxPipeline",
        "Flux2Pipeline",
        "Flux2KleinPipeline",
        "SanaPipeline",
        "ChromaPipeline",
        "PixArtSigmaPipeline",
        "Lumina2Pipeline",
        "HiDreamImagePipeline",
        "Kandinsky3Pipeline",
    ],
)
def test_pipelines_that_are(tmp_path, kind):
    assert load_config(_folder(tmp_path, kind)).renderer.steps >= 1


def test_folders_that_hold_none(tmp_path):
    with pytest.raises(UsageError, match=r"holds no pipeline of diffusers \(no model_index.json\)"):
        load_config(str(tmp_path))
    with pytest.raises(UsageError, match="of the class 'NoSuchPipeline', which diffusers"):
        load_config(_folder(tmp_path, "NoSuchPipeline"))
