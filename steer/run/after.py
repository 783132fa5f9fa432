"""What happens after a round: new ratings are learned, a second judge looks, the critic speaks."""

from __future__ import annotations

from collections.abc import Callable

from steer.errors import UsageError
from steer.judging.judge import Judge
from steer.parts import Parts
from steer.run.critic import CriticAtWork
from steer.run.held_out import HeldOut
from steer.run.learning import Learning
from steer.search.search import Search
from steer.store.run_folder import RunFolder
from steer.types import SteerRequest

AfterRound = Callable[[Search], None]


def after_round(
    parts: Parts, judge: Judge, request: SteerRequest, folder: RunFolder, critic: CriticAtWork | None = None
) -> list[AfterRound]:
    """Whoever is to hear of each round of a run. Raises UsageError where the held-out judge does not know the user."""
    found: list[AfterRound] = []
    if parts.config.search.learn:
        found.append(Learning(parts.roster, judge, request.prompt, folder))
    if parts.held_out is not None:
        person = judge.people.one
        if person is None or person.id not in parts.held_out.people():
            name = parts.config.search.held_out
            raise UsageError(f"the held-out judge '{name}' does not know '{request.user}'")
        found.append(HeldOut(parts.held_out, person, request.prompt, folder))
    if critic is not None:
        found.append(critic)
    return found
