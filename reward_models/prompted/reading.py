"""What the prompted reward keeps of pictures and texts: themselves, and every answer about them. Shapes: n subjects, D
features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from reward_models.prompted.decider import Answer, Subject
from reward_models.prompted.question import ScoreQuestion
from reward_models.protocols import Reading


@dataclass(eq=False)
class Shown:
    """A picture or a text. ``subject``: None for one of which only answers were kept, or that does not open; ``kept``:
    what the decider's memory has of it, None for nothing.

    ``answers``: by what was asked. ``x``: its features (D,). ``prompt`` and ``fidelity``: what it was drawn for, and
    how well it fits, NaN where no encoder tells.
    """

    subject: Subject | None
    prompt: str = ""
    x: np.ndarray = field(default_factory=lambda: np.zeros(0))
    fidelity: float = np.nan
    answers: dict[ScoreQuestion, Answer] = field(default_factory=dict)
    kept: np.ndarray | None = None

    @property
    def is_text(self) -> bool:
        """Whether a text stands for the picture."""
        return isinstance(self.subject, str)

    @property
    def is_picture(self) -> bool:
        """Whether the picture itself is here."""
        return isinstance(self.subject, Image.Image)


@dataclass(frozen=True)
class PromptedReading(Reading):
    """Nothing is asked before a person is judged for, so that all questions about a subject go together."""

    shown: list[Shown]

    def __len__(self) -> int:
        return len(self.shown)

    def rows(self, index: Sequence[int]) -> PromptedReading:
        """Some of the subjects; their answers are shared."""
        return PromptedReading([self.shown[i] for i in index])

    def features(self) -> np.ndarray:
        """What tells the pictures apart, (n, D)."""
        return np.stack([s.x for s in self.shown]) if self.shown else np.zeros((0, 0))
