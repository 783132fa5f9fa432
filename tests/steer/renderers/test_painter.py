"""The painter as a renderer."""

from __future__ import annotations

from steer.config import PainterConfig
from steer.renderers import build_renderer
from steer.testing import RendererConformance


class TestPainter(RendererConformance):
    def make(self):
        return build_renderer(PainterConfig())
