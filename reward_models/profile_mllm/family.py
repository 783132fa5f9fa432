"""P-MLLM as a family: fusion modules from YAML, judged on people and pictures it never saw."""

from __future__ import annotations

from pathlib import Path

from reward_models.families import Family, Work
from reward_models.protocols import RewardModel


def _load(folder: Path, device: str = "cpu") -> RewardModel:
    from reward_models.profile_mllm.reward import ProfileReward

    return ProfileReward.from_folder(folder, device)


def _train(config: Path, work: Work) -> Path:
    """Descriptions, then ratings; a killed call goes on after its last checkpoint."""
    from reward_models.profile_mllm.fit import fit_profile_mllm
    from reward_models.profile_mllm.settings import load_settings

    settings = load_settings(config)

    def on_step(row: dict[str, float]) -> None:
        if row["step"] % settings.save_every == 0:
            figures = ", ".join(f"{k.replace('_', ' ')} {v:.4f}" for k, v in row.items() if k not in ("stage", "step"))
            work.say(f"stage {row['stage'] + 1:.0f}, step {row['step']:.0f}: {figures}")

    reward, about = fit_profile_mllm(settings, work.pick_device(settings.device), work.say, on_step)
    out = Path(settings.out)
    reward.save(out, about)
    return out


FAMILY = Family("profile-mllm", _load, _train)
