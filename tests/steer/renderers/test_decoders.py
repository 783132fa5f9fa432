"""Small decoders: drafts and previews are decoded by them, pictures in full are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

from steer.config import DiffusersConfig
from steer.errors import RenderError
from steer.renderers.diffusion import DiffusersRenderer
from steer.types import Stopped

PROMPTS, SEEDS = ["a fox at dawn", "a castle"], [1, 2]
CALL = {"guidance_scale": 3.5, "max_sequence_length": 32}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An AutoencoderTiny for the tiny pipelines' latents."""
    torch.manual_seed(0)
    blocks = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    folder = tmp_path_factory.mktemp("small")
    AutoencoderTiny(num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1), **blocks).save_pretrained(folder)
    return folder


def config(folder, **changes):
    values = {"model": str(folder), "width": 32, "height": 32, "steps": 3, "batch_size": 2, "call": CALL}
    return DiffusersConfig(**{**values, **changes})


def test_drafts_are_decoded_by_it_and_pictures_are_not(flux, small):
    renderer = DiffusersRenderer(config(flux, draft={"decoder": str(small)}))
    plain = DiffusersRenderer(config(flux))
    drafts = renderer.drafts.render(PROMPTS, SEEDS)
    for a, b in zip(renderer.render(PROMPTS, SEEDS), plain.render(PROMPTS, SEEDS), strict=True):
        assert np.array_equal(np.asarray(a), np.asarray(b))
    plain.pipeline.vae = AutoencoderTiny.from_pretrained(small)
    for a, b in zip(drafts, plain.render(PROMPTS, SEEDS), strict=True):
        assert np.array_equal(np.asarray(a), np.asarray(b))


def test_previews_are_decoded_by_it(flux, small):
    one = {"batch_size": 1, "preview": {"step": 2}}
    own = DiffusersRenderer(config(flux, **one))
    quick = DiffusersRenderer(config(flux, **{**one, "preview": {"step": 2, "decoder": str(small)}}))
    seen = [r.previews.render(PROMPTS[:1], SEEDS[:1], lambda *_: False)[0] for r in (own, quick)]
    assert all(isinstance(each, Stopped) for each in seen)
    assert not np.array_equal(*(np.asarray(each.preview) for each in seen))
    assert type(quick.pipeline.vae).__name__ == "AutoencoderKL"


def test_decoders_that_do_not_fit(flux, klein, small, tmp_path):
    with pytest.raises(RenderError, match="AutoencoderKL, not AutoencoderKLFlux2"):
        DiffusersRenderer(config(klein, call={}, draft={"decoder": str(small)}))
    with pytest.raises(RenderError, match="cannot load the small decoder"):
        DiffusersRenderer(config(flux, draft={"decoder": str(tmp_path)}))
    AutoencoderTiny(latent_channels=16).save_pretrained(tmp_path)
    with pytest.raises(RenderError, match="takes latents of 16 channels at 1/8 of the size; the pipeline has 4 at 1/2"):
        DiffusersRenderer(config(flux, draft={"decoder": str(tmp_path)}))
