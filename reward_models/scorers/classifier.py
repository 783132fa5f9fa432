"""Other judges of pictures beside the personal reward, by name.

A scorer of one's own is any object with ``score`` and ``fingerprint``; it is found under a name after
:func:`register`, or by an entry point of the group ``reward_models.scorers.classifier`` in a package's metadata.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

from reward_models.base import RewardError
from reward_models.encoders.base import in_batches, opens, weights_hash

GROUP = "reward_models.scorers.classifier"


@runtime_checkable
class Scorer(Protocol):
    """A judge of pictures that knows nobody in particular. Higher is better, on any scale."""

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> np.ndarray:
        """Raw scores (n,); NaN for a picture that cannot be judged. The same picture scores the same in any company."""
        ...

    def fingerprint(self) -> str:
        """Changes whenever scores would."""
        ...


class ClassifierScorer:
    """A picture classifier of transformers, as most aesthetic predictors on the hub are.

    The score is the probability of ``label``; of a model with a single output (a regression) that output as it is.
    """

    def __init__(
        self,
        model: str,
        label: str | None = None,
        revision: str | None = None,
        device: str = "cpu",
        batch_size: int = 16,
    ):
        try:
            self.model = AutoModelForImageClassification.from_pretrained(model, revision=revision, use_safetensors=True)
            self.processor = AutoImageProcessor.from_pretrained(model, revision=revision)
        except (OSError, ValueError) as error:
            raise RewardError(f"cannot load the classifier '{model}': {str(error).splitlines()[0]}") from error
        self.model.eval().requires_grad_(False).to(device)
        labels = {str(name): int(i) for i, name in self.model.config.id2label.items()}
        self.single = len(labels) == 1
        if not self.single and label not in labels:
            raise RewardError(f"'{model}' needs a label to score by, not {label!r}; it knows: {', '.join(labels)}")
        self.row = 0 if self.single else labels[str(label)]
        self.label, self.device, self.batch_size = label, device, batch_size

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> np.ndarray:
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
        """Of weights and label."""
        return f"{weights_hash(self.model)}:{self.label}"


_KINDS: dict[str, Callable[..., Scorer]] = {"classifier": ClassifierScorer}


def register(kind: str, factory: Callable[..., Scorer]) -> None:
    """Make ``factory(**settings)`` known as ``kind``."""
    _KINDS[kind] = factory


def load_scorer(kind: str, **settings: Any) -> Scorer:
    """A scorer by kind: registered, or an entry point of ``reward_models.scorers.classifier``. Raises RewardError."""
    offered = {point.name: point for point in entry_points(group=GROUP)}
    factory = _KINDS.get(kind) or (offered[kind].load() if kind in offered else None)
    if factory is None:
        known = sorted({*_KINDS, *offered})
        close = difflib.get_close_matches(kind, known, n=1)
        raise RewardError(
            f"unknown kind of scorer '{kind}'. {f'Did you mean {close[0]!r}?' if close else ''} Known: {', '.join(known)}"
        )
    try:
        return factory(**settings)
    except TypeError as error:
        raise RewardError(f"the scorer '{kind}' does not take these settings: {error}") from error
