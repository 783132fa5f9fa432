"""From what the store knows of a person to a person that a reward model steers by."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from PIL import Image

from reward_models import Evidence, RewardModel, Seen
from reward_models.protocols import Teacher
from steer.errors import UsageError
from steer.users.pictures import Question, shipped_pictures
from steer.users.records import Told
from steer.users.store import UserStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Enrolled:
    """A person as a reward model knows them.

    ``basis``: digest of all that it was learned from, which is ``told``; ``used`` ratings and choices, ``lost`` ones
    whose pictures this reward has not seen and that are no longer at hand; ``uncertainty``: share in [0, 1] of what
    people differ by that is still open.
    """

    user: str
    basis: str
    used: int
    lost: int
    uncertainty: float
    told: Told = field(repr=False)


def teacher_of(reward: RewardModel, user: str) -> Teacher:
    """The reward's teacher. Raises UsageError for a reward that learns no new people."""
    if reward.teacher is None:
        raise UsageError(f"the reward '{reward.name}' knows only the people it was trained on, not '{user}'")
    return reward.teacher


def trained_people(reward: RewardModel) -> list[str]:
    """Ids the reward was trained on: these are read-only."""
    return list(reward.teacher.trained if reward.teacher else reward.people())


def enrol(store: UserStore, reward: RewardModel, user: str) -> Enrolled:
    """Make a person of the store known to the reward: from an earlier lesson where nothing has changed, else anew.

    Raises UsageError for a reward that learns no new people.
    """
    teacher, told = teacher_of(reward, user), store.told(user)
    trained, basis = reward.fingerprint(), told.digest()
    kept = store.lesson(user, trained)
    if kept and kept.basis == basis:
        try:
            teacher.recall(user, kept.data, told.user.demographics)
            return Enrolled(user, basis, len(told.ratings) + len(told.choices), 0, kept.open, told)
        except ValueError as error:
            log.warning("what was learned of '%s' does not open and is learned again: %s", user, error)
    evidence, used = gather(store, teacher, told)
    lesson = teacher.learn(user, evidence)
    lost = len(told.ratings) + len(told.choices) - used
    if lost:
        log.warning(
            "%d of %d ratings of '%s' cannot be used: this reward has not seen their pictures; rate some more, or "
            "'steer user rate %s --pictures FOLDER' where they are",
            lost,
            lost + used,
            user,
            user,
        )
    else:
        store.keep_lesson(told, trained, lesson)
    return Enrolled(user, basis, used, lost, lesson.open, told)


class Thumbnails(Mapping[int, Image.Image]):
    """Pictures by row, opened when a teacher looks at them: those that come with the miniature.

    A person's own pictures are not kept, only what a teacher keeps of them.
    """

    def __init__(self, hashes: Sequence[str]):
        self.hashes = hashes

    @cached_property
    def _at(self) -> dict[int, Question]:
        shipped = {q.hash: q for q in shipped_pictures()}
        return {i: shipped[h] for i, h in enumerate(self.hashes) if h in shipped}

    def __getitem__(self, row: int) -> Image.Image:
        return self._at[row].image

    def __iter__(self) -> Iterator[int]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)


def gather(store: UserStore, teacher: Teacher, told: Told) -> tuple[Evidence, int]:
    """What a teacher is given of a person, and how many ratings and choices are in it."""
    kept = store.features(teacher.key, told.pictures)
    if missing := set(told.pictures) - set(kept):
        kept |= _shipped(store, teacher, missing)
    score = {r.picture: (r.score - 1) / 4 for r in told.ratings}
    pictures = [h for h in told.pictures if h in kept]
    row = {h: i for i, h in enumerate(pictures)}
    choices = [(row[c.better], row[c.worse]) for c in told.choices if c.better in row and c.worse in row]
    evidence = Evidence(
        [Seen(kept[h], told.prompts.get(h, "")) for h in pictures],
        [score.get(h, math.nan) for h in pictures],
        choices,
        told.user.demographics,
        told.user.profile,
        Thumbnails(pictures),
    )
    return evidence, sum(h in row for h in score) + len(choices)


def keep_pictures(store: UserStore, teacher: Teacher, pictures: Mapping[str, Image.Image]) -> dict[str, bytes]:
    """What the teacher keeps of pictures, by hash; in the store from now on."""
    kept = dict(zip(pictures, teacher.keep(list(pictures.values())), strict=True))
    store.keep_features(teacher.key, kept)
    return kept


def _shipped(store: UserStore, teacher: Teacher, asked: set[str]) -> dict[str, bytes]:
    """Those pictures that come with the miniature: they were rated for a reward with other eyes."""
    found = {q.hash: q.image for q in shipped_pictures() if q.hash in asked}
    return keep_pictures(store, teacher, found) if found else {}
