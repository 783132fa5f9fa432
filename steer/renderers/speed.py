"""What makes a pipeline faster on the same card: compiled blocks, weights in eight bits, layouts, fused projections,
other attention.

Each is a setting, as each changes pictures a little; benchmarks/speed.py measures by how much the reward moves.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from diffusers.models.attention_dispatch import AttentionBackendName
from torch import nn

from steer.config import DiffusersConfig
from steer.errors import RenderError, unknown
from steer.renderers.placement import modules
from steer.renderers.plan import Precision, is_encoder
from steer.renderers.weights import quantisable

log = logging.getLogger(__name__)


def denoiser(pipeline: Any) -> Any:
    """The part that is called at every step."""
    part = pipeline.components.get("transformer") or pipeline.components.get("unet")
    if part is None:
        raise RenderError(
            f"{type(pipeline).__name__} has neither transformer nor unet; leave renderer.compile and the like"
        )
    return part


def lighten(pipeline: Any, config: DiffusersConfig, precision: Precision) -> None:
    """Before the parts find their place: fused projections, other layouts, fewer bits."""
    if config.fuse_projections:
        fuse = getattr(denoiser(pipeline), "fuse_qkv_projections", None)
        if fuse is None:
            raise RenderError(
                f"{type(denoiser(pipeline)).__name__} cannot fuse projections (renderer.fuse_projections)"
            )
        fuse()
    if config.channels_last:
        for part in (denoiser(pipeline), pipeline.components.get("vae")):
            if part is not None:
                part.to(memory_format=torch.channels_last)
    if config.attention:
        attend(denoiser(pipeline), config.attention)
    if config.quantize == "fp8-cast":
        cast(denoiser(pipeline))
    elif precision.denoiser != "none":
        quantise(denoiser(pipeline), "int8" if config.quantize == "auto" else config.quantize)
    if precision.text != "none":
        for name, part in modules(pipeline).items():
            if is_encoder(name):
                quantise(part, "int8")


def compile_blocks(pipeline: Any, config: DiffusersConfig) -> None:
    """Compile the repeated blocks: once for all of a kind, at the first picture, for each size of picture."""
    if not config.compile:
        return
    try:
        cached = config.cache != "none" or (config.draft is not None and config.draft.cache not in (None, "none"))
        denoiser(pipeline).compile_repeated_blocks(fullgraph=not cached)  # whether to skip is decided outside of it
    except (AttributeError, ValueError) as error:
        raise RenderError(f"{type(denoiser(pipeline)).__name__} has no blocks to compile (renderer.compile)") from error


def attend(model: Any, backend: str) -> None:
    """Another implementation of attention, by diffusers' name. Raises RenderError where it cannot be had."""
    names = sorted(each.value for each in AttentionBackendName)
    if backend.lower() not in names:
        raise unknown("attention backend", backend, names)
    if not any(hasattr(getattr(m, "processor", None), "_attention_backend") for m in model.modules()):
        raise RenderError(f"the attention of a {type(model).__name__} has no other backends (renderer.attention)")
    try:
        model.set_attention_backend(backend)
    except (RuntimeError, ValueError, ImportError) as error:
        raise RenderError(f"renderer.attention={backend} does not run here: {str(error).splitlines()[0]}") from error


def cast(model: Any) -> None:
    """Weights that are kept in eight bits and computed with in the format they were loaded in."""
    model.enable_layerwise_casting(torch.float8_e4m3fn, next(model.parameters()).dtype)


def quantise(model: nn.Module, kind: str) -> None:
    """Fewer bits for the matrices of the repeated blocks, unless they have few already; the rest stays as it is."""
    if any(hasattr(p, "__tensor_flatten__") for p in model.parameters()):
        return
    try:
        from torchao import quantization as ao
    except ImportError as error:
        raise RenderError("renderer.quantize needs the package torchao: pip install 'steer-t2i[quantize]'") from error
    settings = {
        "int8": ao.Int8WeightOnlyConfig,
        "int8-dynamic": ao.Int8DynamicActivationInt8WeightConfig,
        "fp8": ao.Float8DynamicActivationFloat8WeightConfig,
    }[kind]
    try:
        ao.quantize_(model, settings(), filter_fn=_worth_it)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        raise RenderError(f"renderer.quantize={kind} does not run here: {str(error).splitlines()[0]}") from error


def _worth_it(module: nn.Module, name: str) -> bool:
    return isinstance(module, nn.Linear) and quantisable(name, tuple(module.weight.shape))
