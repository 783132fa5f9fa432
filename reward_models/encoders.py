"""Frozen SigLIP / SigLIP 2: pictures and prompts to unit vectors, and how well they agree."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from transformers import AutoModel, AutoProcessor

from reward_models.base import RewardError

log = logging.getLogger(__name__)


def weights_hash(*models: nn.Module) -> str:
    """Sixteen hex digits of all weights, names included."""
    digest = hashlib.sha256()
    for model in models:
        for key, value in sorted(model.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


class SiglipEncoder:
    """A frozen SigLIP by folder or hub name.

    Every picture goes through in its own fixed-size batch slot (the last batch is padded), so
    its features are the same in any company.
    """

    def __init__(self, name: str | Path, device: str = "cpu", batch_size: int = 16):
        try:
            self.model = AutoModel.from_pretrained(name, use_safetensors=True, dtype=torch.float32).eval().to(device)
            self.processor = AutoProcessor.from_pretrained(name)
        except (OSError, ValueError) as error:
            raise RewardError(f"cannot load the SigLIP '{name}': {error}") from error
        self.model.requires_grad_(False)
        self.name, self.device, self.batch_size = str(name), device, batch_size
        self._said_cut: set[str] = set()
        self.max_tokens: int = self.model.config.text_config.max_position_embeddings
        self.width: int = self.model.config.vision_config.hidden_size

    @torch.inference_mode()
    def images(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Unit vectors (n, D) of pictures."""
        return self._in_batches([i.convert("RGB") for i in images], self._image_batch)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Unit vectors (n, D) of texts; a text beyond ``max_tokens`` is cut with a warning."""
        unique = list(dict.fromkeys(texts))
        vectors = dict(zip(unique, self._in_batches(unique, self._text_batch), strict=True))
        return torch.stack([vectors[t] for t in texts]) if texts else torch.zeros(0, self.width)

    def agreement(self, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """The sigmoid of SigLIP's own logit for each pair: (n, D) and (n, D) to (n,).

        Zhai et al. 2023, eq. 1: sigmoid(exp(t') x.y + b).
        """
        logits = (images * texts).sum(-1) * self.model.logit_scale.exp() + self.model.logit_bias
        return torch.sigmoid(logits).cpu()

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` before any cut, end token included."""
        return len(self.processor.tokenizer(text).input_ids)

    def fingerprint(self) -> str:
        """Hash of the weights: two encoders of one name are told apart."""
        return weights_hash(self.model)

    def _in_batches(self, items: list[Any], encode: Callable[[list[Any]], torch.Tensor]) -> torch.Tensor:
        rows = []
        for start in range(0, len(items), self.batch_size):
            chunk = items[start : start + self.batch_size]
            padded = chunk + [chunk[-1]] * (self.batch_size - len(chunk))
            rows.append(encode(padded)[: len(chunk)])
        return torch.cat(rows) if rows else torch.zeros(0, self.width)

    def _image_batch(self, images: list[Image.Image]) -> torch.Tensor:
        pixels = self.processor(images=images, return_tensors="pt").to(self.device)
        return self._unit(self.model.get_image_features(**pixels))

    def _text_batch(self, texts: list[str]) -> torch.Tensor:
        for text in dict.fromkeys(texts):
            if text not in self._said_cut and (n := self.count_tokens(text)) > self.max_tokens:
                self._said_cut.add(text)
                log.warning("text of %d tokens is read only to token %d: %.60s...", n, self.max_tokens, text)
        tokens = self.processor(
            text=texts, padding="max_length", max_length=self.max_tokens, truncation=True,
            return_tensors="pt",
        ).to(self.device)  # fmt: skip
        return self._unit(self.model.get_text_features(input_ids=tokens["input_ids"]))

    @staticmethod
    def _unit(features: Any) -> torch.Tensor:
        vectors = getattr(features, "pooler_output", features)
        return torch.nn.functional.normalize(vectors.float(), dim=-1)
