"""The pipelines of the GPU benchmark have the published sizes (counted without memory)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL


@pytest.fixture(scope="module")
def full():
    path = Path(__file__).parents[3] / "benchmarks" / "full_pipelines.py"
    spec = importlib.util.spec_from_file_location("full_pipelines", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("part", "parameters"),
    [
        ("sdxl_unet", 2_567_463_684),
        ("flux_transformer", 11_901_408_320),
        ("t5_xxl", 4_762_310_656),
        ("klein_transformer", 3_875_544_576),
        ("qwen3_4b", 4_022_468_096),
    ],
)
def test_parts_have_the_published_sizes(full, part, parameters):
    with torch.device("meta"):
        assert sum(p.numel() for p in getattr(full, part)().parameters()) == parameters


def test_the_vae_has_the_published_size(full):
    with torch.device("meta"):
        vae = AutoencoderKL(latent_channels=4, **full.VAE)
    assert sum(p.numel() for p in vae.parameters()) == 83_653_863
