"""What a batch would take, from its rows and one batch of pictures drawn now."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from PIL import Image

from reward_models.plural import counted
from steer.batch.row_parts import RowParts
from steer.batch.rows import SHOWN, Row
from steer.errors import RenderError
from steer.parts import Parts
from steer.types import RenderFailure


@dataclass(frozen=True)
class Estimate:
    """``picture_s``: seconds per picture with its scoring; ``cost`` of the pictures where ``renderer.price`` is known.
    Texts that a chat model writes are not counted. ``warnings``: what the renderer cannot draw, by prompt.
    """

    rows: int
    users: int
    pictures: int
    picture_s: float
    seconds: float
    cost: float | None
    warnings: dict[str, list[str]] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def text(self) -> str:
        """One line, after one for each warning."""
        hours = self.seconds / 3600
        took = (
            f"{self.seconds:.0f} s"
            if self.seconds < 120
            else f"{self.seconds / 60:.0f} min"
            if hours < 3
            else f"{hours:.1f} h"
        )
        money = f", {self.cost:.2f} for the pictures" if self.cost is not None else ""
        doubts = [f"warning: {p[:60]}: {text}\n" for p, texts in [*self.warnings.items()][:SHOWN] for text in texts]
        if len(self.warnings) > SHOWN:
            doubts.append(f"warning: {len(self.warnings) - SHOWN} more prompts cannot be drawn as they are\n")
        return "".join(doubts) + (
            f"{counted(self.rows, 'row')} for {counted(self.users, 'user')}: "
            f"up to {counted(self.pictures, 'picture')}, "
            f"about {took} at {self.picture_s:.2f} s per picture{money}; nothing was kept"
        )


def estimate(rows: Iterable[Row], parts: Parts) -> Estimate:
    """Read all rows; then draw and score one batch twice, of which the first is for warming up."""
    total = pictures = 0
    users: set[str] = set()
    first: Row | None = None
    warnings: dict[str, list[str]] = {}
    row_parts = RowParts(parts)
    for row in rows:
        total += 1
        first = first or row
        users.add(row.user)
        if row.prompt not in warnings and (found := parts.warnings(row.prompt)):
            warnings[row.prompt] = [each.text for each in found]
        pictures += row_parts.budget(row)
    assert first is not None
    size = parts.renderer.batch_size
    judge, taken = parts.judge(parts.roster.people(first.user)), 0.0
    for turn in range(2):
        begun = time.perf_counter()
        drawn = parts.renderer.render([first.prompt] * size, range(turn * size, (turn + 1) * size))
        images = [d for d in drawn if isinstance(d, Image.Image)]
        if not images:
            reason = next((d.reason for d in drawn if isinstance(d, RenderFailure)), "no reason was given")
            raise RenderError(f"no picture of the first prompt, '{first.prompt[:60]}', could be drawn: {reason}")
        judge.score(images, first.prompt)
        taken = (time.perf_counter() - begun) / size
    price = parts.config.renderer.price
    return Estimate(
        total,
        len(users),
        pictures,
        round(taken, 3),
        round(taken * pictures, 1),
        None if price is None else round(price * pictures, 2),
        warnings,
    )
