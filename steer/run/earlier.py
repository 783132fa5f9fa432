"""What earlier runs of one person taught about phrases (``search.memory``): kept when a run ends, told to the next.

The store holds what was drawn, never a score. So the pictures of before are judged anew, by what is known of the person
today, each against the pictures of its own run's unchanged prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reward_models import RewardModel, Seen
from reward_models.protocols import Teacher
from steer.judging.judge import answered
from steer.parts import Parts
from steer.store.run_folder import RunFolder
from steer.types import Candidate, Remembered, State, SteerRequest
from steer.users.ids import AVERAGE, is_id
from steer.users.run_memory import DrawnBefore

FADES = 0.9  # of what a run says, with each later run
ELSEWHERE = 0.5  # of what a run says about another prompt
MOST = 200  # texts that are remembered


def earlier_of(parts: Parts, request: SteerRequest) -> tuple[Remembered, ...]:
    """What the earlier runs of the only user of a request say, the newest last; () where nothing is remembered."""
    teacher = teacher_for(parts, request.user)
    if teacher is None:
        return ()
    rows = [p for p in parts.store.drawn_before(request.user, teacher.key) if teacher.fits(p.kept)]
    runs = list(dict.fromkeys(p.run for p in rows))
    found: list[Remembered] = []
    for age, run in enumerate(reversed(runs)):
        own = [p for p in rows if p.run == run]
        fade = FADES**age * (1.0 if own[0].prompt == request.prompt else ELSEWHERE)
        found = [*_of_run(own, _likings(parts.reward, teacher, own, request.user), fade), *found]
    return tuple(found[-MOST:])


def keep_run(parts: Parts, request: SteerRequest, folder: RunFolder, candidates: Sequence[Candidate]) -> None:
    """Keep what a run drew for the next ones of its user."""
    teacher = teacher_for(parts, request.user)
    drawn = [c for c in candidates if c.state is State.SCORED and c.picture and c.tier == "full"]
    if teacher is None or not any(c.rewrite.text == request.prompt for c in drawn):
        return
    folder.flush()
    name = f"{folder.path.resolve().name} {folder.manifest['created']}"
    rows = []
    for start in range(0, len(drawn), parts.reward.batch_size):
        some = drawn[start : start + parts.reward.batch_size]
        with answered():
            kept = teacher.keep([folder.load_picture(c) for c in some])
        rows += [
            DrawnBefore(name, request.prompt, c.rewrite.text, dict(c.rewrite.changes), teacher.key, data)
            for c, data in zip(some, kept, strict=True)
        ]
    parts.store.keep_run(request.user, rows)


def teacher_for(parts: Parts, user: str) -> Teacher | None:
    """The teacher that remembers runs of this user; None where nothing is remembered: it is not wished, they are for
    several people, or for somebody who is no user of the store.
    """
    if not parts.config.search.memory or not is_id(user) or user == AVERAGE:
        return None
    known = parts.store.get(user)
    own = known is not None and not known.source and user not in parts.roster.trained
    return parts.reward.teacher if own else None


def _likings(reward: RewardModel, teacher: Teacher, pictures: Sequence[DrawnBefore], user: str) -> np.ndarray:
    with answered():
        return reward.judge(teacher.reading([Seen(p.kept, p.prompt) for p in pictures]), user).personal


def _of_run(pictures: Sequence[DrawnBefore], liking: np.ndarray, fade: float) -> list[Remembered]:
    """One entry a text of a run, the unchanged prompt among them; none where the prompt itself was not drawn."""
    original = [float(v) for p, v in zip(pictures, liking, strict=True) if p.text == p.prompt]
    if not original:
        return []
    found = []
    for text in dict.fromkeys(p.text for p in pictures):
        own = [float(v) for p, v in zip(pictures, liking, strict=True) if p.text == text]
        changes = next(p.changes for p in pictures if p.text == text)
        gain = round(float(np.mean(own) - np.mean(original)), 6)
        found.append(Remembered(pictures[0].prompt, text, changes, gain, round(fade * len(own), 6)))
    return found
