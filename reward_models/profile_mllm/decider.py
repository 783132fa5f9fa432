"""The language model that answers the typed question with the picture fused in. Shapes: B prompts, N patches, E
width.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from reward_models.base import RewardError
from reward_models.encoders.identity import weights_hash
from reward_models.encoders.vlm import Vlm
from reward_models.profile_mllm.calibration import Calibration
from reward_models.profile_mllm.eyes import Eyes
from reward_models.profile_mllm.fusion import Fusion
from reward_models.prompted.decider import Answer, Memory
from reward_models.prompted.local import LocalDecider, Prompt, shrunk
from reward_models.prompted.question import ScoreQuestion, described

MOST_KEPT = 64  # patches of a picture that the memory keeps: 8 x 8
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

    @property
    def memory(self) -> PatchMemory:
        """Made when it is asked for: kept here, the two would hold each other, and the models in memory."""
        return PatchMemory(self)

    def check(self) -> None:
        """Raises RewardError for a model that sees by itself."""
        if self.vlm.sees or self.vlm.decides:
            raise RewardError(
                f"'{self.name}' is a {type(self.vlm.model).__name__}, not a language model that reads text"
            )

    def shown(self, image: Image.Image) -> tuple[str, dict[str, Image.Image]]:  # noqa: ARG002
        """The picture comes in beside the text."""
        return described(THE_PICTURE), {}

    def about(self, question: ScoreQuestion) -> Prompt:
        """The question in the words in which it is asked about any picture, without one."""
        return self.prompt(THE_PICTURE, question)

    def answered(self, prompts: Sequence[Prompt], states: bool) -> tuple[list[Answer], np.ndarray | None]:
        """Answers (B), calibrated, and hidden states (B, D)."""
        with self.fusion.looking(self.patches(prompts)):
            found, kept = super().answered(prompts, states)
        return [self.calibration.answer(answer) for answer in found], kept

    def of_patches(self, prompt: Prompt, patches: Tensor) -> list[Answer]:
        """Answers (B), calibrated, to one prompt about pictures by their patches (B, N, E)."""
        with self.fusion.looking(patches):
            answers, _ = self.vlm.run(lambda: super(FusedDecider, self).answered([prompt] * len(patches), False))
        return [self.calibration.answer(answer) for answer in answers]

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


class PatchMemory(Memory):
    """Keeps a picture as the states of its patches, at most ``MOST_KEPT`` of them: of more, the means of neighbours. A
    fusion of the form "memory" knows each patch by its place, so there all are kept.
    """

    def __init__(self, decider: FusedDecider):
        self.decider = decider
        number = decider.eyes.patches
        self.side = math.isqrt(number)
        pooled = number > MOST_KEPT and self.side**2 == number and decider.fusion.config.form == "attention"
        self.kept = MOST_KEPT if pooled else number
        self.size = self.kept * decider.eyes.width

    def keep(self, images: Sequence[Image.Image]) -> np.ndarray:
        """See the protocol."""
        states = self.decider.eyes.patches_of([shrunk(i, self.decider.size) for i in images])  # (n, N, E)
        if self.kept < states.shape[1]:
            square = states.mT.unflatten(2, (self.side, self.side))
            states = F.adaptive_avg_pool2d(square, math.isqrt(self.kept)).flatten(2).mT
        found: np.ndarray = states.flatten(1).numpy()
        return found

    @torch.inference_mode()
    def answers(self, kept: np.ndarray, questions: Sequence[ScoreQuestion]) -> list[list[Answer]]:
        """See the protocol."""
        decider = self.decider
        states = torch.from_numpy(kept).unflatten(1, (self.kept, decider.eyes.width))
        states = states.to(decider.vlm.device, next(decider.fusion.parameters()).dtype)
        found: list[list[Answer]] = [[] for _ in kept]
        for question in questions:
            prompt, size = decider.about(question), decider.batch_size
            for start in range(0, len(kept), size):
                part = states[start : start + size]
                filled = torch.cat([part, part[-1:].expand(size - len(part), -1, -1)])
                for row, answer in zip(found[start : start + size], decider.of_patches(prompt, filled), strict=False):
                    row.append(answer)
        return found
