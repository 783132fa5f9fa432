"""Who makes pictures: any diffusers pipeline, and the miniature's painter."""

from __future__ import annotations

from steer.config import RendererConfig
from steer.protocols import Renderer


def build_renderer(config: RendererConfig) -> Renderer:
    """The renderer a config names."""
    if config.kind == "painter":
        from steer.renderers.painter import PainterRenderer

        return PainterRenderer()
    from steer.renderers.diffusion import DiffusersRenderer

    return DiffusersRenderer(config)
