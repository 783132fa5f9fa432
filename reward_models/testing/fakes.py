"""A reward model without weights, with every optional part."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from reward_models.base import Person, Scores, UnknownPerson, as_person
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

COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class FakeReading(Reading):
    """``rgb`` (n, 3) of each picture's first pixel, in [0, 1]; ``imagined``: of texts."""

    rgb: np.ndarray
    imagined: bool = False

    def __len__(self) -> int:
        return len(self.rgb)

    def rows(self, index: Sequence[int]) -> FakeReading:
        """Some of the pictures."""
        return FakeReading(self.rgb[list(index)], self.imagined)

    def features(self) -> np.ndarray:
        """The colours."""
        return self.rgb


class FakeReward(RewardModel):
    """Likes red for everybody; a person ``blue`` likes blue, and one who was taught what they rated high."""

    name = "fake reward"

    def __init__(self, people: Sequence[str] = ("u1", "u17", "blue")):
        self._people = list(people)
        self.weights = {p: np.eye(3)[2 if p == "blue" else 0] for p in people}
        self.teacher: Teacher | None = FakeTeacher(self)
        self.imagination: Imagination | None = FakeImagination()
        self.words: Words | None = FakeWords(self)
        self.critic: Critic | None = FakeWords(self)

    def read(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> FakeReading:  # noqa: ARG002
        """The first pixel of each picture; NaN for one that does not open."""
        rows = [_first_pixel(image) for image in images]
        return FakeReading(np.array(rows, dtype=float).reshape(-1, 3))

    def judge(self, reading: Reading, person: Person | str) -> Scores:
        """How much there is of the colour that the person likes."""
        assert isinstance(reading, FakeReading)
        person = as_person(person)
        if person.id is not None and person.id not in self.weights:
            raise UnknownPerson(person.id)
        rgb, n = reading.rgb, len(reading)
        weights = np.eye(3)[0] if person.id is None else self.weights[person.id]
        personal = np.clip(rgb @ weights, 0, 1)
        nothing = np.full(n, np.nan)
        if reading.imagined:
            return Scores(personal, nothing, nothing, np.full(n, 0.2))
        unread = np.isnan(rgb[:, 0])
        fidelity, spread = np.where(unread, np.nan, 0.8), np.where(unread, np.nan, 0.05)
        return Scores(personal, rgb[:, 0].copy(), fidelity, spread)

    def people(self) -> list[str]:
        """Given and taught."""
        return list(self.weights)

    def fingerprint(self) -> str:
        """Always the same."""
        return "fake"


class FakeTeacher(Teacher):
    """A ridge from colours to likings."""

    noise = 0.1

    def __init__(self, reward: FakeReward):
        self.reward, self.trained = reward, tuple(reward.weights)

    @property
    def key(self) -> str:
        """Always the same."""
        return "fake"

    def keep(self, images: Sequence[Image.Image]) -> list[bytes]:
        """The colours in half precision."""
        return [row.astype(np.float16).tobytes() for row in self.reward.read(images, [""] * len(images)).rgb]

    def reading(self, seen: Sequence[Seen]) -> FakeReading:
        """The colours again."""
        rows = [np.frombuffer(s.kept, np.float16) for s in seen]
        return FakeReading(np.array(rows, dtype=float).reshape(len(seen), 3))

    def learn(self, person: str, evidence: Evidence) -> Lesson:
        """Fit the ridge; of a choice the better picture is a liking of .8, the worse of .2."""
        rgb, liking = self.reading(evidence.pictures).rgb, np.array(evidence.likings, dtype=float)
        for better, worse in evidence.choices:
            rgb = np.vstack([rgb, rgb[better], rgb[worse]])
            liking = np.append(liking, [0.8, 0.2])
        rated = ~np.isnan(liking)
        x, y = rgb[rated], liking[rated]
        weights = np.linalg.solve(x.T @ x + 0.1 * np.eye(3), x.T @ y + 0.1 * np.eye(3)[0])
        return self._known(person, [round(float(w), 6) for w in weights])

    def recall(self, person: str, lesson: bytes, demographics: Mapping[str, str]) -> None:  # noqa: ARG002
        """From JSON."""
        weights = json.loads(lesson)
        if not (isinstance(weights, list) and len(weights) == 3):
            raise ValueError("the lesson is not one of this reward")
        self._known(person, weights)

    def open_share(self, person: str) -> float:  # noqa: ARG002
        """Always half."""
        return 0.5

    def ask(self, person: str, candidates: Sequence[Seen]) -> Questions:  # noqa: ARG002
        """What is bright tells most."""
        worth = self.reading(candidates).rgb.sum(1)
        return Questions(
            worth, float(worth.sum()) + 1e-9, lambda pairs: np.abs(worth[pairs[:, 0]] - worth[pairs[:, 1]])
        )

    def _known(self, person: str, weights: list[float]) -> Lesson:
        self.reward.weights[person] = np.array(weights)
        return Lesson(json.dumps(weights).encode(), 0.5)


class FakeImagination(Imagination):
    """Sees the colours that a text names."""

    def read(self, texts: Sequence[str]) -> FakeReading:
        """One colour per text; none is grey."""
        rows = [[1.0 if c in t else 0.5 if not any(k in t for k in COLOURS) else 0.0 for c in COLOURS] for t in texts]
        return FakeReading(np.array(rows).reshape(-1, 3), imagined=True)


class FakeWords(Words, Critic):
    """Speaks of red, green and blue."""

    def __init__(self, reward: FakeReward):
        self.reward = reward

    def reasons(self, reading: Reading, person: Person) -> list[dict[str, float]]:
        """What each colour adds."""
        assert isinstance(reading, FakeReading)
        weights = np.eye(3)[0] if person.id is None else self.reward.weights[person.id]
        found = []
        for row in reading.rgb * weights:
            order = np.argsort(-np.abs(row))
            found.append({} if np.isnan(row).any() else {COLOURS[i]: float(row[i]) for i in order})
        return found

    def critique(self, image: Image.Image, prompt: str, person: Person) -> str:
        """The liked colour that is missing most."""
        weights = np.eye(3)[0] if person.id is None else self.reward.weights[person.id]
        missing = weights * (1 - self.reward.read([image], [prompt]).rgb[0])
        return f"more {COLOURS[int(missing.argmax())]}" if missing.max() > 0 else ""


def random_pictures(n: int, seed: int = 0, size: int = 128) -> list[Image.Image]:
    """Noise pictures for conformance tests."""
    rng = random.Random(seed)
    return [Image.frombytes("RGB", (size, size), rng.randbytes(3 * size * size)) for _ in range(n)]


def _first_pixel(image: Image.Image) -> np.ndarray:
    try:
        return np.asarray(image.convert("RGB"), dtype=float)[0, 0] / 255
    except (OSError, SyntaxError, ValueError):
        return np.full(3, np.nan)
