"""Who makes pictures: any diffusers pipeline, an image API, and the miniature's painter."""

from __future__ import annotations

from steer.config import RendererConfig
from steer.protocols import Renderer


def build_renderer(config: RendererConfig) -> Renderer:
    """The renderer a config names."""
    if config.kind == "painter":
        from steer.renderers.painter import PainterRenderer

        return PainterRenderer()
    if config.kind == "remote":
        from steer.renderers.remote import RemoteRenderer

        return RemoteRenderer(config)
    from steer.renderers.diffusion import DiffusersRenderer
    from steer.renderers.workers import Workers, worker_count

    return Workers(config, n) if (n := worker_count(config)) > 1 else DiffusersRenderer(config)


def miniature_renderer(batch_size: int = 16) -> Renderer:
    """The miniature's own pipeline, for many pictures at once."""
    from steer.config import load_config

    return build_renderer(load_config().renderer.model_copy(update={"batch_size": batch_size}))
