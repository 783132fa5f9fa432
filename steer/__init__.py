"""steer: makes a text-to-image model draw for one person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steer.steerer import Steerer
    from steer.types import Result, SteerRequest

__all__ = ["Result", "SteerRequest", "Steerer"]


def __getattr__(name: str) -> Any:
    """Loads torch and diffusers only when a Steerer is wanted; ``steer --help`` stays fast."""
    if name == "Steerer":
        from steer.steerer import Steerer

        return Steerer
    if name in ("Result", "SteerRequest"):
        from steer import types

        return getattr(types, name)
    raise AttributeError(name)
