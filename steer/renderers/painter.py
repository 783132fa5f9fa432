"""The miniature's painter as a renderer: exact and instant, an upper bound, never a default."""

from __future__ import annotations

import random
from collections.abc import Sequence

from PIL import Image

from steer.config import PainterConfig
from steer.miniature.painter import paint
from steer.miniature.words import nearest_subject, read_prompt
from steer.miniature.world import complete_scene
from steer.protocols import Renderer
from steer.renderers.vocabulary import painter_vocabulary
from steer.types import RenderFailure


class PainterRenderer(Renderer):
    """Reads the prompt's words into attributes; the seed draws the rest."""

    name = "painter (drawn by code, not a diffusion model)"

    def __init__(self) -> None:
        self.vocabulary = painter_vocabulary()

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image | RenderFailure]:
        """A painting of each prompt; without a known subject, of the one whose name is nearest."""
        return [self._one(p, s) for p, s in zip(prompts, seeds, strict=True)]

    def describe(self) -> dict[str, object]:
        """Its kind is all there is."""
        return {"kind": "painter"}

    def _one(self, prompt: str, seed: int) -> Image.Image:
        said = read_prompt(prompt)
        said.setdefault("subject", nearest_subject(prompt))
        return paint(complete_scene(said, random.Random(seed)))


def build(_config: PainterConfig) -> PainterRenderer:
    """The painter, of which nothing can be set."""
    return PainterRenderer()
