"""A liking to begin with, before any rating: another reward's answer from what is said of a person.

With the answer m of a prior, and the answer f0 of a reward for nobody in particular, the reward learns a person from
ratings minus (m - f0), and (m - f0) is added to what it then predicts. Before any rating that is m; each rating moves
it by what the reward makes of it. Somebody of whom nothing is said has no prior, and is judged by the reward alone.
Shapes: n pictures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from reward_models.base import Person, RewardError, Scores, as_person
from reward_models.protocols import (
    Critic,
    Evidence,
    Imagination,
    Lesson,
    Questions,
    Reading,
    RewardModel,
    Seen,
    Teacher,
    Words,
)

HEAD = 4  # bytes that say how long a first part is


@dataclass(frozen=True)
class Both(Reading):
    """What each of the two keeps of the same pictures or texts."""

    reward: Reading
    prior: Reading

    def __len__(self) -> int:
        return len(self.reward)

    def rows(self, index: Sequence[int]) -> Both:
        """Some of them."""
        return Both(self.reward.rows(index), self.prior.rows(index))

    def features(self) -> np.ndarray:
        """Those of the reward, by which it learns."""
        return self.reward.features()


class WithPrior(RewardModel):
    """``reward`` learns people from ratings; ``prior`` judges them from demographics and profile, as P-MLLM does. The
    reward itself is told neither: what is said of a person counts once.

    Raises RewardError unless both have a teacher.
    """

    def __init__(self, reward: RewardModel, prior: RewardModel):
        if reward.teacher is None or prior.teacher is None:
            which = reward if reward.teacher is None else prior
            raise RewardError(f"'{which.name}' learns no new people, so it goes with no prior and is none")
        self.reward, self.prior = reward, prior
        self.name = f"{reward.name}, with {prior.name} as its prior"
        self.batch_size = max(reward.batch_size, prior.batch_size)
        self.datasets = reward.datasets
        self.said: dict[str, Person] = {}
        self.teacher = PriorTeacher(self, reward.teacher, prior.teacher)
        own, other = reward.imagination, prior.imagination
        self.imagination = BothImagined(own, other) if own and other else None
        self.words = ReasonsOf(reward.words) if reward.words else None
        self.critic: Critic | None = reward.critic
        self.meter = prior.meter or reward.meter

    def read(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> Both:
        """Each reads them."""
        return Both(self.reward.read(images, prompts), self.prior.read(images, prompts))

    def judge(self, reading: Reading, person: Person | str) -> Scores:
        """See the module. Raises UnknownPerson."""
        return self.judge_many(reading, [person])[0]

    def judge_many(self, reading: Reading, people: Sequence[Person | str]) -> list[Scores]:
        """Scores for each person. Raises UnknownPerson."""
        assert isinstance(reading, Both)
        asked = [as_person(p) for p in people]
        learned = self.reward.judge_many(reading.reward, [Person(p.id) for p in asked])
        said = [self.said.get(p.id, Person()) if p.id is not None else replace(p, id=None) for p in asked]
        offsets = self.offsets(reading, said)
        return [
            replace(scores, personal=np.clip(scores.personal + offset, 0, 1))
            for scores, offset in zip(learned, offsets, strict=True)
        ]

    def offsets(self, reading: Both, said: Sequence[Person]) -> list[np.ndarray]:
        """What a prior adds, m - f0 (n,), for each of people without an id; 0 where it has no answer."""
        told = list({_key(p): p for p in said if p.demographics or p.profile}.values())
        if not told:
            return [np.zeros(len(reading)) for _ in said]
        nobody = self.reward.judge(reading.reward, Person()).personal
        found = {
            _key(person): np.nan_to_num(scores.personal - nobody)
            for person, scores in zip(told, self.prior.judge_many(reading.prior, told), strict=True)
        }
        return [found.get(_key(p), np.zeros(len(reading))) for p in said]

    def people(self) -> Sequence[str]:
        """Those the reward knows."""
        return self.reward.people()

    def fingerprint(self) -> str:
        """Of both."""
        told = f"{self.reward.fingerprint()} {self.prior.fingerprint()}"
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def text_features(self, texts: Sequence[str]) -> np.ndarray | None:
        """Those of the reward."""
        return self.reward.text_features(texts)


class PriorTeacher(Teacher):
    """What is kept of a picture is what both keep. Choices are learned without the prior: a reward's teacher takes them
    between pictures as they are.
    """

    any_field = True
    any_value = True

    def __init__(self, model: WithPrior, reward: Teacher, prior: Teacher):
        self.model, self.reward, self.prior = model, reward, prior
        self.unit, self.trained, self.noise = reward.unit, reward.trained, reward.noise
        self.same_draws = reward.same_draws
        self.fields = prior.fields

    @property
    def key(self) -> str:
        """Those of both."""
        return f"{self.reward.key} {self.prior.key}"

    def keep(self, images: Sequence[Image.Image]) -> list[bytes]:
        """What both keep. Raises RewardError for a picture that does not open."""
        each = zip(self.reward.keep(images), self.prior.keep(images), strict=True)
        return [_joined(own, other) for own, other in each]

    def learn(self, person: str, evidence: Evidence) -> Lesson:
        """The reward learns what the prior leaves over of the ratings."""
        said = Person(None, dict(evidence.demographics), evidence.profile)
        likings = np.array(evidence.likings, dtype=float)
        if len(evidence.pictures):
            (offset,) = self.model.offsets(self.reading(evidence.pictures), [said])
            likings = likings - offset
        own = [replace(s, kept=_parted(s.kept)[0]) for s in evidence.pictures]
        left = replace(evidence, pictures=own, likings=likings.tolist(), demographics={}, profile="")
        lesson = self.reward.learn(person, left)
        self.model.said[person] = said
        told = json.dumps([dict(said.demographics), said.profile]).encode()
        return Lesson(_joined(told, lesson.data), lesson.open)

    def recall(self, person: str, lesson: bytes, demographics: Mapping[str, str]) -> None:  # noqa: ARG002
        """From an earlier lesson. Raises ValueError for bytes that are not one of this reward."""
        try:
            told, own = _parted(lesson)
            about, profile = json.loads(told)
            said = Person(None, {str(k): str(v) for k, v in about.items()}, str(profile))
        except (RewardError, ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"the lesson does not open: {error}") from error
        self.reward.recall(person, own, {})
        self.model.said[person] = said

    def open_share(self, person: str) -> float:
        """That of the reward: the prior is no rating."""
        return self.reward.open_share(person)

    def reading(self, seen: Sequence[Seen]) -> Both:
        """The reading of kept pictures."""
        parts = [_parted(s.kept) for s in seen]
        own, other = ([replace(s, kept=p[i]) for s, p in zip(seen, parts, strict=True)] for i in (0, 1))
        return Both(self.reward.reading(own), self.prior.reading(other))

    def fits(self, kept: bytes) -> bool:
        """Whether both parts can be what each kept."""
        try:
            own, other = _parted(kept)
        except RewardError:
            return False
        return self.reward.fits(own) and self.prior.fits(other)

    def ask(self, person: str, candidates: Sequence[Seen]) -> Questions | None:
        """What an answer would tell the reward."""
        return self.reward.ask(person, [replace(s, kept=_parted(s.kept)[0]) for s in candidates])

    def likeness(self, person: str) -> dict[str, float]:
        """That of the reward."""
        return self.reward.likeness(person)

    def draws(self, person: str, reading: Reading, n: int = 400, seed: int = 0) -> np.ndarray | None:
        """Those of the reward, moved by the prior."""
        assert isinstance(reading, Both)
        found = self.reward.draws(person, reading.reward, n, seed)
        (offset,) = self.model.offsets(reading, [self.model.said.get(person, Person())])
        return None if found is None else found + offset


class BothImagined(Imagination):
    """Each reads the texts."""

    def __init__(self, reward: Imagination, prior: Imagination):
        self.reward, self.prior = reward, prior

    def read(self, texts: Sequence[str]) -> Both:
        """See the class."""
        return Both(self.reward.read(texts), self.prior.read(texts))


class ReasonsOf(Words):
    """Those of the reward, which does not know the prior's."""

    def __init__(self, words: Words):
        self.of_reward = words

    def reasons(self, reading: Reading, person: Person) -> list[dict[str, float]]:
        """See the protocol."""
        assert isinstance(reading, Both)
        return self.of_reward.reasons(reading.reward, Person(person.id))


def _key(person: Person) -> tuple[object, ...]:
    return tuple(sorted(person.demographics.items())), person.profile


def _joined(first: bytes, second: bytes) -> bytes:
    return len(first).to_bytes(HEAD, "big") + first + second


def _parted(both: bytes) -> tuple[bytes, bytes]:
    """Raises RewardError for bytes that :func:`_joined` never gives."""
    end = HEAD + int.from_bytes(both[:HEAD], "big")
    if len(both) < end:
        raise RewardError("a kept picture is torn; keep it again")
    return both[HEAD:end], both[end:]
