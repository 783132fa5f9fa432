"""Teaches a reward model a person of the store."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

from PIL import Image

from reward_models import Evidence, RewardModel, Seen
from reward_models.protocols import Teacher
from steer.errors import UsageError
from steer.users.kept_pictures import opened
from steer.users.pictures import Question, shipped_pictures
from steer.users.records import Told
from steer.users.store import UserStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Enrolled:
    """What a reward model has learned about a person.

    ``basis``: digest of everything it learned from, which is ``told``. ``used``: number of ratings and choices learned
    from; ``lost``: number of those it could not use, because it never saw their pictures. ``uncertainty``: share in
    [0, 1] of the variance between people that is still open for this one.
    """

    user: str
    basis: str
    used: int
    lost: int
    uncertainty: float
    told: Told = field(repr=False)


def teacher_of(reward: RewardModel, user: str) -> Teacher:
    """The reward model's teacher. Raises UsageError for a reward model that cannot learn new people."""
    if reward.teacher is None:
        raise UsageError(f"the reward '{reward.name}' knows only the people it was trained on, not '{user}'")
    return reward.teacher


def trained_people(reward: RewardModel) -> list[str]:
    """Ids of the people the reward model was trained on; they are read-only."""
    return list(reward.teacher.trained if reward.teacher else reward.people())


def enrol(store: UserStore, reward: RewardModel, user: str) -> Enrolled:
    """Teach the reward model a person of the store: from the kept lesson if nothing has changed, else anew.

    Raises UsageError for a reward model that cannot learn new people, and for a person it was trained on, who stays as
    they are.
    """
    if user in trained_people(reward):
        raise UsageError(f"'{user}' is a person the reward was trained on and is read-only")
    teacher, told = teacher_of(reward, user), store.told(user)
    trained, basis = reward.fingerprint(), told.digest()
    kept = store.lesson(user, trained)
    if kept and kept.basis == basis:
        try:
            teacher.recall(user, kept.data, told.user.demographics)
            return Enrolled(user, basis, len(told.ratings) + len(told.choices), 0, kept.open, told)
        except ValueError as error:
            log.warning("what was learned about '%s' cannot be read and is learned again: %s", user, error)
    evidence, used = gather(store, teacher, told)
    lesson = teacher.learn(user, evidence)
    lost = len(told.ratings) + len(told.choices) - used
    if lost:
        log.warning(
            "%d of %d ratings of '%s' cannot be used: this reward has not seen their pictures; show them to it "
            "(steer user rate %s --pictures FOLDER) or rate others",
            lost,
            lost + used,
            user,
            user,
        )
    else:
        store.keep_lesson(told, trained, lesson)
    return Enrolled(user, basis, used, lost, lesson.open, told)


def _image(question: Question) -> Image.Image:
    return question.image


class Thumbnails(Mapping[int, Image.Image]):
    """Pictures by row, opened when a teacher looks at them: those that ship with the miniature, and those that the
    person asked to keep. Of others the store has features, not pixels.
    """

    def __init__(self, store: UserStore, user: str, hashes: Sequence[str]):
        self.store, self.user, self.hashes = store, user, hashes

    @cached_property
    def _at(self) -> dict[int, Callable[[], Image.Image]]:
        shipped, kept = {q.hash: q for q in shipped_pictures()}, self.store.kept(self.user)
        found: dict[int, Callable[[], Image.Image]] = {}
        for i, h in enumerate(self.hashes):
            if h in kept:
                found[i] = partial(self._kept, h)
            elif h in shipped:
                found[i] = partial(_image, shipped[h])
        return found

    def _kept(self, name: str) -> Image.Image:
        return opened(self.store.thumbnails(self.user, [name])[name])

    def __getitem__(self, row: int) -> Image.Image:
        return self._at[row]()

    def __iter__(self) -> Iterator[int]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)


def gather(store: UserStore, teacher: Teacher, told: Told) -> tuple[Evidence, int]:
    """The evidence about a person for a teacher, and the number of ratings and choices in it."""
    kept = features_of(store, teacher, told.user.id, told.pictures)
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
        Thumbnails(store, told.user.id, pictures),
    )
    return evidence, sum(h in row for h in score) + len(choices)


def features_of(store: UserStore, teacher: Teacher, user: str, pictures: Sequence[str]) -> dict[str, bytes]:
    """What a teacher may know of a person's pictures, by hash; pictures of which it knows nothing are left out.

    First what was measured here, then what can be measured now, on pictures that ship with the miniature. Then what is
    the person's own and moves nobody else: features that came with them, and those of their small copies.
    """
    found = store.features(teacher.key, pictures)
    if missing := set(pictures) - set(found):
        found |= _shipped(store, teacher, missing)
    if missing := set(pictures) - set(found):
        found |= _own(store, teacher, user, sorted(missing))
    if missing := set(pictures) - set(found):
        found |= _from_thumbnails(store, teacher, user, sorted(missing))
    return found


def keep_pictures(store: UserStore, teacher: Teacher, pictures: Mapping[str, Image.Image]) -> dict[str, bytes]:
    """Store the teacher's features of pictures (by hash), and return them."""
    kept = dict(zip(pictures, teacher.keep(list(pictures.values())), strict=True))
    store.keep_features(teacher.key, kept)
    return kept


def _shipped(store: UserStore, teacher: Teacher, asked: set[str]) -> dict[str, bytes]:
    """Features of those pictures that ship with the miniature: they were rated with another reward model."""
    found = {q.hash: q.image for q in shipped_pictures() if q.hash in asked}
    return keep_pictures(store, teacher, found) if found else {}


def _own(store: UserStore, teacher: Teacher, user: str, missing: Sequence[str]) -> dict[str, bytes]:
    """The person's own features, as far as they can be this teacher's."""
    own = store.own_features(user, teacher.key, missing)
    found = {h: kept for h, kept in own.items() if teacher.fits(kept)}
    if len(found) < len(own):
        log.warning(
            "what came with '%s' about %d of %d pictures is nothing this reward could have seen; it is left out",
            user,
            len(own) - len(found),
            len(own),
        )
    return found


def _from_thumbnails(store: UserStore, teacher: Teacher, user: str, missing: Sequence[str]) -> dict[str, bytes]:
    """Features of pictures that this person asked to keep, from their thumbnails."""
    found = {h: opened(data) for h, data in store.thumbnails(user, missing).items()}
    kept = dict(zip(found, teacher.keep(list(found.values())), strict=True)) if found else {}
    store.keep_own_features(user, teacher.key, kept)
    return kept
