"""A frozen vision tower of transformers: a picture as the hidden states of its patches, each picture once.

Shapes: n pictures, N patches, E width.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from reward_models.encoders.tower import Tower

LAYER = -2  # the last but one, as LLaVA has it; the paper does not say


class Eyes(Tower):
    """``layer``: of the hidden states, 0 the embeddings. See :class:`~reward_models.encoders.tower.Tower`."""

    def __init__(
        self,
        name: str | Path,
        layer: int = LAYER,
        device: str = "cpu",
        revision: str | None = None,
        keep: float = 0.25,
    ):
        super().__init__(name, device, revision, keep)
        self.layer = layer

    def patches_of(self, images: Sequence[Image.Image]) -> Tensor:
        """Hidden states (n, N, E) in fp32 on the CPU. Pictures seen lately are not looked at again."""
        return torch.stack(self.looked(images)) if images else torch.zeros(0, self.patches, self.width)

    def look(self, pixels: Tensor) -> Tensor:
        """(N, E), without a class token in front."""
        states: Tensor = self.model(pixel_values=pixels, output_hidden_states=True).hidden_states[self.layer]
        return states[0, -self.patches :].float().cpu()

    def told(self) -> list[Any]:
        """The layer."""
        return [self.layer]
