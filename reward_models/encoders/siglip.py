"""SigLIP and SigLIP 2: pictures and prompts in one space."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer
from transformers.models.auto.tokenization_auto import get_tokenizer_config

from reward_models.base import RewardError
from reward_models.encoders.base import FrozenEncoder, Prepared, first_line, in_batches, precision_for
from reward_models.encoders.identity import checkpoint_files
from reward_models.encoders.pixels import load_image_processor, pixel_facts
from reward_models.trusted import load

log = logging.getLogger(__name__)
_TOKENIZING = threading.Lock()  # whether a fast tokenizer pads is a state that all its callers share
TEXTS = 4  # read at once at least: a text is a small part of a picture's work


class SiglipEncoder(FrozenEncoder):
    """A SigLIP or SigLIP 2 by folder or hub name; in bf16 but on the CPU.

    Pictures are resized and normalised by the model's own processor. Texts are written as the model was trained to
    read them: padded to ``max_tokens`` and, of a SigLIP 2, in lower case.
    """

    kind = "siglip"
    has_text = True

    def __init__(
        self,
        name: str | Path,
        device: str = "cpu",
        batch_size: int = 1,
        revision: str | None = None,
        dtype: torch.dtype | None = None,
    ):
        try:
            model = load(AutoModel, name, revision=revision, use_safetensors=True, dtype=dtype or precision_for(device))
            if not hasattr(model.config, "text_config") or not hasattr(model, "logit_bias"):
                raise RewardError(
                    f"'{name}' is a {type(model).__name__}, not a SigLIP; for pictures alone use kind 'vision'"
                )
            self.pictures_in = load_image_processor(name, revision)
            self.tokenizer = load(AutoTokenizer, name, revision=revision)
            tokenizer_class = get_tokenizer_config(name, revision=revision).get("tokenizer_class")
        except (OSError, ValueError, ImportError) as error:
            raise RewardError(f"cannot load the SigLIP '{name}': {first_line(error)}") from error
        self.revision = getattr(model.config, "_commit_hash", None)
        files = checkpoint_files(name, self.revision or revision)
        super().__init__(str(name), model, model.config.vision_config.hidden_size, device, batch_size, files)
        # A SigLIP 2 of fixed resolution is a SiglipModel with Gemma's tokenizer, which keeps capitals; it was trained
        # without (Tschannen et al. 2025, arXiv 2502.14786). SigLIP's own tokenizer takes capitals out itself.
        self.in_lower_case = tokenizer_class in ("GemmaTokenizer", "GemmaTokenizerFast")
        self.max_tokens: int = model.config.text_config.max_position_embeddings
        self._said_cut = False

    def prepare(self, image: Image.Image) -> Prepared:
        """``pixel_values`` (3, H, W); for NaFlex models patches and their mask."""
        inputs = self.pictures_in(images=[image.convert("RGB")], return_tensors="pt")
        return {k: v[0] for k, v in inputs.items()}

    def encode(self, batch: Prepared) -> Tensor:
        """The picture tower's pooled output (B, D)."""
        pixels = batch["pixel_values"].to(self.model.dtype)
        return _vectors(self.model.get_image_features(**batch | {"pixel_values": pixels}))

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors (n, D) of texts; a text beyond ``max_tokens`` is cut with a warning."""
        if not texts:
            return torch.zeros(0, self.width, device=self.device)
        written = [self.written(t) for t in texts]
        unique = list(dict.fromkeys(written))
        size = max(TEXTS, self.batch_size)
        rows = dict(zip(unique, in_batches(unique, size, self.width, self._text_batch), strict=True))
        return torch.stack([rows[t] for t in written])

    def written(self, text: str) -> str:
        """A text as the model was trained to read it."""
        return text.lower() if self.in_lower_case else text

    def told(self) -> list[str]:
        """How pixels are made, and that texts are in lower case where it is done here."""
        return [pixel_facts(self.pictures_in), *(["lower case"] if self.in_lower_case else [])]

    def agreement(self, images: Tensor, texts: Tensor) -> Tensor:
        """The sigmoid of SigLIP's own logit for each pair: (n, D) and (n, D) to (n,).

        Zhai et al. 2023, eq. 1: sigmoid(exp(t') x.y + b).
        """
        scale, bias = (p.float().to(images.device) for p in (self.model.logit_scale, self.model.logit_bias))
        logits = (images * texts).sum(-1) * scale.exp() + bias
        return torch.sigmoid(logits).cpu()

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` before any cut, end token included."""
        with _TOKENIZING:
            return len(self.tokenizer(self.written(text)).input_ids)

    def _text_batch(self, texts: list[str]) -> Tensor:
        if not self._said_cut and (cut := next((t for t in texts if self.count_tokens(t) > self.max_tokens), None)):
            self._said_cut = True  # once, as a search may write hundreds of such texts
            log.warning("long texts are read only to their first %d tokens, such as: %.60s...", self.max_tokens, cut)
        with _TOKENIZING:
            tokens = self.tokenizer(
                texts,
                padding="max_length",
                padding_side="right",  # the last position is read, as in training
                max_length=self.max_tokens,
                truncation=True,
                return_tensors="pt",
            ).to(self.device)
        read = self.guest.run(lambda: self.model.get_text_features(input_ids=tokens["input_ids"]))
        features = _vectors(read)
        return nn.functional.normalize(features.float(), dim=-1)


def _vectors(output: Any) -> Tensor:
    return getattr(output, "pooler_output", output)
