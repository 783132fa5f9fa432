"""What makes a pipeline faster on the same card: compiled blocks, weights in eight bits, layouts, fused projections.

Each is a setting, as each changes pictures a little; benchmarks/speed.py measures by how much the reward moves.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import nn

from steer.config import DiffusersConfig
from steer.errors import RenderError
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
    if precision.denoiser != "none":
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
        denoiser(pipeline).compile_repeated_blocks(fullgraph=True)
    except (AttributeError, ValueError) as error:
        raise RenderError(f"{type(denoiser(pipeline)).__name__} has no blocks to compile (renderer.compile)") from error


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
