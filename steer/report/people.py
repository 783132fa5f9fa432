"""How much each person of a run for several likes what it found."""

from __future__ import annotations

from statistics import fmean

from steer.result import Result
from steer.types import LIKED_BY, RewriteStats, State


def liked_by(result: Result, stats: RewriteStats) -> dict[str, float]:
    """By person the mean liking of a text's pictures, in [0, 1]; empty in a run for one person.

    Pictures in full count; drafts only where the text was never drawn in full.
    """
    own = [c for c in result.candidates if c.state is State.SCORED and c.rewrite.text == stats.rewrite.text]
    counted = [c for c in own if c.tier == "full"] or own
    people = [name for name in counted[0].others if name.startswith(LIKED_BY)] if counted else []
    return {name.removeprefix(LIKED_BY): fmean(c.others[name] for c in counted) for name in people}
