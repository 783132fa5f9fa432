"""CALM as a family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reward_models.families import Family, Work
from reward_models.protocols import RewardModel


def _load(folder: Path, device: str = "cpu", sets: int | None = None) -> RewardModel:
    from reward_models.calm.reward import CalmReward

    return CalmReward.from_folder(folder, device, sets)


def _train(config: Path, work: Work) -> Path:
    """The stages of a config; a killed call goes on after its last checkpoint."""
    from reward_models.calm.fit import fit_calm
    from reward_models.calm.stages import load_settings

    settings = load_settings(config)

    def on_step(row: dict[str, Any]) -> None:
        if row["step"] % settings.save_every == 0:
            work.say(f"stage {row['stage']}, step {row['step']}: loss {row['loss']:.4f}")

    reward, about = fit_calm(settings, work.pick_device(settings.device), work.say, on_step)
    out = Path(settings.out)
    reward.save(out, about)
    return out


FAMILY = Family("calm", _load, _train, options=frozenset({"sets"}))
