"""Picture classifiers of transformers as scorers."""

from __future__ import annotations

from functools import cached_property

from PIL import Image
from torch import Tensor
from transformers import AutoModelForImageClassification

from reward_models.base import RewardError
from reward_models.encoders.identity import checkpoint_files, digest_of, remembered_hash
from reward_models.encoders.pixels import load_image_processor, pixel_facts
from reward_models.residency import settled
from reward_models.scorers.batched import BatchedScorer
from reward_models.trusted import load


class ClassifierScorer(BatchedScorer):
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
        network = settled(self.model, device)
        labels = {str(name): int(i) for i, name in self.model.config.id2label.items()}
        self.single = len(labels) == 1
        if not self.single and label not in labels:
            raise RewardError(f"'{model}' needs a label to score by, not {label!r}; it knows: {', '.join(labels)}")
        self.row = 0 if self.single else labels[str(label)]
        self.label = label
        self._files = checkpoint_files(model, getattr(self.model.config, "_commit_hash", None) or revision)
        super().__init__(f"the classifier '{model}'", [network], device, batch_size)

    def values(self, images: list[Image.Image], prompts: list[str]) -> Tensor:  # noqa: ARG002
        """(B,) in [0, 1], or the raw output of a regression."""
        inputs = self.processor(images=images, return_tensors="pt").to(self.device)
        logits = self.model(**inputs).logits.float()  # (B, L)
        return (logits if self.single else logits.softmax(-1))[:, self.row]

    def fingerprint(self) -> str:
        """Of weights, how pixels are made, and label."""
        return f"{self._hash}:{self.label}"

    @cached_property
    def _hash(self) -> str:
        return digest_of(remembered_hash(self.model, self._files), pixel_facts(self.processor))
