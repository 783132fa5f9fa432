"""What makes a pipeline faster on the same card: compiled blocks, weights in eight bits, layouts, fused projections.

Each is a setting, as each changes pictures a little; benchmarks/speed.py measures by how much the reward moves.
"""

from __future__ import annotations

import logging
from typing import Any

import torch

from steer.config import DiffusersConfig
from steer.errors import RenderError

log = logging.getLogger(__name__)


def denoiser(pipeline: Any) -> Any:
    """The part that is called at every step."""
    part = pipeline.components.get("transformer") or pipeline.components.get("unet")
    if part is None:
        raise RenderError(
            f"{type(pipeline).__name__} has neither transformer nor unet; leave renderer.compile and the like"
        )
    return part


def lighten(pipeline: Any, config: DiffusersConfig) -> None:
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
    if config.quantize != "none":
        _quantize(denoiser(pipeline), config.quantize)


def compile_blocks(pipeline: Any, config: DiffusersConfig) -> None:
    """Compile the repeated blocks: once for all of a kind, at the first picture, for each size of picture."""
    if not config.compile:
        return
    try:
        denoiser(pipeline).compile_repeated_blocks(fullgraph=True)
    except (AttributeError, ValueError) as error:
        raise RenderError(f"{type(denoiser(pipeline)).__name__} has no blocks to compile (renderer.compile)") from error


def _quantize(model: torch.nn.Module, kind: str) -> None:
    """The linear layers within the repeated blocks; what comes before and after them stays as it is."""
    try:
        from torchao import quantization as ao
    except ImportError as error:
        raise RenderError("renderer.quantize needs the package torchao: pip install 'steer-t2i[quantize]'") from error
    settings = {
        "int8": ao.Int8WeightOnlyConfig,
        "int8-dynamic": ao.Int8DynamicActivationInt8WeightConfig,
        "fp8": ao.Float8DynamicActivationFloat8WeightConfig,
    }[kind]
    blocks = [m for m in model.modules() if type(m).__name__ in (getattr(model, "_repeated_blocks", None) or ())]
    try:
        for block in blocks or [model]:
            ao.quantize_(block, settings(), filter_fn=_worth_it)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        raise RenderError(f"renderer.quantize={kind} does not run here: {str(error).splitlines()[0]}") from error


def _worth_it(module: torch.nn.Module, _name: str) -> bool:
    """Matrix kernels in eight bits want multiples of 16."""
    return isinstance(module, torch.nn.Linear) and module.in_features % 16 == 0 and module.out_features % 16 == 0
