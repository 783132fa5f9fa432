"""A frozen vision tower of transformers: a picture as hidden states of its patches, each picture once.

Shapes: n pictures, L kept layers, N patches, E width.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoConfig, AutoModel, CLIPVisionModel, SiglipVisionModel

from reward_models.base import RewardError
from reward_models.encoders.base import first_line, precision_for
from reward_models.encoders.identity import checkpoint_files, digest_of, remembered_hash
from reward_models.encoders.pixels import load_image_processor, pixel_facts
from reward_models.residency import Guest, settled
from reward_models.trusted import load

TOWERS = {"clip": CLIPVisionModel, "siglip": SiglipVisionModel}  # of models that have a text tower too
GIB = 2**30


class Tower(ABC):
    """``name``: a folder or hub name. ``keep``: GiB of main memory for the states of the pictures looked at last.

    A subclass says in ``look`` which states it keeps of one picture. Raises RewardError for a model that does not load
    or has no patches.
    """

    def __init__(self, name: str | Path, device: str = "cpu", revision: str | None = None, keep: float = 0.25):
        try:
            config = load(AutoConfig, name, revision=revision)
            kind = TOWERS.get(config.model_type, AutoModel)
            model = load(kind, name, revision=revision, use_safetensors=True, dtype=precision_for(device))
            self.processor = load_image_processor(name, revision)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise RewardError(f"cannot load the vision tower '{name}': {first_line(error)}") from error
        told: Any = model.config
        if not {"patch_size", "image_size", "hidden_size", "num_hidden_layers"} <= told.to_dict().keys():
            raise RewardError(f"'{name}' is a {type(model).__name__}, which has no patches")
        self.name, self.device = str(name), device
        self.model: Any = settled(model, device)
        self.revision: str | None = getattr(told, "_commit_hash", None) or revision  # of hub models
        self.width: int = told.hidden_size
        self.depth: int = told.num_hidden_layers
        height, width = self.pixels(Image.new("RGB", (8, 8))).shape[-2:]
        self.patches: int = (height // told.patch_size) * (width // told.patch_size)
        self._guest = Guest(f"the vision tower '{name}'", device, lambda: [model])
        self._files = checkpoint_files(name, revision)
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()
        self._room = int(keep * GIB)

    @abstractmethod
    def look(self, pixels: Tensor) -> Tensor:
        """What is kept of the pixels (1, 3, H, W) of one picture on the device, a tensor on the CPU."""

    def looked(self, images: Sequence[Image.Image]) -> list[Tensor]:
        """What is kept of each of n pictures; those seen lately are not looked at again."""
        keys = [hashlib.sha256(repr(i.size).encode() + i.convert("RGB").tobytes()).digest() for i in images]
        found: dict[bytes, Tensor] = {}
        for key, image in zip(keys, images, strict=True):
            if key not in found:
                found[key] = self._kept.pop(key) if key in self._kept else self._look(image)
                self._kept[key] = found[key]
        while self._kept and len(self._kept) * _bytes(next(iter(self._kept.values()))) > self._room:
            self._kept.popitem(last=False)
        return [found[key] for key in keys]

    def pixels(self, image: Image.Image) -> Tensor:
        """(1, 3, H, W) as the model's own processor makes them."""
        found: Tensor = self.processor(images=[image.convert("RGB")], return_tensors="pt")["pixel_values"]
        return found

    def fingerprint(self) -> str:
        """Of the weights, of which states are kept, and of how pixels are made."""
        return digest_of(remembered_hash(self.model, self._files), *self.told(), pixel_facts(self.processor))

    def told(self) -> list[Any]:
        """Which states are kept."""
        return []

    def _look(self, image: Image.Image) -> Tensor:
        """One picture at a time, so that its states are the same in any company; ordinary tensors, as training may
        use them.
        """
        pixels = self.pixels(image)

        def looked() -> Tensor:
            with torch.inference_mode(False), torch.no_grad():
                return self.look(pixels.to(self.device, self.model.dtype, copy=True))

        return self._guest.run(looked)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
