"""Picture classifiers of transformers as scorers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForImageClassification

from reward_models.base import RewardError
from reward_models.encoders.base import in_batches, opens
from reward_models.encoders.identity import checkpoint_files, digest_of, remembered_hash
from reward_models.encoders.pixels import load_image_processor, pixel_facts
from reward_models.scorers.base import Scorer
from reward_models.trusted import load


class ClassifierScorer(Scorer):
    """A picture classifier of transformers, as most aesthetic predictors on the hub are.

    The score is the probability of ``label``; of a model with a single output (a regression) that output as it is.
    """

    def __init__(
        self,
        model: str,
        label: str | None = None,
        revision: str | None = None,
        device: str = "cpu",
        batch_size: int = 1,
    ):
        try:
            self.model = load(AutoModelForImageClassification, model, revision=revision, use_safetensors=True)
            self.processor = load_image_processor(model, revision)
        except (OSError, ValueError) as error:
            raise RewardError(f"cannot load the classifier '{model}': {str(error).splitlines()[0]}") from error
        self.model.eval().requires_grad_(False).to(device)
        labels = {str(name): int(i) for i, name in self.model.config.id2label.items()}
        self.single = len(labels) == 1
        if not self.single and label not in labels:
            raise RewardError(f"'{model}' needs a label to score by, not {label!r}; it knows: {', '.join(labels)}")
        self.row = 0 if self.single else labels[str(label)]
        self.label, self.device, self.batch_size = label, device, batch_size
        self._files = checkpoint_files(model, getattr(self.model.config, "_commit_hash", None) or revision)

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> np.ndarray:  # noqa: ARG002
        """(n,) in [0, 1], or the raw output of a regression; NaN for a picture that does not open."""
        readable = np.array([opens(image) for image in images], dtype=bool)
        good = [image.convert("RGB") for image, fine in zip(images, readable, strict=True) if fine]
        scores = np.full(len(images), np.nan)
        scores[readable] = in_batches(good, self.batch_size, 1, self._batch)[:, 0].cpu().numpy()
        return scores

    @torch.inference_mode()
    def _batch(self, images: list[Image.Image]) -> torch.Tensor:
        inputs = self.processor(images=images, return_tensors="pt").to(self.device)
        logits = self.model(**inputs).logits.float()
        return (logits if self.single else logits.softmax(-1))[:, self.row : self.row + 1]

    def fingerprint(self) -> str:
        """Of weights, how pixels are made, and label."""
        return f"{self._hash}:{self.label}"

    @cached_property
    def _hash(self) -> str:
        return digest_of(remembered_hash(self.model, self._files), pixel_facts(self.processor))
