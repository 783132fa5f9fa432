"""What the fusion is trained on: pictures with a question and its answer, drawn from data sets of ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from reward_models.base import Person, RewardError
from reward_models.cards import PARTS, card
from reward_models.doors import parse_json, read_text
from reward_models.pictures import open_picture
from reward_models.profile_mllm.settings import StageSetting
from reward_models.prompted.question import ScoreQuestion, liking_question
from reward_models.ratings.profiles import described_people
from reward_models.ratings.table import DataError, Ratings


@dataclass(frozen=True)
class Example:
    """A picture, and either a ``question`` with the ``liking`` in [0, 1] that answers it, or its ``description``."""

    picture: Path
    question: ScoreQuestion | None = None
    liking: float = 0.0
    description: str = ""

    def image(self) -> Image.Image:
        """The picture, RGB."""
        with open_picture(self.picture.read_bytes()) as image:
            return image.convert("RGB")


class Examples:
    """Draws examples from the training ratings of data sets. What is drawn follows from the seed and the step alone,
    so a resumed training sees what an uninterrupted one sees.

    ``descriptions``: texts by a picture's path below its data set's root. ``told``: probability of each part of a card.
    """

    def __init__(
        self, sets: Sequence[tuple[Ratings, float]], descriptions: Sequence[dict[str, str]], told: float, seed: int
    ):
        self.told, self.seed = told, seed
        self.rows: list[list[tuple[Path, Person, float]]] = []
        self.means: list[list[tuple[Path, float]]] = []
        self.texts: list[tuple[Path, str]] = []
        shares = np.array([share for _, share in sets])
        self.shares = shares / shares.sum()
        for (ratings, _), texts in zip(sets, descriptions, strict=True):
            train, people = ratings.split("train"), described_people(ratings)
            if train.empty:
                raise DataError(f"the data set '{ratings.name}' has no training rating")
            columns = zip(train["picture"], train["person"], train["score"], strict=True)
            self.rows.append([(ratings.root / p, people[str(u)], float(y)) for p, u, y in columns])
            means = train.groupby("picture", sort=True)["score"].mean()
            self.means.append([(ratings.root / str(p), float(y)) for p, y in means.items()])
            self.texts += [(ratings.root / p, texts[p]) for p in sorted(set(train["picture"]) & texts.keys())]

    def batch(self, stage: StageSetting, stage_number: int, step: int) -> list[Example]:
        """Of one task, so that all answers are of one kind. Raises RewardError where there are no descriptions."""
        rng = np.random.default_rng([self.seed, stage_number, step])
        tasks, shares = zip(*stage.shares.items(), strict=True)
        task = tasks[int(rng.choice(len(tasks), p=shares))]
        if task == "describe":
            if not self.texts:
                raise RewardError("a stage of training wants descriptions; write them with: steer data describe")
            drawn = [self.texts[int(i)] for i in rng.integers(len(self.texts), size=stage.batch)]
            return [Example(path, description=text) for path, text in drawn]
        return [self._rated(task, rng) for _ in range(stage.batch)]

    def _rated(self, task: str, rng: np.random.Generator) -> Example:
        which = int(rng.choice(len(self.rows), p=self.shares))
        if task == "everybody":
            path, liking = self.means[which][int(rng.integers(len(self.means[which])))]
            return Example(path, liking_question(), liking)
        path, person, liking = self.rows[which][int(rng.integers(len(self.rows[which])))]
        parts = [p for p in PARTS if rng.random() < self.told]
        told = card(person.demographics, person.profile, parts)
        if not told:  # nothing is said: everybody's answer is not this person's
            told = card(person.demographics, person.profile, PARTS)
        return Example(path, liking_question(told), liking)


def rated_by(ratings: Ratings, split: str, most: int, seed: int) -> list[tuple[Path, Person, float]]:
    """At most ``most`` ratings of a split, with all that is said of their people."""
    table, people = ratings.split(split), described_people(ratings)
    if len(table) > most:
        table = table.sample(most, random_state=seed)
    columns = zip(table["picture"], table["person"], table["score"], strict=True)
    return [(ratings.root / p, people[str(u)], float(y)) for p, u, y in columns]


def read_descriptions(path: Path) -> dict[str, str]:
    """From JSON lines, each with ``picture`` and ``text``. Raises DataError."""
    found: dict[str, str] = {}
    try:
        for line in read_text(path).splitlines():
            if not line.strip():
                continue
            row = parse_json(line)
            found[str(row["picture"])] = str(row["text"])
    except FileNotFoundError as error:
        raise DataError(f"there are no descriptions in '{path}'; write them with: steer data describe") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"'{path}' does not read as descriptions: {error}") from error
    return found
