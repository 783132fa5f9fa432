"""For scripts: one call to steer with a pipeline that is loaded already, and a run of before as a result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from steer.config import SteerConfig
from steer.report.stored import load_result
from steer.result import Result
from steer.steerer import Steerer


def steer(
    pipe: Any,
    prompt: str,
    user: str,
    budget: int | None = None,
    seed: int = 0,
    *,
    config: str | Path | SteerConfig | None = None,
    out: str | Path | None = None,
) -> Image.Image:
    """The picture of a prompt that a user should like best, drawn by a text-to-image pipeline of diffusers.

    ``config``: a preset, a YAML file or settings, which say who judges, and size and steps of the pictures; without one
    it is the preset of the pipeline's model. ``budget``: pictures to draw. What was drawn is kept in ``out``, or in a
    new folder under outputs/. For many prompts make one :class:`steer.Steerer`, which keeps the judge loaded.

    >>> steer.steer(pipe, "a fox in the snow", "me").save("fox.png")  # doctest: +SKIP

    Raises UsageError for a wrong prompt, user or budget, and where no preset is made for the pipeline's model.
    """
    return Steerer(config, pipeline=pipe).run(prompt, user, budget, seed, out).image


def load(run: str | Path) -> Result:
    """The result of a run that was made before, from its folder. Raises UsageError where there is none.

    >>> steer.load("outputs/fox").table().head()  # doctest: +SKIP
    """
    return load_result(Path(run))
