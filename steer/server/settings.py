"""What a server is set to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from steer.config import DiffusersConfig, RemoteConfig, SteerConfig
from steer.errors import UsageError

Quality = Literal["draft", "standard", "high"]
SHARES: dict[str, float] = {"draft": 0.25, "standard": 1.0, "high": 2.0}  # of ``search.budget``
# what OpenAI's own models call them
QUALITIES: dict[str, Quality] = {
    "low": "draft",
    "medium": "standard",
    "auto": "standard",
    "high": "high",
    "hd": "high",
    "draft": "draft",
    "standard": "standard",
}
GRID = 16  # pixels; width and height are multiples of it


@dataclass(frozen=True)
class ServerSettings:
    """``out``: the folder that gets a folder for each run. ``queue``: runs that may wait; one user may take half of the
    places. ``unknown``: what a user whom nobody knows gets. ``largest``: pixels of a picture; None: as many as the
    config's. ``names`` and ``origins``: further Host names, and websites that may ask. ``remembered``: runs that can
    still be asked about after their end.
    """

    out: Path = Path("outputs/served")
    queue: int = 64
    unknown: Literal["error", "average"] = "error"
    largest: int | None = None
    budgets: Mapping[str, int] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    remembered: int = 256

    def budget(self, quality: str | None, config: SteerConfig) -> int:
        """Pictures that a run of this quality may spend. Raises UsageError for an unknown one."""
        name = QUALITIES.get(quality or "standard")
        if name is None:
            raise UsageError(f"quality '{quality}' is not one of {', '.join(QUALITIES)}")
        return self.budgets.get(name) or max(1, round(config.search.budget * SHARES[name]))

    def most(self, config: SteerConfig) -> int:
        """Pictures that any run may spend."""
        return max(self.budget(name, config) for name in SHARES)


def fitted(asked: tuple[int, int], config: SteerConfig, largest: int | None) -> tuple[int, int] | None:
    """The size (width, height) that is drawn for one that was asked for: the same shape, at most so many pixels.

    None for a renderer whose pictures have one size.
    """
    renderer = config.renderer
    if not isinstance(renderer, (DiffusersConfig, RemoteConfig)):
        return None
    width, height = renderer.size
    scale = min(1.0, ((largest or width * height) / (asked[0] * asked[1])) ** 0.5)
    wide, high = (max(GRID, round(side * scale / GRID) * GRID) for side in asked)
    return wide, high


def read_size(text: str) -> tuple[int, int] | None:
    """Width and height of "512x512"; None for "auto". Raises UsageError."""
    if text in ("", "auto"):
        return None
    wide, x, high = text.lower().partition("x")
    if not (x and wide.isdecimal() and high.isdecimal() and 16 <= int(wide) <= 8192 and 16 <= int(high) <= 8192):
        raise UsageError(f"size '{text[:40]}' is not a width and height such as 512x512, each from 16 to 8192")
    return int(wide), int(high)
