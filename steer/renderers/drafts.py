"""Cheaper pictures to search with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image

from steer.config import DraftConfig
from steer.protocols import Renderer
from steer.types import RenderFailure

Draw = Callable[[Sequence[str], Sequence[int], DraftConfig], list[Image.Image | RenderFailure]]


class Drafts(Renderer):
    """A renderer's cheaper pictures: the same pipeline, fewer steps or pixels. ``draw``: the whole renderer's ``render``."""

    def __init__(self, whole: Renderer, draw: Draw, draft: DraftConfig):
        self.whole, self.draw, self.draft = whole, draw, draft
        self.name, self.batch_size = f"{whole.name}, drafts", whole.batch_size

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image | RenderFailure]:
        """As the whole renderer's."""
        return self.draw(prompts, seeds, self.draft)

    def describe(self) -> dict[str, object]:
        """As the whole renderer's, told apart."""
        return {**self.whole.describe(), "tier": "draft"}
