"""CALM as a family."""

from __future__ import annotations

from pathlib import Path

from reward_models.families import Family
from reward_models.protocols import RewardModel


def _load(folder: Path, device: str = "cpu", sets: int | None = None) -> RewardModel:
    from reward_models.calm.reward import CalmReward

    return CalmReward.from_folder(folder, device, sets)


FAMILY = Family("calm", _load, options=frozenset({"sets"}))
