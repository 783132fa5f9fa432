"""Q-Align's five words as a scorer: a vision-language model says how good a picture is, by the typed question.

Wu et al. 2023 (arXiv 2312.17090): the score is the expected level of excellent, good, fair, poor and bad, worth 1, .75,
.5, .25 and 0. Q-Align's own checkpoints bring their own code, which is never run, and transformers has no class for
them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from reward_models.encoders.base import opens
from reward_models.encoders.vlm import load_vlm
from reward_models.prompted.local import LocalDecider
from reward_models.prompted.question import ScoreQuestion
from reward_models.scorers.base import Scorer

WORDS = ("bad", "poor", "fair", "good", "excellent")
ASKED = {
    "aesthetics": "How would you rate the aesthetics of this picture?",
    "quality": "How would you rate the quality of this picture?",
}


class LevelsScorer(Scorer):
    """``model``: folder or hub name of any vision-language model of transformers. ``of``: "aesthetics", "quality", or
    a question of one's own. ``size``: longest side in pixels of what the model is shown.
    """

    def __init__(
        self,
        model: str,
        of: str = "aesthetics",
        revision: str | None = None,
        size: int = 448,
        device: str = "cpu",
        batch_size: int = 1,
    ):
        levels = tuple((str(i + 1), word) for i, word in enumerate(WORDS))
        self.question = ScoreQuestion(ASKED.get(of, of), levels)
        self.decider = LocalDecider(load_vlm(model, revision, device), size, batch_size)

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> np.ndarray:  # noqa: ARG002
        """The expected level (n,) in [0, 1]; NaN for a picture that does not open."""
        readable = np.array([opens(image) for image in images], dtype=bool)
        good = [image for image, fine in zip(images, readable, strict=True) if fine]
        scores = np.full(len(images), np.nan)
        scores[readable] = [row[0].liking for row in self.decider.answers(good, [self.question])]
        return scores

    def fingerprint(self) -> str:
        """Of the model, and of what it is asked."""
        return f"{self.decider.fingerprint()}:{self.question.instructions}"
