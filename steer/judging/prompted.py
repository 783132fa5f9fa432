"""The reward that asks a vision-language model, from a config."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

import reward_models
from reward_models import RewardModel
from steer.config import PromptedConfig
from steer.devices import pick_device
from steer.errors import SteerError
from steer.resources import miniature_weights

BACKGROUND = 24  # of the shipped pictures, beside which a person's own are seen


def build(config: PromptedConfig) -> RewardModel:
    """The reward of a config. Raises SteerError where a model does not load or a key is missing."""
    from reward_models.prompted.family import Settings, make

    settings = config.model_dump(exclude={"kind", "device"})
    try:
        return make(Settings(**settings), device=pick_device(config.device), background=background)
    except reward_models.RewardError as error:
        raise SteerError(f"{error}; see reward in the config") from error


def background() -> Sequence[Image.Image]:
    """Pictures of many kinds, the same for everybody."""
    found = []
    for path in sorted(miniature_weights("questions").glob("*.webp"))[:BACKGROUND]:
        with Image.open(path) as picture:
            found.append(picture.convert("RGB"))
    return found
