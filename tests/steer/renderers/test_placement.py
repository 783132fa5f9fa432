"""Where a pipeline's parts live on a card, on the real pipelines and a card that only counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from reward_models import residency
from reward_models.residency import Guest
from steer.config import DiffusersConfig
from steer.errors import RenderError, UsageError
from steer.memory import Memory, main_memory
from steer.renderers import fitting, plan
from steer.renderers.diffusion import DiffusersRenderer
from steer.renderers.fitting import loading_peak, plan_for
from steer.renderers.placement import modules
from steer.renderers.plan import Part, Plan, Precision, Work
from steer.renderers.ready import Loaded
from steer.renderers.weights import parts_of, parts_of_modules
from tests.fake_card import FakeCard

PROMPTS, SEEDS = ["a fox at dawn", "a castle", "a boat"], [1, 2, 3]
PEAK = 100 * 1024  # bytes that drawing takes beside the weights


def pixels(renderer):
    return np.stack([np.asarray(p, dtype=float) for p in renderer.render(PROMPTS, SEEDS)])


@pytest.fixture
def card(monkeypatch):
    """A card of any size in bytes; what drawing takes is scaled down as the pipelines are."""

    def make(size):
        monkeypatch.setattr(plan, "RESERVE", PEAK / residency.GIB)
        monkeypatch.setattr(Work, "peak", lambda self, tiles: PEAK / residency.GIB)
        monkeypatch.setattr(fitting, "room_on", lambda device: (size / residency.GIB, size / residency.GIB + 0.6))
        return FakeCard(monkeypatch, size)

    return make


def sizes(config):
    """Bytes of the text encoders and of the rest."""
    parts = parts_of_modules(fitting_modules(config), torch.float32)
    text = sum(p.size for n, p in parts.items() if n.startswith("text_encoder"))
    return round(text * residency.GIB), round((sum(p.size for p in parts.values()) - text) * residency.GIB)


def fitting_modules(config):
    return modules(Loaded(config, "cpu").pipeline)


def test_sizes_are_read_from_the_files_as_they_will_be_loaded(tiny):
    config = tiny()
    loaded = fitting_modules(config)
    for dtype in (torch.float32, torch.bfloat16):
        read = parts_of(Path(config.model), dtype)
        for name, part in parts_of_modules({n: m.to(dtype) for n, m in loaded.items()}, dtype).items():
            assert read[name].size == pytest.approx(part.size, rel=0.05), name  # buffers are no part of the files
            assert read[name].light == pytest.approx(part.light, rel=0.05), name


@pytest.mark.parametrize("share", [2.0, 0.9])
def test_what_fits_stays_and_what_does_not_takes_turns(tiny, card, share):
    config = tiny(quantize="none", quantize_text="none")
    text, rest = sizes(config)
    plain = pixels(DiffusersRenderer(config))
    counted = card(int((text + rest) * share) + PEAK + 2048)
    renderer = DiffusersRenderer(config)
    assert renderer.place.placement == ("none" if share > 1 else "encoders")
    assert np.array_equal(pixels(renderer), plain)
    renderer.prepare(["another text"])
    onto = [size for size, where in counted.moved if where == "card"]
    both = [pytest.approx(text, rel=0.05), pytest.approx(rest, rel=0.05)]
    assert onto == (both if share > 1 else [*both, both[0]])
    assert renderer.pipeline.text_encoder is None  # while nobody reads: it may have to leave for somebody else


def test_the_reward_leaves_while_pictures_are_drawn(tiny, card):
    config = tiny(quantize="none", quantize_text="none")
    text, rest = sizes(config)
    counted = card(text + rest + PEAK + 1024)
    model = torch.nn.Linear(rest // 4, 1)
    reward = Guest("the reward", "cpu", lambda: [model], work=0.0)
    with reward.at_work():
        pass
    renderer = DiffusersRenderer(config)
    renderer.render(PROMPTS, SEEDS)
    assert "the reward" not in counted.here()
    with reward.at_work():  # it is enough that the text encoders leave
        assert counted.here() == ["the image model", "the reward"]


def test_under_pressure_the_text_encoders_leave_before_the_image_model(tiny, card):
    config = tiny(quantize="none", quantize_text="none")
    text, rest = sizes(config)
    counted = card(text + rest + PEAK + 2048)
    renderer = DiffusersRenderer(config)
    renderer.render(PROMPTS, SEEDS)
    assert renderer.place.placement == "none"
    model = torch.nn.Linear((PEAK + 4096) // 4, 1)
    reward = Guest("the reward", "cpu", lambda: [model], work=0.0)
    with reward.at_work():
        assert counted.here() == ["the image model", "the reward"]


def test_a_pipeline_of_a_script_keeps_its_parts(sdxl, card):
    from diffusers import StableDiffusionXLPipeline

    card(10**9)
    pipeline = StableDiffusionXLPipeline.from_pretrained(sdxl)
    DiffusersRenderer(DiffusersConfig(model="x/y", width=32, height=32, steps=1), pipeline).render(PROMPTS, SEEDS)
    assert pipeline.text_encoder is not None


def test_a_batch_that_is_too_large_is_halved_after_everything_else_has_left(sdxl, card, monkeypatch):
    counted = card(10**10)
    renderer = DiffusersRenderer(DiffusersConfig(model=str(sdxl), width=32, height=32, steps=1, batch_size=4))
    reward = Guest("the reward", "cpu", lambda: [torch.nn.Linear(4, 4)], work=0.0)
    with reward.at_work():
        pass
    real, seen = renderer._batch, []

    def batch(jobs, draft, on_step):
        seen.append((renderer.batch_size, counted.here()))
        if renderer.batch_size > 2:
            raise torch.cuda.OutOfMemoryError
        return real(jobs, draft, on_step)

    monkeypatch.setattr(renderer, "_batch", batch)
    assert len(renderer.render(PROMPTS, SEEDS)) == 3
    assert [size for size, _ in seen] == [4, 4, 2, 2]
    assert seen[0][1] == ["the reward", "the text encoders"]
    assert seen[1][1] == []  # everybody has left
    assert renderer.drawn_together == 2


def test_texts_that_do_not_fit_are_read_fewer_at_once_and_then_it_is_said(sdxl, monkeypatch):
    renderer = DiffusersRenderer(DiffusersConfig(model=str(sdxl), width=32, height=32, steps=1, batch_size=4))
    real, sizes = type(renderer.conditioning)._rows, []

    def rows(self, texts, n):
        sizes.append(len(texts))
        if len(texts) > most:
            raise RuntimeError("MPS backend out of memory (MPS allocated: 17.8 GiB)")
        return real(self, texts, n)

    monkeypatch.setattr(type(renderer.conditioning), "_rows", rows)
    most = 1
    renderer.prepare(["a fox"])
    assert sizes[:3] == [4, 2, 1]
    most = 0
    with pytest.raises(RenderError, match="the memory does not suffice for a single picture"):
        renderer.prepare(["a castle"])


def test_layer_by_layer_gives_the_same_pictures(tiny, monkeypatch):
    """Group offload with the real hooks, from the main memory to itself."""
    config = tiny()
    plain = pixels(DiffusersRenderer(config))
    layers = Plan(Precision(), "group", layers=True)
    monkeypatch.setattr("steer.renderers.ready.plan_for", lambda *_: layers)
    hooked = DiffusersRenderer(config)
    denoiser = hooked.pipeline.components.get("transformer") or hooked.pipeline.components["unet"]
    assert any(hasattr(m, "_diffusers_hook") for m in denoiser.modules())
    assert np.array_equal(pixels(hooked), plain)


@pytest.mark.parametrize("placement", ["none", "encoders", "group"])
def test_eight_bits_of_everything_in_every_place(tiny, monkeypatch, placement):
    pytest.importorskip("torchao")
    config = tiny(dtype="bfloat16")
    plain = pixels(DiffusersRenderer(config))
    eight = Precision("int8", "int8")
    monkeypatch.setattr("steer.renderers.ready.plan_for", lambda *_: Plan(eight, placement))
    light = DiffusersRenderer(config)
    assert np.abs(pixels(light) - plain).mean() < 6
    assert light.describe()["weights"]["precision"] == {"denoiser": "int8", "text": "int8", "tiles": False}
    parts = parts_of_modules(fitting_modules(config), torch.bfloat16)
    quantised = [n for n, p in parts.items() if any(hasattr(w, "__tensor_flatten__") for w in part_of(light, n))]
    assert quantised == [n for n in parts if n != "vae"]


def part_of(renderer, name):
    found = renderer.pipeline.components.get(name) or renderer.place._encoders[name]
    return list(found.parameters())


def test_a_plan_for_the_card_that_is_there(monkeypatch, card, caplog):
    card(int(20.0 * residency.GIB))
    parts = {"text_encoder": Part(9.0, 4.7), "transformer": Part(22.2, 11.4), "vae": Part(0.2, 0.2)}
    found = plan_for(DiffusersConfig(model="x/y"), "cuda", parts, Work(1.0), True)
    assert (found.placement, found.precision.denoiser) == ("encoders", "int8")
    assert "the text encoders come onto it only to read" in caplog.text
    assert "in eight bits" in caplog.text
    fixed = plan_for(DiffusersConfig(model="x/y", offload="model", quantize="none"), "cuda", parts, Work(1.0), True)
    assert (fixed.placement, fixed.precision.denoiser) == ("model", "none")


def test_the_main_memory_is_looked_at_before_anything_is_loaded(sdxl, monkeypatch):
    monkeypatch.setattr(fitting, "main_memory", lambda: Memory(1e-6, 1e-6, 0.0))
    with pytest.raises(RenderError, match=r"the weights take 0\.0 GiB of the main memory, of which 0\.0 are free"):
        DiffusersRenderer(DiffusersConfig(model=str(sdxl), width=32, height=32))
    parts = {"text_encoder_2": Part(9.0, 4.7), "transformer": Part(22.2, 11.4), "vae": Part(0.2, 0.2)}
    whole, light = DiffusersConfig(quantize="none"), DiffusersConfig()
    assert loading_peak(whole, parts, Plan(Precision(), "group")) == pytest.approx(31.4)
    assert loading_peak(light, parts, Plan(Precision("int8"), "encoders")) == pytest.approx(22.2)


def test_a_containers_limit_is_its_memory(tmp_path):
    (tmp_path / "memory.max").write_text(str(2**30))
    (tmp_path / "memory.current").write_text(str(2**29))
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {2**28}\n")
    assert main_memory(tmp_path).total == 1.0
    assert main_memory(tmp_path).free == 0.75
    (tmp_path / "memory.max").write_text("max\n")
    assert main_memory(tmp_path).total > 1.0


def test_weights_of_few_bits_without_their_package(flux, tmp_path):
    folder = tmp_path / "four-bits"
    shutil.copytree(flux, folder)
    config = json.loads((folder / "transformer" / "config.json").read_text())
    (folder / "transformer" / "config.json").write_text(
        json.dumps({**config, "quantization_config": {"quant_method": "nunchaku"}})
    )
    with pytest.raises(RenderError, match="in nunchaku's format and need its package: pip install kernels"):
        DiffusersRenderer(DiffusersConfig(model=str(folder), width=32, height=32))


def test_a_place_that_the_device_has_not_is_what_the_person_typed(sdxl):
    with pytest.raises(UsageError, match=r"offload=group moves parts off a CUDA card; here the device is cpu"):
        DiffusersRenderer(DiffusersConfig(model=str(sdxl), width=32, height=32, device="cpu", offload="group"))
