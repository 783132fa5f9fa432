"""Where a pipeline's parts live: all on the card, each while it works, or layer by layer."""

from __future__ import annotations

import logging
from typing import Any, Literal

import torch

from steer.config import RendererConfig
from steer.errors import RenderError

log = logging.getLogger(__name__)

Placement = Literal["none", "model", "sequential"]
GIB = 2**30
RESERVE = 1.0  # GiB kept free: CUDA's own, fragmentation, the reward model
ACTIVATIONS = 1.6  # GiB a megapixel and picture while the VAE decodes: the peak of most pipelines


def place(pipeline: Any, device: str, config: RendererConfig) -> Placement:
    """Put the pipeline onto its device as ``renderer.offload`` says, or as its free memory allows; what was done."""
    wanted = config.offload
    if device != "cuda":
        if wanted in ("model", "sequential"):
            raise RenderError(f"renderer.offload={wanted} moves parts off a CUDA card; here the device is {device}")
        pipeline.to(device)
        return "none"
    weights = part_sizes(pipeline)
    free = torch.cuda.mem_get_info()[0] / GIB
    pictures = config.batch_size * config.size[0] * config.size[1] / 2**20
    chosen = choose(weights, free, pictures) if wanted == "auto" else wanted
    if wanted == "auto" and chosen != "none":
        log.warning(
            "the card has %.1f GiB free and the weights take %.1f: its parts are moved onto it %s, which is slower",
            free, sum(weights.values()), "one after another" if chosen == "model" else "layer by layer",
        )  # fmt: skip
    if chosen == "model":
        pipeline.enable_model_cpu_offload()
    elif chosen == "sequential":
        pipeline.enable_sequential_cpu_offload()
    else:
        pipeline.to(device)
    return chosen


def part_sizes(pipeline: Any) -> dict[str, float]:
    """GiB of weights by part."""
    return {
        name: sum(t.numel() * t.element_size() for t in (*part.parameters(), *part.buffers())) / GIB
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
    }


def choose(weights: dict[str, float], free: float, megapixels: float) -> Placement:
    """What fits: GiB of weights by part, GiB free on the card, megapixels of a batch.

    >>> parts = {"text_encoder": 8.0, "transformer": 8.0, "vae": 0.2}
    >>> [choose(parts, free, 1.0) for free in (24.0, 12.0, 8.0)]
    ['none', 'model', 'sequential']
    """
    working = RESERVE + ACTIVATIONS * megapixels
    if sum(weights.values()) + working <= free:
        return "none"
    return "model" if max(weights.values(), default=0.0) + working <= free else "sequential"
