"""The language model that answers the typed question with the picture fused in. Shapes: B prompts, N patches, E
width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reward_models.base import RewardError
from reward_models.encoders.identity import weights_hash
from reward_models.encoders.vlm import Vlm
from reward_models.profile_mllm.calibration import Calibration
from reward_models.profile_mllm.eyes import Eyes
from reward_models.profile_mllm.fusion import Fusion
from reward_models.prompted.decider import Answer
from reward_models.prompted.local import LocalDecider, Prompt, shrunk

THE_PICTURE = "the picture"  # what stands in the prompt where a picture in words would


class FusedDecider(LocalDecider):
    """``llm``: a language model that does not see. A picture is looked at once, for any number of questions; a text in
    its place is read by the language model alone.
    """

    def __init__(
        self,
        llm: Vlm,
        eyes: Eyes,
        fusion: Fusion,
        calibration: Calibration | None = None,
        size: int = 448,
        batch_size: int = 1,
    ):
        super().__init__(llm, size, batch_size)
        self.eyes, self.fusion, self.calibration = eyes, fusion, calibration or Calibration()

    def check(self) -> None:
        """Raises RewardError for a model that sees by itself."""
        if self.vlm.sees or self.vlm.decides:
            raise RewardError(
                f"'{self.name}' is a {type(self.vlm.model).__name__}, not a language model that reads text"
            )

    def shown(self, image: Image.Image) -> tuple[str, dict[str, Image.Image]]:  # noqa: ARG002
        """The picture comes in beside the text."""
        return THE_PICTURE, {}

    def answered(self, prompts: Sequence[Prompt], states: bool) -> tuple[list[Answer], np.ndarray | None]:
        """Answers (B), calibrated, and hidden states (B, D)."""
        with self.fusion.looking(self.patches(prompts)):
            found, kept = super().answered(prompts, states)
        return [self.calibration.answer(answer) for answer in found], kept

    def patches(self, prompts: Sequence[Prompt]) -> Tensor | None:
        """Of the prompts' pictures (B, N, E), on the language model's device; None for texts."""
        pictures = [shrunk(p.picture, self.size) for p in prompts if p.picture is not None]
        if not pictures:
            return None
        return self.eyes.patches_of(pictures).to(self.vlm.device, next(self.fusion.parameters()).dtype)

    def fingerprint(self) -> str:
        """Of the language model, the eyes, the fusion and the calibration."""
        told: list[Any] = [
            super().fingerprint(),
            self.eyes.fingerprint(),
            weights_hash(self.fusion, dtype=torch.bfloat16),
        ]
        told += [self.fusion.config, self.calibration, THE_PICTURE]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
