"""What a reward model understands of a profile in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reward_models import RewardModel
from reward_models.profile import statements
from steer.lexicon import Lexicon
from steer.miniature.world import ATTRIBUTES
from steer.resources import REWARDS

ALIKE = 0.85  # cosine to a known phrase; on the miniature, phrases it was trained on have > 0.95 and others < 0.75


@dataclass(frozen=True)
class Phrase:
    """One phrase of a profile. ``like``: the phrase from the reward model's training closest to it; None if there is
    none, and the same phrase if it is not known what the reward model was trained on.
    """

    text: str
    liked: bool
    like: str | None

    def __str__(self) -> str:
        return f"'{self.text}'" if self.like in (None, self.text) else f"'{self.text}' (as '{self.like}')"


def understood(reward: RewardModel, model: str, profile: str) -> list[Phrase]:
    """The phrases of a profile, and how the reward model reads each one.

    ``model``: the reward's name in the config. Only for those that ship with steer is it known which phrases they were
    trained on. Empty for a reward model that reads no texts.
    """
    said = statements(profile)
    features = reward.text_features([text for text, _ in said]) if said else None
    if features is None:
        return []
    world = _world() if model in REWARDS else []
    if not world:
        return [Phrase(text, liked, text) for text, liked in said]
    known = np.asarray(reward.text_features(world))
    likeness = _unit(np.asarray(features)) @ _unit(known).T  # (phrases, known phrases)
    best = likeness.argmax(1)
    return [
        Phrase(text, liked, world[best[i]] if likeness[i, best[i]] > ALIKE else None)
        for i, (text, liked) in enumerate(said)
    ]


def profile_lines(phrases: list[Phrase]) -> list[str]:
    """What was understood, for a terminal."""
    kinds = (
        ("likes", [p for p in phrases if p.like is not None and p.liked]),
        ("dislikes", [p for p in phrases if p.like is not None and not p.liked]),
        ("not understood", [p for p in phrases if p.like is None]),
    )
    return [f"{kind}: {', '.join(map(str, some))}" for kind, some in kinds if some]


def _world() -> list[str]:
    """What can be in a picture of the miniature, each thing by its usual phrase."""
    lexicon = Lexicon.load("miniature")
    return [*(phrase for group in lexicon.groups for phrase in group.phrases), *ATTRIBUTES["subject"]]


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows (n, D) of length 1."""
    found: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found
