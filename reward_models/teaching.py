"""Teach a reward model one person from pictures at hand, without a store."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from PIL import Image

from reward_models.base import RewardError
from reward_models.protocols import Evidence, Lesson, RewardModel, Seen, Teacher


def teacher_of(model: RewardModel) -> Teacher:
    """The model's teacher. Raises RewardError for one that learns no new people."""
    if model.teacher is None:
        raise RewardError(f"the reward '{model.name}' knows only the people it was trained on")
    return model.teacher


def teach(
    model: RewardModel,
    person: str,
    images: Sequence[Image.Image] = (),
    prompts: Sequence[str] = (),
    ratings: Sequence[float] = (),
    choices: Sequence[tuple[int, int]] = (),
    demographics: Mapping[str, str] | None = None,
    profile: str = "",
) -> Lesson:
    """Make a person known from n rated pictures (n may be 0); again to correct them.

    ``ratings`` (n,) in [0, 1], NaN for a picture that takes part in ``choices`` (better, worse) alone. Raises
    RewardError for ratings outside [0, 1], a picture that does not open, or a reward without a teacher.
    """
    teacher = teacher_of(model)
    if not len(images) == len(prompts) == len(ratings):
        raise RewardError(f"{len(images)} pictures, {len(prompts)} prompts and {len(ratings)} ratings do not match")
    if bad := [r for r in ratings if not (math.isnan(r) or 0 <= r <= 1)]:
        raise RewardError(f"{len(bad)} ratings are not in [0, 1], the first is {bad[0]}")
    seen = [Seen(kept, prompt) for kept, prompt in zip(teacher.keep(images), prompts, strict=True)]
    evidence = Evidence(seen, [float(r) for r in ratings], list(choices), demographics or {}, profile)
    return teacher.learn(person, evidence)
