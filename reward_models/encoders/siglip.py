"""SigLIP and SigLIP 2: pictures and prompts in one space."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AutoModel, AutoProcessor

from reward_models.base import RewardError
from reward_models.encoders.base import FrozenEncoder, Prepared, first_line, in_batches, precision_for
from reward_models.trusted import load

log = logging.getLogger(__name__)


class SiglipEncoder(FrozenEncoder):
    """A SigLIP or SigLIP 2 by folder or hub name; bf16 on CUDA.

    Pictures are resized and normalised by the model's own processor.
    """

    kind = "siglip"
    has_text = True

    def __init__(
        self,
        name: str | Path,
        device: str = "cpu",
        batch_size: int = 16,
        revision: str | None = None,
        dtype: torch.dtype | None = None,
    ):
        try:
            model = load(AutoModel, name, revision=revision, use_safetensors=True, dtype=dtype or precision_for(device))
            self.processor = load(AutoProcessor, name, revision=revision)
        except (OSError, ValueError) as error:
            raise RewardError(f"cannot load the SigLIP '{name}': {first_line(error)}") from error
        if not hasattr(model.config, "text_config") or not hasattr(model, "logit_bias"):
            raise RewardError(
                f"'{name}' is a {type(model).__name__}, not a SigLIP; for pictures alone use kind 'vision'"
            )
        super().__init__(str(name), model, model.config.vision_config.hidden_size, device, batch_size)
        self.revision = getattr(model.config, "_commit_hash", None)
        self.max_tokens: int = model.config.text_config.max_position_embeddings
        self._said_cut = False

    def prepare(self, image: Image.Image) -> Prepared:
        """``pixel_values`` (3, H, W); for NaFlex models patches and their mask."""
        inputs = self.processor.image_processor(images=[image.convert("RGB")], return_tensors="pt")
        return {k: v[0] for k, v in inputs.items()}

    def encode(self, batch: Prepared) -> Tensor:
        """The picture tower's pooled output (B, D)."""
        pixels = batch["pixel_values"].to(self.model.dtype)
        return _vectors(self.model.get_image_features(**batch | {"pixel_values": pixels}))

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors (n, D) of texts; a text beyond ``max_tokens`` is cut with a warning."""
        if not texts:
            return torch.zeros(0, self.width)
        unique = list(dict.fromkeys(texts))
        rows = dict(zip(unique, in_batches(unique, self.batch_size, self.width, self._text_batch), strict=True))
        return torch.stack([rows[t] for t in texts])

    def agreement(self, images: Tensor, texts: Tensor) -> Tensor:
        """The sigmoid of SigLIP's own logit for each pair: (n, D) and (n, D) to (n,).

        Zhai et al. 2023, eq. 1: sigmoid(exp(t') x.y + b).
        """
        logits = (images * texts).sum(-1) * self.model.logit_scale.float().exp() + self.model.logit_bias.float()
        return torch.sigmoid(logits).cpu()

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` before any cut, end token included."""
        return len(self.processor.tokenizer(text).input_ids)

    def _text_batch(self, texts: list[str]) -> Tensor:
        if not self._said_cut and (cut := next((t for t in texts if self.count_tokens(t) > self.max_tokens), None)):
            self._said_cut = True  # once, as a search may write hundreds of such texts
            log.warning("long texts are read only to their first %d tokens, such as: %.60s...", self.max_tokens, cut)
        tokens = self.processor(
            text=texts,
            padding="max_length",
            max_length=self.max_tokens,
            truncation=True,
            return_tensors="pt",
        ).to(self.device)
        features = _vectors(self.model.get_text_features(input_ids=tokens["input_ids"]))
        return nn.functional.normalize(features.float(), dim=-1)


def _vectors(output: Any) -> Tensor:
    return getattr(output, "pooler_output", output)
