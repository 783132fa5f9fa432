"""The diffusers renderer on a tiny random SDXL pipeline built on disk, and its refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel

from steer.config import DiffusersConfig
from steer.errors import RenderError, SteerError
from steer.renderers.diffusion import DiffusersRenderer
from steer.testing import RendererConformance
from steer.types import RenderFailure


def config(folder, **changes):
    values = {"model": str(folder), "width": 32, "height": 32, "steps": 2, "batch_size": 2}
    return DiffusersConfig(**{**values, **changes})


class TestSdxl(RendererConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, sdxl):
        self.folder = sdxl

    def make(self):
        return DiffusersRenderer(config(self.folder, call={"guidance_scale": 3.0, "negative_prompt": "ugly"}))


class TestDrafts(RendererConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, sdxl):
        self.folder = sdxl

    def make(self):
        return DiffusersRenderer(config(self.folder, draft={"steps": 1})).drafts


class TestWithDraftsAndPreviews(RendererConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, flux):
        self.folder = flux

    def make(self):
        call = {"max_sequence_length": 32}
        one, two = {"draft": {"steps": 1}}, {"preview": {"step": 2}, "steps": 3, "batch_size": 1}
        made = DiffusersRenderer(config(self.folder, call=call, **one))
        made.previews = DiffusersRenderer(config(self.folder, call=call, **two)).previews
        return made


class TestFlux(RendererConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, flux):
        self.folder = flux

    def make(self):
        return DiffusersRenderer(
            config(self.folder, negative_prompt="ugly", call={"true_cfg_scale": 2.0, "max_sequence_length": 32})
        )


class TestStableDiffusion3(RendererConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, sd3):
        self.folder = sd3

    def make(self):
        return DiffusersRenderer(config(self.folder, call={"guidance_scale": 3.5}))


class TestZImage(RendererConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, z_image):
        self.folder = z_image

    def make(self):
        return DiffusersRenderer(config(self.folder, call={"guidance_scale": 0.0}))


class TestQwenImage(RendererConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, qwen_image):
        self.folder = qwen_image

    def make(self):
        call = {"true_cfg_scale": 4.0, "negative_prompt": " "}
        return DiffusersRenderer(config(self.folder, batch_size=1, call=call))


class TestFlux2Klein(RendererConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, klein):
        self.folder = klein

    def make(self):
        return DiffusersRenderer(config(self.folder, call={"guidance_scale": 1.0, "max_sequence_length": 64}))


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("flux", {"guidance_scale": 3.5, "max_sequence_length": 32}),
        ("flux", {"true_cfg_scale": 2.0, "negative_prompt": "ugly", "max_sequence_length": 32}),
        ("klein", {"guidance_scale": 1.0, "max_sequence_length": 64}),
        ("sdxl", {"guidance_scale": 5.0}),
        ("sdxl", {"guidance_scale": 5.0, "negative_prompt": "ugly"}),
        ("sdxl", {"guidance_scale": 0.0}),
        ("sd3", {"guidance_scale": 3.5}),
        ("sd3", {"guidance_scale": 0.0}),
        ("z_image", {"guidance_scale": 0.0}),
        ("z_image", {"guidance_scale": 4.0, "negative_prompt": "ugly"}),
        ("qwen_image", {"true_cfg_scale": 4.0, "negative_prompt": " "}),
    ],
)
def test_texts_encoded_once_give_the_pictures_of_the_plain_call(request, family, settings, monkeypatch):
    """Equal to the last bit where the batch has the same shape."""
    renderer = DiffusersRenderer(config(request.getfixturevalue(family), call=settings))
    prompts, seeds = ["a fox at dawn", "a castle"], [1, 2]
    plain = dict(settings)
    if "negative_prompt" in plain:
        plain["negative_prompt"] = [plain["negative_prompt"]] * 2
    expected = renderer.pipeline(
        prompt=list(prompts),  # Z-Image's writes its template into the list
        generator=[torch.Generator("cpu").manual_seed(s) for s in seeds],
        width=32,
        height=32,
        num_inference_steps=2,
        output_type="np",
        **plain,
    ).images
    for picture, pixels in zip(renderer.render(prompts, seeds), expected, strict=True):
        assert np.array_equal(np.asarray(picture), (pixels * 255).round().astype(np.uint8))
    monkeypatch.setattr(renderer.pipeline.text_encoder, "forward", None)  # the texts are known now
    assert len(renderer.render(prompts[::-1], [3, 4])) == 2


def test_few_texts_are_remembered(sdxl, monkeypatch):
    monkeypatch.setattr("steer.renderers.conditioning.REMEMBERED", 3)
    renderer = DiffusersRenderer(config(sdxl))
    renderer.render([f"a fox {i}" for i in range(6)], range(6))
    assert list(renderer.conditioning._known) == ["a fox 3", "a fox 4", "a fox 5"]


def test_an_aspect_keeps_the_area(sdxl):
    (picture,) = DiffusersRenderer(config(sdxl, width=64, height=64, aspect="4:1")).render(["a fox"], [0])
    assert picture.size == (128, 32)


def test_a_scheduler_by_name(sdxl, flux):
    renderer = DiffusersRenderer(
        config(sdxl, scheduler="DDIMScheduler", scheduler_settings={"timestep_spacing": "trailing"})
    )
    assert renderer.describe()["scheduler"] == "DDIMScheduler"
    assert renderer.pipeline.scheduler.config.timestep_spacing == "trailing"
    with pytest.raises(SteerError, match=r"scheduler 'DDIMSchedular' not found .*Did you mean 'DDIMScheduler'"):
        DiffusersRenderer(config(sdxl, scheduler="DDIMSchedular"))


def test_a_negative_prompt_where_there_is_none(klein):
    with pytest.raises(RenderError, match="takes no negative prompt"):
        DiffusersRenderer(config(klein, negative_prompt="ugly"))


def test_a_lora_file_changes_the_pictures_by_its_scale(sdxl, tmp_path):
    from peft import LoraConfig as Adapter
    from peft.utils import get_peft_model_state_dict

    unet = UNet2DConditionModel.from_pretrained(sdxl / "unet")
    unet.add_adapter(Adapter(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    StableDiffusionXLPipeline.save_lora_weights(tmp_path, unet_lora_layers=get_peft_model_state_dict(unet))
    (path,) = tmp_path.glob("*.safetensors")

    def pixels(**changes):
        (picture,) = DiffusersRenderer(config(sdxl, **changes)).render(["a fox"], [1])
        return np.asarray(picture, dtype=float)

    plain, full, none = pixels(), pixels(loras=[{"path": str(path)}]), pixels(loras=[{"path": str(path), "scale": 0}])
    assert np.abs(plain - none).max() <= 1
    assert np.abs(plain - full).max() > 1
    described = DiffusersRenderer(config(sdxl, loras=[{"path": str(path), "scale": 0.5}])).describe()["weights"]
    assert described[f"lora {path}"] == {"scale": 0.5, "bytes": path.stat().st_size}
    with pytest.raises(RenderError, match="there is no LoRA file"):
        DiffusersRenderer(config(sdxl, loras=[{"path": str(tmp_path / "none.safetensors")}]))
    (torn := tmp_path / "torn.safetensors").write_bytes(path.read_bytes()[:100])
    with pytest.raises(RenderError, match="cannot load the LoRA"):
        DiffusersRenderer(config(sdxl, loras=[{"path": str(torn)}]))


def test_sizes_are_the_configs(sdxl):
    (picture,) = DiffusersRenderer(config(sdxl, width=48)).render(["a fox"], [0])
    assert picture.size == (48, 32)


def test_an_argument_the_pipeline_does_not_take(sdxl):
    with pytest.raises(RenderError, match=r"takes no \['true_cfg_scael'\]"):
        DiffusersRenderer(config(sdxl, call={"true_cfg_scael": 2}))


def test_a_model_that_does_not_load(tmp_path):
    with pytest.raises(RenderError, match="there is no pipeline in") as caught:
        DiffusersRenderer(config(tmp_path / "nothing"))
    assert "\n" not in str(caught.value)


def test_out_of_memory_halves_the_batch_and_goes_on(sdxl, monkeypatch):
    renderer = DiffusersRenderer(config(sdxl, batch_size=4))
    real, sizes = renderer._batch, []

    def batch(jobs, draft, on_step):
        sizes.append(renderer.batch_size)
        if renderer.batch_size > 1:
            raise torch.cuda.OutOfMemoryError
        return real(jobs, draft, on_step)

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
    with pytest.raises(SteerError, match=r"asks for a CUDA card.* --set renderer\.device=cpu"):
        DiffusersRenderer(config(sdxl, device="cuda"))


def test_a_prompt_that_is_cut_is_said_once(sdxl, caplog):
    renderer = DiffusersRenderer(config(sdxl))
    renderer.render(["a fox"], [1])
    ours = "steer.renderers.diffusion"
    assert not [r for r in caplog.records if r.name == ours]
    for more in ("", "at night"):
        renderer.render(["a fox " + "in the snow " * 40 + more], [1])
    (said,) = [r.getMessage() for r in caplog.records if r.name == ours]
    assert said.startswith("the pipeline reads 77 of 125 tokens")


def test_drafts_have_fewer_steps_or_pixels_and_say_so(sdxl, tmp_path):
    renderer = DiffusersRenderer(config(sdxl, width=64, height=64, steps=4, draft={"steps": 1, "scale": 0.5}))
    (draft,), (full,) = renderer.drafts.render(["a fox"], [1]), renderer.render(["a fox"], [1])
    assert (draft.size, full.size) == ((32, 32), (64, 64))
    fewer = DiffusersRenderer(config(sdxl, width=64, height=64, steps=4, draft={"steps": 1}))
    one = DiffusersRenderer(config(sdxl, width=64, height=64, steps=1))
    assert fewer.drafts.render(["a fox"], [1])[0].tobytes() == one.render(["a fox"], [1])[0].tobytes()
    told = renderer.describe()["draft"]
    assert (told["steps"], told["scale"], told["cache"]) == (1, 0.5, None)
    assert DiffusersRenderer(config(sdxl)).drafts is None


@pytest.mark.slow
def test_memory_does_not_grow_over_a_thousand_pictures(sdxl):
    import resource

    renderer = DiffusersRenderer(config(sdxl, steps=1, batch_size=4))

    def peak_mib():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def draw(first, n):
        for start in range(first, first + n, 20):
            numbers = range(start, start + 20)
            assert len(renderer.render([f"a fox {i}" for i in numbers], numbers)) == 20

    draw(0, 300)  # more texts than are remembered
    before = peak_mib()
    draw(300, 1000)
    assert peak_mib() - before < 20
    assert len(renderer.conditioning._known) <= 128


def test_a_pipeline_that_a_script_brings_along(sdxl):
    pipeline = StableDiffusionXLPipeline.from_pretrained(sdxl)
    ours = DiffusersRenderer(config("nowhere"), pipeline)
    assert ours.name == "StableDiffusionXLPipeline on cpu"
    assert (
        ours.render(["a fox"], [1])[0].tobytes() == DiffusersRenderer(config(sdxl)).render(["a fox"], [1])[0].tobytes()
    )
    assert ours.describe()["weights"]["given"] == "StableDiffusionXLPipeline"


class TestFlux2Dev(RendererConformance):
    """Its tokenizer is a processor, which transformers hides without torchvision."""

    @pytest.fixture(autouse=True)
    def _folder(self, flux2):
        self.folder = flux2

    def make(self):
        return DiffusersRenderer(config(self.folder, call={"max_sequence_length": 64}))


def test_a_prompt_that_a_processor_cuts_is_said(flux2, caplog):
    DiffusersRenderer(config(flux2, call={"max_sequence_length": 16})).render(["a fox in the deep snow"], [1])
    assert "the pipeline reads 16 of 22 tokens of: a fox in the deep snow" in caplog.text


@pytest.mark.slow
def test_weights_of_four_bits_by_their_makers_name(flux, tmp_path):
    """SDNQ's format, as its repositories on the hub are; nothing is quantised on top of it."""
    pytest.importorskip("sdnq")
    from diffusers import FluxPipeline
    from sdnq import SDNQConfig

    pipeline = FluxPipeline.from_pretrained(flux, dtype=torch.float32)
    model = type(pipeline.transformer).from_pretrained(
        flux / "transformer",
        quantization_config=SDNQConfig(
            weights_dtype="uint4", group_size=16, minimum_allowed_numel=1, minimum_allowed_channel_size=1
        ),
    )
    pipeline.transformer = model
    pipeline.save_pretrained(tmp_path / "four")
    light = DiffusersRenderer(config(tmp_path / "four", call={"max_sequence_length": 32}))
    plain = DiffusersRenderer(config(flux, call={"max_sequence_length": 32}))
    a, b = (np.asarray(r.render(["a fox"], [1])[0], dtype=float) for r in (light, plain))
    assert 0 < np.abs(a - b).mean() < 20
    assert "precision" not in light.describe()["weights"]


def test_the_guidance_that_a_class_takes_by_itself(flux, qwen_image):
    own = {name: DiffusersRenderer(config(name)).describe()["guidance"] for name in (flux, qwen_image)}
    assert own == {flux: 3.5, qwen_image: 4.0}
