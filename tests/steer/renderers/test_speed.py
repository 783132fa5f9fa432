"""Faster ways to the same picture, and where a pipeline's parts live, on the three families."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from reward_models.residency import size_of, tensor_bytes
from steer.errors import RenderError
from steer.renderers.diffusion import DiffusersRenderer
from steer.renderers.placement import modules
from steer.renderers.speed import denoiser

PROMPTS, SEEDS = ["a fox at dawn", "a castle", "a boat"], [1, 2, 3]


def pixels(config):
    return np.stack([np.asarray(p, dtype=float) for p in DiffusersRenderer(config).render(PROMPTS, SEEDS)])


@pytest.mark.parametrize(
    "setting", ["fuse_projections", "channels_last", pytest.param("compile", marks=pytest.mark.slow)]
)
def test_faster_ways_give_nearly_the_same_pictures(tiny, setting):
    difference = np.abs(pixels(tiny(**{setting: True})) - pixels(tiny()))
    assert difference.max() <= 2


def test_the_ways_are_taken(tiny):
    config = tiny(fuse_projections=True, channels_last=True, compile=True)
    model = denoiser(DiffusersRenderer(config).pipeline)
    assert any("to_qkv" in name for name, _ in model.named_modules())
    assert any(getattr(m, "_compiled_call_impl", None) for m in model.modules())


def test_eight_bits_halve_the_blocks_and_stay_near(tiny):
    pytest.importorskip("torchao")
    plain, light = tiny(dtype="bfloat16"), tiny(dtype="bfloat16", quantize="int8")
    blocks = {}
    for name, config in (("plain", plain), ("light", light)):
        model = denoiser(DiffusersRenderer(config).pipeline)
        blocks[name] = [
            tensor_bytes(m.weight)
            for block in model.modules()
            if type(block).__name__ in model._repeated_blocks
            for m in block.modules()
            if isinstance(m, torch.nn.Linear) and not (m.in_features % 16 or m.out_features % 16)
        ]
    assert 0.45 < sum(blocks["light"]) / sum(blocks["plain"]) < 0.75  # and a scale for each row
    assert np.abs(pixels(light) - pixels(plain)).mean() < 3


def test_eight_bits_that_this_processor_has_not(tiny):
    pytest.importorskip("torchao")
    if torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 9):
        pytest.skip("this card has them")
    with pytest.raises(RenderError, match=r"renderer\.quantize=fp8 does not run here") as caught:
        DiffusersRenderer(tiny(quantize="fp8"))
    assert "\n" not in str(caught.value)


def test_eight_bits_without_torchao(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao", None)
    with pytest.raises(RenderError, match="needs the package torchao"):
        DiffusersRenderer(tiny(quantize="int8"))


def test_text_encoders_apart_change_nothing(tiny):
    renderer = DiffusersRenderer(tiny(offload="encoders"))
    assert renderer.pipeline.text_encoder is None
    renderer.prepare(PROMPTS)
    assert renderer.pipeline.text_encoder is None
    apart = np.stack([np.asarray(p, dtype=float) for p in renderer.render(PROMPTS, SEEDS)])
    assert np.array_equal(apart, pixels(tiny()))


def test_a_rounds_texts_are_read_at_once(tiny):
    """Text encoders that come onto the card do so once."""
    renderer = DiffusersRenderer(tiny(offload="encoders"))
    came = []
    real = renderer.place._detach
    renderer.place._detach = lambda: (came.append(1), real())
    renderer.prepare(PROMPTS)
    renderer.render(PROMPTS, SEEDS)
    assert len(came) == 1


def test_tiles_are_switched_on(tiny):
    renderer = DiffusersRenderer(tiny(tiling="on"))
    assert renderer.pipeline.vae.use_tiling
    assert not DiffusersRenderer(tiny()).pipeline.vae.use_tiling


def test_sizes_of_parts(tiny):
    renderer = DiffusersRenderer(tiny())
    model = denoiser(renderer.pipeline)
    assert {"text_encoder", "vae"} <= set(modules(renderer.pipeline))
    assert size_of(model) == pytest.approx(4 * sum(p.numel() for p in model.parameters()) / 2**30, rel=0.01)
