"""Where a pipeline's parts live: all on the card, the text encoders only while they read, each part while it works,
or layer by layer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

from steer.config import DiffusersConfig
from steer.errors import RenderError

log = logging.getLogger(__name__)

Placement = Literal["none", "encoders", "model", "sequential"]
GIB = 2**30
RESERVE = 1.0  # GiB kept free: CUDA's own, fragmentation, the reward model
ACTIVATIONS = 1.6  # GiB a megapixel and picture while the VAE decodes: the peak of most pipelines
SAID = {
    "encoders": "the text encoders come onto it only to read, once a round",
    "model": "its parts are moved onto it one after another, which is slower",
    "sequential": "its parts are moved onto it layer by layer, which is slow",
}


class Place:
    """Where the parts are now. Of ``encoders`` the text encoders are no parts of the pipeline but while they read."""

    def __init__(self, pipeline: Any, kind: Placement, device: str):
        self.pipeline, self.kind, self.device = pipeline, kind, device
        self._encoders = {n: p for n, p in modules(pipeline).items() if is_encoder(n)} if kind == "encoders" else {}
        if self._encoders:
            self._leave()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While texts are encoded: text encoders and the rest change places on the card."""
        if not self._encoders:
            yield
            return
        _move(modules(self.pipeline).values(), "cpu")
        _move(self._encoders.values(), self.device)
        for name, encoder in self._encoders.items():
            setattr(self.pipeline, name, encoder)
        try:
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        _move(self._encoders.values(), "cpu")
        for name in self._encoders:
            setattr(self.pipeline, name, None)
        _move(modules(self.pipeline).values(), self.device)


def place(pipeline: Any, device: str, config: DiffusersConfig, apart: bool) -> Place:
    """Put the pipeline onto its device as ``renderer.offload`` says, or as its free memory allows.

    ``apart``: texts are encoded apart from the pipeline's call, so that the text encoders need not stay.
    """
    wanted = config.offload
    if wanted == "encoders" and not apart:
        raise RenderError(f"renderer.offload=encoders: how {type(pipeline).__name__} encodes texts is not known here")
    megapixels = config.size[0] * config.size[1] / 2**20
    if device != "cuda":
        if wanted in ("model", "sequential"):
            raise RenderError(f"renderer.offload={wanted} moves parts off a CUDA card; here the device is {device}")
        if config.tiling == "on":
            pipeline.vae.enable_tiling()
        pipeline.to(device)
        return Place(pipeline, "encoders" if wanted == "encoders" else "none", device)
    weights = part_sizes(pipeline)
    free = torch.cuda.mem_get_info()[0] / GIB
    chosen = choose(weights, free, config.batch_size * megapixels, apart) if wanted == "auto" else wanted
    if wanted == "auto" and chosen != "none":
        log.warning(
            "the card has %.1f GiB free and the weights take %.1f: %s", free, sum(weights.values()), SAID[chosen]
        )
    if chosen == "model":
        pipeline.enable_model_cpu_offload()
    elif chosen == "sequential":
        pipeline.enable_sequential_cpu_offload()
    elif chosen == "none":
        pipeline.to(device)
    _decode_within(pipeline, free - _resident(weights, chosen) - RESERVE, megapixels, config)
    return Place(pipeline, chosen, device)


def modules(pipeline: Any) -> dict[str, torch.nn.Module]:
    """The parts that hold weights, by name."""
    return {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}


def is_encoder(name: str) -> bool:
    """Whether a pipeline's part reads texts."""
    return name.startswith("text_encoder")


def part_sizes(pipeline: Any) -> dict[str, float]:
    """GiB of weights by part; of quantised ones what they take now."""
    return {
        name: sum(_bytes(t) for t in (*part.parameters(), *part.buffers())) / GIB
        for name, part in modules(pipeline).items()
    }


def choose(weights: dict[str, float], free: float, megapixels: float, apart: bool = True) -> Placement:
    """What fits: GiB of weights by part, GiB free on the card, megapixels of a batch.

    >>> parts = {"text_encoder": 8.0, "transformer": 8.0, "vae": 0.2}
    >>> [choose(parts, free, 1.0) for free in (24.0, 12.0, 10.7, 8.0)]
    ['none', 'encoders', 'model', 'sequential']
    """
    working = RESERVE + ACTIVATIONS * megapixels
    if sum(weights.values()) + working <= free:
        return "none"
    encoders = sum(size for name, size in weights.items() if is_encoder(name))
    if encoders and apart and max(encoders + RESERVE, sum(weights.values()) - encoders + working) <= free:
        return "encoders"
    return "model" if max(weights.values(), default=0.0) + working <= free else "sequential"


def _decode_within(pipeline: Any, left: float, megapixels: float, config: DiffusersConfig) -> None:
    """Decode picture by picture where a batch's decoding would not fit into ``left`` GiB, and in tiles where one
    would not.
    """
    vae = pipeline.components.get("vae")
    if vae is None:
        return
    if config.batch_size > 1 and ACTIVATIONS * megapixels * config.batch_size > left:
        vae.enable_slicing()
    if config.tiling == "on" or (config.tiling == "auto" and ACTIVATIONS * megapixels > left):
        vae.enable_tiling()
        log.info("pictures are decoded in tiles")


def _resident(weights: dict[str, float], placement: Placement) -> float:
    """GiB of weights on the card while a picture is decoded."""
    if placement == "none":
        return sum(weights.values())
    if placement == "encoders":
        return sum(size for name, size in weights.items() if not is_encoder(name))
    return weights.get("vae", 0.0)


def _move(parts: Iterable[torch.nn.Module], device: str) -> None:
    for part in parts:
        part.to(device)
    if device == "cpu" and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _bytes(tensor: torch.Tensor) -> int:
    inner = getattr(tensor, "__tensor_flatten__", None)  # a quantised one is made of others
    if inner is None:
        return tensor.numel() * tensor.element_size()
    return sum(_bytes(part) for name in inner()[0] if (part := getattr(tensor, name)) is not None)
