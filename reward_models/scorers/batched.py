"""What scorers that run a model of torch have in common: batches of one fixed shape, and turns on the card."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from reward_models.encoders.base import in_batches, opens
from reward_models.residency import Guest
from reward_models.scorers.base import Scorer

Pair = tuple[Image.Image, str]  # an RGB picture and its prompt


class BatchedScorer(Scorer):
    """A subclass gives :meth:`values` and ``fingerprint``.

    ``parts``: the modules, frozen. ``batch_size``: pictures that are read at once; a batch is always filled up to it,
    so that a picture has the same score in any company.
    """

    def __init__(self, name: str, parts: Sequence[nn.Module], device: str, batch_size: int):
        self.guest = Guest(name, device, lambda: parts)
        self.device, self.batch_size = device, batch_size

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> np.ndarray:
        """Raw scores (n,); NaN for a picture that does not open."""
        readable = np.array([opens(image) for image in images], dtype=bool)
        good = [
            (image.convert("RGB"), prompt)
            for image, prompt, fine in zip(images, prompts, readable, strict=True)
            if fine
        ]
        scores = np.full(len(images), np.nan)
        scores[readable] = in_batches(good, self.batch_size, 1, self._batch)[:, 0].cpu().numpy()
        return scores

    @torch.inference_mode()
    def _batch(self, pairs: list[Pair]) -> Tensor:
        images, prompts = [image for image, _ in pairs], [prompt for _, prompt in pairs]
        return self.guest.run(lambda: self.values(images, prompts).float().reshape(-1, 1))

    @abstractmethod
    def values(self, images: list[Image.Image], prompts: list[str]) -> Tensor:
        """Raw scores (B,) of RGB pictures, with the modules on ``device``."""
