"""Where a pipeline's parts live: all on the card, the text encoders only while they read, each part while it works, or
layer by layer. On a card they are guests beside the reward and the language model (:mod:`reward_models.residency`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.hooks import apply_group_offloading
from torch import nn

from reward_models import residency
from reward_models.residency import Guest, out_of_memory
from steer.config import DiffusersConfig
from steer.errors import RenderError
from steer.memory import main_memory
from steer.renderers.plan import Placement, Plan, Work, is_encoder

log = logging.getLogger(__name__)


class Place:
    """Where the parts are now. With ``placement`` "encoders" and "group", or ``split``, the text encoders are parts of
    the pipeline only while they read, so that they and the rest can leave the card one without the other.
    """

    def __init__(self, pipeline: Any, plan: Plan, device: str, work: float, stays: bool = False, split: bool = False):
        self.pipeline, self.device, self.placement = pipeline, device, plan.placement
        apart = plan.placement in ("encoders", "group") or (split and residency.moves(device))
        self._encoders = {n: p for n, p in modules(pipeline).items() if is_encoder(n)} if apart else {}
        self._layers = plan.layers and residency.moves(device)
        readers, drawers = self._guests(plan.placement, work, stays)
        self._readers, self._drawers = readers, drawers
        self._detach()
        if plan.placement == "model":
            pipeline.enable_model_cpu_offload(device=device)
        elif plan.placement == "group":
            stream_layers(self._denoiser(), device)
        if self._layers:
            for encoder in self._encoders.values():
                stream_layers(encoder, device)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While texts are encoded: the text encoders are parts of the pipeline, and on the device."""
        if not self._encoders:
            with self._drawers.at_work():
                yield
            return
        with self._readers.at_work():
            for name, encoder in self._encoders.items():
                setattr(self.pipeline, name, encoder)
            try:
                yield
            finally:
                self._detach()

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """While pictures are drawn and decoded: what is needed for it is on the device."""
        with self._drawers.at_work():
            yield

    def recover(self) -> bool:
        """After the memory did not suffice: everything of others leaves the card; whether anything did."""
        self.pipeline.maybe_free_model_hooks()  # what was left on the card in the middle of a call
        return self._drawers.alone()

    def _guests(self, placement: Placement, work: float, stays: bool) -> tuple[Guest, Guest]:
        """The text encoders, and everything else. Layers that stream are no guests: they take next to nothing."""
        encoders = list(self._encoders.values())

        def others() -> list[nn.Module]:
            found = {n: p for n, p in modules(self.pipeline).items() if n not in self._encoders}
            if placement == "model":
                return []
            return [p for n, p in found.items() if placement != "group" or n == "vae"]

        if not residency.moves(self.device):
            residency.move([p for p in modules(self.pipeline).values()], self.device)
        readers = Guest("the text encoders", self.device, lambda: [] if self._layers else encoders)
        return readers, Guest("the image model", self.device, others, work, stays)

    def _detach(self) -> None:
        for name in self._encoders:
            setattr(self.pipeline, name, None)

    def _denoiser(self) -> nn.Module:
        found: nn.Module = self.pipeline.components.get("transformer") or self.pipeline.components["unet"]
        return found


def settle(pipeline: Any, device: str, config: DiffusersConfig, plan: Plan, work: Work, split: bool = False) -> Place:
    """Put the pipeline onto its device by the plan. ``split``: as :class:`Place` has it. Raises RenderError where its
    memory does not suffice.
    """
    if plan.precision.tiles:
        pipeline.vae.enable_tiling()
        log.info("pictures are decoded in tiles")
    if config.batch_size > 1 and residency.moves(device) and pipeline.components.get("vae") is not None:
        pipeline.vae.enable_slicing()  # pictures are decoded one by one, whatever the batch
    try:
        return Place(pipeline, plan, device, work.peak(plan.precision.tiles), config.offload == "none", split)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise RenderError(
            f"the memory of {device} does not suffice for the pipeline; leave renderer.offload on auto, "
            "or choose a smaller model"
        ) from error


def stream_layers(part: nn.Module, device: str) -> None:
    """Its layers come onto the card one after another, each while the one before it works."""
    streams = torch.cuda.is_available() and residency.moves(device)
    scarce = main_memory().free < 1.5 * sum(p.numel() * p.element_size() for p in part.parameters()) / 2**30
    apply_group_offloading(
        part,
        onload_device=torch.device(device),
        offload_type="leaf_level",
        use_stream=streams,
        low_cpu_mem_usage=streams and scarce,  # pinned piece by piece rather than all at once
    )


def modules(pipeline: Any) -> dict[str, nn.Module]:
    """The parts that hold weights, by name."""
    return {name: part for name, part in pipeline.components.items() if isinstance(part, nn.Module)}
