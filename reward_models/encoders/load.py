"""An encoder by the name of its kind."""

from __future__ import annotations

from pathlib import Path

from reward_models.base import RewardError
from reward_models.encoders.base import Encoder
from reward_models.encoders.siglip import SiglipEncoder
from reward_models.encoders.table import FeatureTable
from reward_models.encoders.vision import VisionEncoder


def load_encoder(
    name: str | Path, kind: str = "siglip", device: str = "cpu", batch_size: int = 16, revision: str | None = None
) -> Encoder:
    """An encoder by kind: ``siglip``, ``vision`` (pictures alone) or ``table`` (computed features)."""
    if kind == "siglip":
        return SiglipEncoder(name, device, batch_size, revision)
    if kind == "vision":
        return VisionEncoder(name, device, batch_size, revision)
    if kind == "table":
        return FeatureTable(name)
    raise RewardError(f"unknown kind of encoder '{kind}'; known: siglip, vision, table")
