"""A frozen vision tower of transformers: a picture as the hidden states of its patches, each picture once.

Shapes: n pictures, N patches, E width.
"""

from __future__ import annotations

import hashlib
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
LAYER = -2  # the last but one, as LLaVA has it; the paper does not say
GIB = 2**30


class Eyes:
    """``name``: a folder or hub name. ``layer``: of the hidden states, 0 the embeddings. ``keep``: GiB of main memory
    for the states of the pictures looked at last.

    Raises RewardError for a model that does not load or has no patches.
    """

    def __init__(
        self,
        name: str | Path,
        layer: int = LAYER,
        device: str = "cpu",
        revision: str | None = None,
        keep: float = 0.25,
    ):
        try:
            config = load(AutoConfig, name, revision=revision)
            kind = TOWERS.get(config.model_type, AutoModel)
            model = load(kind, name, revision=revision, use_safetensors=True, dtype=precision_for(device))
            self.processor = load_image_processor(name, revision)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise RewardError(f"cannot load the vision tower '{name}': {first_line(error)}") from error
        told: Any = model.config
        if not {"patch_size", "image_size", "hidden_size"} <= told.to_dict().keys():
            raise RewardError(f"'{name}' is a {type(model).__name__}, which has no patches")
        self.name, self.layer, self.device = str(name), layer, device
        self.model: Any = settled(model, device)
        self.width: int = told.hidden_size
        self.patches: int = (told.image_size // told.patch_size) ** 2
        self._guest = Guest(f"the eyes '{name}'", device, lambda: [model])
        self._files = checkpoint_files(name, revision)
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()
        self._most = int(keep * GIB / (self.patches * self.width * 4))

    def patches_of(self, images: Sequence[Image.Image]) -> Tensor:
        """Hidden states (n, N, E) in fp32 on the CPU. Pictures seen lately are not looked at again."""
        keys = [hashlib.sha256(repr(i.size).encode() + i.tobytes()).digest() for i in images]
        found: dict[bytes, Tensor] = {}
        for key, image in zip(keys, images, strict=True):
            if key not in found:
                found[key] = self._kept.pop(key) if key in self._kept else self._look(image)
                self._kept[key] = found[key]
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return torch.stack([found[key] for key in keys]) if keys else torch.zeros(0, self.patches, self.width)

    def _look(self, image: Image.Image) -> Tensor:
        """One picture at a time, so that its states are the same in any company."""
        pixels = self.processor(images=[image.convert("RGB")], return_tensors="pt")["pixel_values"]

        @torch.inference_mode()
        def looked() -> Tensor:
            given = pixels.to(self.device, self.model.dtype)
            states: Tensor = self.model(pixel_values=given, output_hidden_states=True).hidden_states[self.layer]
            return states[0, -self.patches :].float().cpu()  # without a class token in front

        return self._guest.run(looked)

    def fingerprint(self) -> str:
        """Of the weights, the layer and how pixels are made."""
        return digest_of(remembered_hash(self.model, self._files), self.layer, pixel_facts(self.processor))
