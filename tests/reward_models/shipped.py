"""The miniature's weights as any folder of weights: by path."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

import reward_models

WEIGHTS = Path(__file__).parents[2] / "steer" / "miniature" / "weights"
SIGLIP, REWARD = WEIGHTS / "siglip", WEIGHTS / "reward"


def reward():
    """A new instance of the shipped PAMELA."""
    return reward_models.load(REWARD)


def pictures(n):
    """The first ``n`` of the pictures that ship, and their prompts."""
    prompts = json.loads((WEIGHTS / "questions" / "prompts.json").read_text())
    names = list(prompts)[:n]
    return [Image.open(WEIGHTS / "questions" / name).convert("RGB") for name in names], [prompts[n] for n in names]
