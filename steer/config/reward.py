"""Which personal reward model judges."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steer.config.section import Section


class RewardConfig(Section):
    """``reward: NAME`` is short for ``reward: {model: NAME}``; its own folder says which family it is of."""

    model: str = "miniature"
    """A reward that ships (`miniature`, `miniature/linear-hidden`), a folder, or a hub name."""
    members: int | None = Field(None, ge=1)
    """Use only the first N members of an ensemble; null uses all."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where the reward runs; auto takes a GPU if there is one."""
