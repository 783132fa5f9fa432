"""An encoder by the name of its kind."""

from __future__ import annotations

from pathlib import Path

from reward_models.base import RewardError
from reward_models.encoders.base import Encoder
from reward_models.registry import Registry, UnknownName

ENCODERS = Registry(
    "kind of encoder",
    "reward_models.encoders",
    {
        "siglip": "reward_models.encoders.siglip:SiglipEncoder",
        "vision": "reward_models.encoders.vision:VisionEncoder",
        "table": "reward_models.encoders.table:FeatureTable",
    },
)


def load_encoder(
    name: str | Path, kind: str = "siglip", device: str = "cpu", batch_size: int = 1, revision: str | None = None
) -> Encoder:
    """An encoder by kind: ``siglip``, ``vision`` (pictures alone), ``table`` (computed features) or another package's.

    Raises RewardError for an unknown kind or an encoder that does not load.
    """
    try:
        factory = ENCODERS.load(kind)
    except UnknownName as error:
        raise RewardError(str(error)) from error
    found: Encoder = factory(name, device=device, batch_size=batch_size, revision=revision)
    return found
