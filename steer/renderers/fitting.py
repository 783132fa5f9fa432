"""A plan for this machine: what its card and its main memory allow, and what the config leaves open."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

import torch

from reward_models import residency
from steer.config import DiffusersConfig
from steer.errors import RenderError, UsageError
from steer.memory import main_memory
from steer.renderers.plan import Allowed, Eight, Part, Plan, Precision, Work, choose, is_encoder
from steer.renderers.weights import work_of

log = logging.getLogger(__name__)

SAID = {
    "encoders": "the text encoders come onto it only to read, once a round",
    "model": "its parts are moved onto it one after another, which is slower",
    "group": "its layers are moved onto it one after another, which is slow",
}


def plan_for(config: DiffusersConfig, device: str, parts: dict[str, Part], work: Work, apart: bool) -> Plan:
    """Precision and place of the parts. Raises UsageError for a place that the device does not have."""
    wanted, allowed = config.offload, allowed_by(config, device, apart)
    if not residency.moves(device):
        if wanted in ("model", "group"):
            raise UsageError(f"renderer.offload={wanted} moves parts off a CUDA card; here the device is {device}")
        precision = Precision(allowed.denoiser[0], allowed.text[0], allowed.tiles[0])
        return Plan(precision, "encoders" if wanted == "encoders" else "none")
    free, total = room_on(device)
    plan = choose(parts, free, work, allowed, total)
    if wanted != "auto":
        return Plan(plan.precision, wanted, plan.layers)
    if plan.placement != "none":
        weights = sum(part.size for part in parts.values())
        log.warning("the card has %.1f GiB free and the weights take %.1f: %s", free, weights, SAID[plan.placement])
    if plan.precision.denoiser != "none" and config.quantize == "auto":
        log.warning("they are read in eight bits, which takes half the memory (renderer.quantize)")
    elif plan.placement == "group" and find_spec("torchao") is None:
        log.warning("in eight bits it would be faster: pip install 'steer-t2i[quantize]'")
    return plan


def check_main_memory(config: DiffusersConfig, device: str, parts: dict[str, Part], plan: Plan) -> None:
    """Raises RenderError where the weights do not fit into the main memory, through which all of them come."""
    copies = config.context_parallel.degree if config.context_parallel else config.workers
    need = loading_peak(config, parts, plan) * (1 if copies == "auto" else copies)
    if device == "cpu" or plan.placement != "none":
        need += max((part.size for part in parts.values()), default=0.0) * 0.05  # what reading them takes beside
    memory = main_memory()
    if need <= memory.free:
        return
    said = f"the weights take {need:.1f} GiB of the main memory, of which {memory.free:.1f} are free"
    if need > memory.free + memory.swap:
        raise RenderError(f"{said}; close other programs, or choose a smaller model")
    log.warning("%s: this machine will swap, which is slow", said)


def loading_peak(config: DiffusersConfig, parts: dict[str, Part], plan: Plan) -> float:
    """GiB of main memory at most while the parts are loaded, the largest first."""
    if not loads_apart(config, plan):
        return sum(part.size for part in parts.values())
    loaded = peak = 0.0
    for name, part in sorted(parts.items(), key=lambda item: -item[1].size):
        peak = max(peak, loaded + part.size)
        loaded += part.light if eight_bits(name, plan) else part.size
    return max(peak, loaded)


def eight_bits(name: str, plan: Plan) -> bool:
    """Whether a part is read in eight bits."""
    if name == "vae":
        return False
    return (plan.precision.text if is_encoder(name) else plan.precision.denoiser) == "int8"


def loads_apart(config: DiffusersConfig, plan: Plan) -> bool:
    """Whether parts get eight bits one by one as they are loaded; LoRAs are fused before."""
    return not config.loras and config.quantize in ("auto", "int8") and plan.precision != Precision()


def allowed_by(config: DiffusersConfig, device: str, apart: bool) -> Allowed:
    """What the config leaves open. On a CPU and a Mac, eight bits are slower and are only taken where they are asked
    for.
    """
    open_ = residency.moves(device) and find_spec("torchao") is not None
    automatic: tuple[Eight, ...] = ("none", "int8") if open_ else ("none",)
    denoiser: dict[str, tuple[Eight, ...]] = {"auto": automatic, "none": ("none",)}
    tiles = {"auto": (False, True) if residency.moves(device) else (False,), "on": (True,), "off": (False,)}
    text: dict[str, tuple[Eight, ...]] = {"auto": automatic, "none": ("none",), "int8": ("int8",)}
    return Allowed(denoiser.get(config.quantize, ("int8",)), text[config.quantize_text], tiles[config.tiling], apart)


def work_for(config: DiffusersConfig, dtype: torch.dtype, settings: dict[str, dict[str, Any]]) -> Work:
    """What drawing takes; ``settings``: of the parts, by name."""
    denoiser = settings.get("transformer") or settings.get("unet") or {}
    return work_of(config, dtype, denoiser, settings.get("vae", {}))


def room_on(device: str) -> tuple[float, float]:
    """GiB that are free or can be made free on a card now, and its size."""
    return residency.free(device) + residency.evictable(device), torch.cuda.get_device_properties(
        device
    ).total_memory / 2**30
