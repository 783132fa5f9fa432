"""What happens after a round: new ratings are learned, a second judge looks, the critic speaks."""

from __future__ import annotations

from collections.abc import Callable

from steer.errors import UsageError
from steer.events import Listener
from steer.judging.judge import Judge
from steer.parts import Parts
from steer.run.asking import Asking
from steer.run.critic import CriticAtWork
from steer.run.held_out import HeldOut
from steer.run.learning import Learning
from steer.search.search import Search
from steer.store.run_folder import RunFolder
from steer.types import SteerRequest
from steer.users.ids import AVERAGE, is_id

AfterRound = Callable[[Search], None]


def after_round(
    parts: Parts,
    judge: Judge,
    request: SteerRequest,
    folder: RunFolder,
    critic: CriticAtWork | None = None,
    asking: Asking | None = None,
) -> list[AfterRound]:
    """Whoever is to hear of each round of a run. Raises UsageError where the held-out judge does not know the user."""
    found: list[AfterRound] = []
    if asking is not None:
        found.append(asking)
    elif parts.config.search.learn:
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


def asking_of(parts: Parts, judge: Judge, request: SteerRequest, folder: RunFolder, emit: Listener) -> Asking | None:
    """Who asks the user of a run; None where nobody does. Raises UsageError where there is nobody to ask."""
    if not (most := parts.config.search.ask):
        return None
    check_asked(parts, request.user)
    learning = Learning(parts.roster, judge, request.prompt, folder)
    return Asking(learning, judge, request.user, folder, most, emit)


def check_asked(parts: Parts, user: str) -> None:
    """Raise UsageError unless questions of a run can be put to this user: one person, of the store."""
    known = parts.store.get(user) if is_id(user) and user != AVERAGE else None
    if known is None or known.source or user in parts.roster.trained:
        raise UsageError(f"questions are put to one user of your own, whose answers are kept; '{user}' is none")
