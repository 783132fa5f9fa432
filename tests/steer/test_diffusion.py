"""The diffusers renderer on a tiny random SDXL pipeline built on disk, and its refusals."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from steer.config import RendererConfig
from steer.errors import RenderError, SteerError
from steer.miniature.train.text import build_tokenizer, captions
from steer.renderers.diffusion import DiffusersRenderer
from steer.testing import RendererConformance
from steer.types import RenderFailure


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory):
    """A StableDiffusionXLPipeline of random parts, saved as safetensors."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("sdxl")
    tokenizer = build_tokenizer(captions(0, 200), "clip", 77)
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=37, num_hidden_layers=2, num_attention_heads=4,
        projection_dim=32, max_position_embeddings=77, eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id, pad_token_id=tokenizer.pad_token_id, hidden_act="gelu",
    )  # fmt: skip
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=8, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=(2, 4), use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=8, transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=80, cross_attention_dim=64, norm_num_groups=4,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=4, down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, sample_size=32, force_upcast=False,
    )  # fmt: skip
    StableDiffusionXLPipeline(
        vae=vae, unet=unet, tokenizer=tokenizer, tokenizer_2=tokenizer, scheduler=EulerDiscreteScheduler(),
        text_encoder=CLIPTextModel(text), text_encoder_2=CLIPTextModelWithProjection(text),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def config(folder, **changes):
    values = {"model": str(folder), "width": 32, "height": 32, "steps": 2, "batch_size": 2}
    return RendererConfig(**{**values, **changes})


class TestSdxl(RendererConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, sdxl):
        self.folder = sdxl

    def make(self):
        return DiffusersRenderer(config(self.folder, call={"guidance_scale": 3.0, "negative_prompt": "ugly"}))


def test_sizes_are_the_configs(sdxl):
    (picture,) = DiffusersRenderer(config(sdxl, width=48)).render(["a fox"], [0])
    assert picture.size == (48, 32)


def test_an_argument_the_pipeline_does_not_take(sdxl):
    with pytest.raises(RenderError, match=r"takes no \['true_cfg_scael'\]"):
        DiffusersRenderer(config(sdxl, call={"true_cfg_scael": 2}))


def test_a_model_that_does_not_load(tmp_path):
    with pytest.raises(RenderError, match="cannot load the pipeline") as caught:
        DiffusersRenderer(config(tmp_path / "nothing"))
    assert "\n" not in str(caught.value)


def test_out_of_memory_halves_the_batch_and_goes_on(sdxl, monkeypatch):
    renderer = DiffusersRenderer(config(sdxl, batch_size=4))
    real, sizes = renderer._batch, []

    def batch(jobs):
        sizes.append(renderer.batch_size)
        if renderer.batch_size > 1:
            raise torch.cuda.OutOfMemoryError
        return real(jobs)

    monkeypatch.setattr(renderer, "_batch", batch)
    assert len(renderer.render(["a fox"] * 3, [1, 2, 3])) == 3
    assert sizes == [4, 2, 1, 1, 1]


def test_broken_pixels_are_failures(sdxl, monkeypatch):
    renderer = DiffusersRenderer(config(sdxl))
    with torch.no_grad():
        renderer.pipeline.vae.decoder.conv_out.bias.fill_(float("nan"))
    (failure,) = renderer.render(["a fox"], [1])
    assert isinstance(failure, RenderFailure)
    assert "not numbers" in failure.reason


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a card on a machine that has none")
def test_cuda_where_there_is_none(sdxl):
    with pytest.raises(SteerError, match=r"no CUDA card; set renderer\.device"):
        DiffusersRenderer(config(sdxl, device="cuda"))


def test_a_prompt_that_is_cut_is_said_once(sdxl, caplog):
    renderer = DiffusersRenderer(config(sdxl))
    renderer.render(["a fox"], [1])
    ours = "steer.renderers.diffusion"
    assert not [r for r in caplog.records if r.name == ours]
    for _ in range(2):
        renderer.render(["a fox " + "in the snow " * 40], [1])
    (said,) = [r.getMessage() for r in caplog.records if r.name == ours]
    assert said.startswith("the pipeline reads 77 of 125 tokens")
