"""Who makes pictures: any diffusers pipeline, an image API, and the miniature's painter."""

from __future__ import annotations

from contextlib import nullcontext

from reward_models.quiet import quietly
from steer.config import RendererConfig, RendererPlugin, load_config
from steer.protocols import Renderer
from steer.registry import RENDERERS, call_plugin, load


def build_renderer(config: RendererConfig) -> Renderer:
    """The renderer that a config names."""
    if isinstance(config, RendererPlugin):
        return call_plugin(RENDERERS, config.kind, config.settings)
    with quietly("transformers", "diffusers") if config.model == "miniature" else nullcontext():
        return load(RENDERERS, config.kind)(config)


def miniature_renderer(batch_size: int = 16) -> Renderer:
    """The miniature's own pipeline, for many pictures at once."""
    return build_renderer(load_config().renderer.model_copy(update={"batch_size": batch_size}))
