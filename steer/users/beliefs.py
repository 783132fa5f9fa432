"""What a reward model has learned about a person: what they like, how certain that is, and who has a similar taste."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from reward_models import Person, RewardModel, Seen
from reward_models.protocols import Teacher
from steer.lexicon import Lexicon
from steer.users.enrolment import Enrolled, features_of, teacher_of
from steer.users.pictures import probe_prompts
from steer.users.store import UserStore

SURPRISE = 1.5  # standard deviations


@dataclass(frozen=True)
class Leaning:
    """How much more a person likes pictures with this phrase than pictures with the other phrases of its kind.

    In points of liking, which is in [0, 1]: ``mean``, and the 95 % interval from ``low`` to ``high``. ``average``: the
    same for the average person.
    """

    kind: str
    phrase: str
    mean: float
    low: float
    high: float
    average: float

    @property
    def sure(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Surprise:
    """A rating (1 to 5) far from what all the person's ratings together predict."""

    prompt: str
    picture: str
    said: float
    expected: float


@dataclass(frozen=True)
class Beliefs:
    """What was learned about one person.

    ``known``: share in [0, 1] of the variance between people that is settled for this one. ``similar``: the people with
    the most similar taste, each with a likeness in [-1, 1].
    """

    user: str
    known: float
    leanings: list[Leaning]
    similar: list[tuple[str, float]]
    surprises: list[Surprise]

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "leanings": [{**asdict(x), "sure": x.sure} for x in self.leanings]}


def beliefs(
    reward: RewardModel, user: str, lexicon: Lexicon, store: UserStore | None = None, enrolled: Enrolled | None = None
) -> Beliefs:
    """What the reward model has learned about a person it knows.

    ``store`` and ``enrolled`` are for people of the store: their surprising ratings, and how much is known. Raises
    UsageError for a reward model that cannot learn new people.
    """
    teacher = teacher_of(reward, user)
    known = 1 - (enrolled.uncertainty if enrolled else teacher.open_share(user))
    near = sorted(teacher.likeness(user).items(), key=lambda kv: -kv[1])[:5]
    return Beliefs(
        user,
        round(known, 3),
        leanings_of(reward, user, lexicon),
        [(p, round(v, 3)) for p, v in near],
        _surprises(reward, teacher, user, store) if store else [],
    )


def leanings_of(reward: RewardModel, user: str, lexicon: Lexicon) -> list[Leaning]:
    """The leanings for the lexicon's phrases, most liked first, from imagined pictures of the probe prompts.

    Empty for a reward model that cannot imagine pictures, or that gives no posterior draws of a person.
    """
    if reward.imagination is None or reward.teacher is None:
        return []
    probes = probe_prompts()
    found = []
    for group in lexicon.groups:
        texts = [lexicon.compose(probe, {group.name: phrase}) for phrase in group.phrases for probe in probes]
        reading = reward.imagination.read(texts)
        draws = reward.teacher.draws(user, reading)
        if draws is None:
            return []
        shape = (-1, len(group.phrases), len(probes))
        own = _contrast(draws.reshape(shape))  # (draws, phrases)
        of_all = _contrast(reward.judge(reading, Person()).personal.reshape(shape))[0]
        low, high = np.percentile(own, [2.5, 97.5], axis=0)
        for i, phrase in enumerate(group.phrases):
            numbers = (round(float(v), 3) for v in (own[:, i].mean(), low[i], high[i], of_all[i]))
            found.append(Leaning(group.name, phrase, *numbers))
    return sorted(found, key=lambda x: -x.mean)


def _contrast(liking: np.ndarray) -> np.ndarray:
    """(draws, phrases, probes) to each phrase's mean minus the mean over phrases, (draws, phrases)."""
    by_phrase = liking.mean(-1)
    found: np.ndarray = by_phrase - by_phrase.mean(1, keepdims=True)
    return found


def _surprises(reward: RewardModel, teacher: Teacher, user: str, store: UserStore) -> list[Surprise]:
    rated = store.ratings(user)
    kept = features_of(store, teacher, user, [r.picture for r in rated])
    rated = [r for r in rated if r.picture in kept]
    if not rated:
        return []
    scores = reward.judge(teacher.reading([Seen(kept[r.picture], r.prompt) for r in rated]), Person(user))
    expected = scores.personal
    off = (np.array([(r.score - 1) / 4 for r in rated]) - expected) / np.hypot(teacher.noise, scores.uncertainty)
    order = [i for i in np.argsort(-np.abs(off)) if abs(off[i]) > SURPRISE][:3]
    return [
        Surprise(rated[i].prompt, rated[i].picture, rated[i].score, round(1 + 4 * float(expected[i]), 2)) for i in order
    ]
