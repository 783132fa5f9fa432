"""Making a CALM reward from data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reward_models.calm.course import Course
from reward_models.calm.model import CalmModel, build
from reward_models.calm.reward import CalmReward
from reward_models.calm.stages import CalmSettings
from reward_models.calm.training import CycleTrainer, OnStep
from reward_models.encoders.load import load_encoder


def fit_calm(
    settings: CalmSettings, device: str, say: Callable[[str], None] = print, on_step: OnStep | None = None
) -> tuple[CalmReward, dict[str, Any]]:
    """The reward of a config, and what it was made of. A killed call goes on where it stopped."""
    model, done = run_cycle(settings, device, say, on_step)
    encoder = load_encoder(settings.fidelity, device=device) if settings.fidelity else None
    stages = [{key: each[key] for key in ("stage", "train", "before", "after")} for each in done]
    about = {"settings": settings.model_dump(mode="json"), "stages": stages}
    return CalmReward(model, encoder, settings.batch_size, settings.sets, settings.seed), about


def run_cycle(
    settings: CalmSettings, device: str, say: Callable[[str], None] = print, on_step: OnStep | None = None
) -> tuple[CalmModel, list[dict[str, Any]]]:
    """The model after all stages, and what each of them left as it was."""
    model = build(settings.model, device)
    course = Course(settings, model, say)
    return model, CycleTrainer(model, settings, course, Path(settings.out)).run(on_step)
