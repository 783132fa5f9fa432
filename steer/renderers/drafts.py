"""Cheaper pictures to search with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from steer.config import DraftConfig
from steer.types import RenderFailure


@dataclass(frozen=True)
class Drafts:
    """A renderer's cheaper pictures: the same pipeline, fewer steps or pixels."""

    whole: Any  # DiffusersRenderer or Workers
    draft: DraftConfig

    @property
    def name(self) -> str:
        return f"{self.whole.name}, drafts"

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image | RenderFailure]:
        """As the whole renderer's."""
        return self.whole.render(prompts, seeds, self.draft)

    def describe(self) -> dict[str, object]:
        return {**self.whole.describe(), "tier": "draft"}
