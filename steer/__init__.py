"""steer: makes a text-to-image model draw for one person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steer.question import RunQuestion
    from steer.result import Result
    from steer.shortcuts import load, steer
    from steer.steerer import Steerer
    from steer.types import SteerRequest

__all__ = ["Result", "RunQuestion", "SteerRequest", "Steerer", "load", "steer"]


def __getattr__(name: str) -> Any:
    """Loads torch and diffusers only when a Steerer is wanted; ``steer --help`` stays fast."""
    if name == "Steerer":
        from steer.steerer import Steerer

        return Steerer
    if name in ("load", "steer"):
        from steer import shortcuts

        return getattr(shortcuts, name)
    if name == "Result":
        from steer.result import Result

        return Result
    if name == "RunQuestion":
        from steer.question import RunQuestion

        return RunQuestion
    if name == "SteerRequest":
        from steer.types import SteerRequest

        return SteerRequest
    raise AttributeError(name)
