"""Cheaper pictures to search with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PIL import Image

from steer.config import DraftConfig
from steer.protocols import Renderer
from steer.types import RenderFailure


class DrawsDrafts(Renderer, Protocol):
    """A renderer that can draw every picture cheaper too."""

    def render(
        self, prompts: Sequence[str], seeds: Sequence[int], draft: DraftConfig | None = None
    ) -> list[Image.Image | RenderFailure]:
        """As :meth:`Renderer.render`; with a ``draft``, cheaper."""
        ...


class Drafts(Renderer):
    """The cheaper pictures of ``whole``: the same pipeline, fewer steps or pixels."""

    def __init__(self, whole: DrawsDrafts, draft: DraftConfig):
        self.whole, self.draft = whole, draft
        self.name, self.batch_size = f"{whole.name}, drafts", whole.batch_size

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image | RenderFailure]:
        """As the whole renderer's."""
        return self.whole.render(prompts, seeds, self.draft)

    def prepare(self, prompts: Sequence[str]) -> None:
        """As the whole renderer does."""
        self.whole.prepare(prompts)

    @property
    def drawn_together(self) -> int | None:  # type: ignore[override]
        """As many as of the whole renderer."""
        return self.whole.drawn_together

    def narrow(self, batch_size: int) -> None:
        """As the whole renderer does."""
        self.whole.narrow(batch_size)

    def describe(self) -> dict[str, object]:
        """As the whole renderer, told apart."""
        return {**self.whole.describe(), "tier": "draft"}
