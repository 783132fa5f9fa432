"""CALM's frozen vision tower: the states of a picture's patches after four of its blocks.

The paper's: blocks 4, 12 and 24 of CLIP ViT-L/14 for the Q-Formers. Ours: that other towers are tapped at the same
share of their depth, that the map of all patches reads the last but one block, as LLaVA does, and that a class token is
left out. Shapes: n pictures, N patches, E width.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from reward_models.base import RewardError
from reward_models.encoders.tower import Tower

PAPERS, OF = (4, 12, 24), 24  # blocks of low, middle and high, of so many


def taps_of(depth: int) -> tuple[int, int, int, int]:
    """The blocks, counted from 1, of low, middle, high and thematic in a tower of ``depth`` blocks.

    >>> taps_of(24), taps_of(12), taps_of(4), taps_of(1)
    ((4, 12, 24, 23), (2, 6, 12, 11), (1, 2, 4, 3), (1, 1, 1, 1))
    """
    low, middle, high = (max(1, (2 * block * depth + OF) // (2 * OF)) for block in PAPERS)
    return low, middle, high, max(1, depth - 1)


class TappedTower(Tower):
    """``taps``: the blocks, counted from 1, of low, middle, high and thematic; None: as :func:`taps_of` has them.

    States are kept in half precision. Raises RewardError for a tap that is not there.
    """

    def __init__(
        self,
        name: str | Path,
        taps: Sequence[int] | None = None,
        device: str = "cpu",
        revision: str | None = None,
        keep: float = 0.25,
    ):
        super().__init__(name, device, revision, keep)
        self.taps = tuple(taps) if taps is not None else taps_of(self.depth)
        if len(self.taps) != 4 or not all(1 <= tap <= self.depth for tap in self.taps):
            raise RewardError(f"'{name}' has {self.depth} blocks; {list(self.taps)} are not four of them")
        self._passing: dict[int, Tensor] = {}
        for number in set(self.taps):
            self._blocks()[number - 1].register_forward_hook(_tap(self._passing, number))

    def states_of(self, images: Sequence[Image.Image]) -> Tensor:
        """States (n, 4, N, E) in fp16 on the CPU, by level. Pictures seen lately are not looked at again."""
        shape = (0, 4, self.patches, self.width)
        return torch.stack(self.looked(images)) if images else torch.zeros(shape, dtype=torch.float16)

    def look(self, pixels: Tensor) -> Tensor:
        """(4, N, E): what the tapped blocks give, before any last norm."""
        self.model(pixel_values=pixels)
        states = [self._passing[tap][0, -self.patches :] for tap in self.taps]
        self._passing.clear()
        return torch.stack(states).half().cpu()

    def told(self) -> list[Any]:
        """The taps."""
        return [self.taps]

    def _blocks(self) -> nn.ModuleList:
        """The tower's blocks, whatever its class calls them."""
        lists = [m for m in self.model.modules() if isinstance(m, nn.ModuleList) and len(m) == self.depth]
        if not lists:
            raise RewardError(f"'{self.name}' is a {type(self.model).__name__}, whose blocks are not found")
        return lists[0]


def _tap(passing: dict[int, Tensor], number: int) -> Any:
    """Holds no reference to the tower, which could not be freed otherwise."""

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        passing[number] = output[0] if isinstance(output, tuple) else output

    return keep
