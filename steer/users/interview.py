"""Teaching a reward model one person's taste by as few ratings as possible: what to show next, and when it is enough."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from reward_models.questions import gains, open_variance, pair_gains
from steer.errors import UsageError
from steer.users.enrolment import Enrolled, enrol
from steer.users.pictures import Question
from steer.users.store import UserStore

ENOUGH = 0.04  # share of the open variance that the best next rating would take away
FEWEST = 8  # ratings before an interview ends by itself
PAIRS = 12  # pictures that tell most, among which pairs are looked for
# a slider with five anchors, as in the paper's study; the words are ours
ANCHORS = {1: "not at all", 2: "a little", 3: "somewhat", 4: "a lot", 5: "very much"}


@dataclass(frozen=True)
class Progress:
    """``answers`` so far; ``known``: share in [0, 1] of what people differ by that is known; ``left``: pictures not shown yet;
    ``worth``: share of what is open that the next answer would settle; ``enough``: further ones would change little."""

    answers: int
    known: float
    left: int
    worth: float
    enough: bool

    def __str__(self) -> str:
        end = "more would change little" if self.enough else f"the next one settles about {self.worth:.0%} of the rest"
        return f"{self.answers} answers, {self.known:.0%} of your taste known, {end}"


class Interview:
    """One person rating pictures; every answer is in the store before the next question is chosen.

    Raises UsageError for a person who cannot be taught, or a reward that learns no new people.
    """

    def __init__(
        self, store: UserStore, reward: Any, user: str, pictures: Sequence[Question], chosen: bool = True, seed: int = 0
    ):
        """``chosen``: the most telling picture first; else in random order, to compare with."""
        if store.user(user).source:
            raise UsageError(f"'{user}' was imported from {store.user(user).source} and is read-only")
        self.store, self.reward, self.user, self.chosen = store, reward, user, chosen
        self.pictures = list({q.hash: q for q in pictures}.values())
        self._row = {q.hash: i for i, q in enumerate(self.pictures)}
        self._features, self._texts = self._read()
        self._skipped: set[str] = set()
        self._answers: list[tuple[str, int]] = []  # of this interview, to take back
        self._order = random.Random(seed).sample(range(len(self.pictures)), len(self.pictures))
        self.enrolled: Enrolled
        answered = {r.picture for r in store.ratings(user)} | {
            h for c in store.choices(user) for h in (c.better, c.worse)
        }
        self._keep_features(*(q for q in self.pictures if q.hash in answered))  # another reward may have asked for them
        self._learn()

    def next(self) -> Question | None:
        """The picture whose rating tells most; None when all were shown."""
        open_ = self._open()
        if not open_:
            return None
        if not self.chosen:
            return self.pictures[next(i for i in self._order if i in open_)]
        return self.pictures[max(open_, key=lambda i: float(self._gain[i]))]

    def next_pair(self) -> tuple[Question, Question] | None:
        """The two pictures between which a choice tells most; None when fewer than two are left."""
        open_ = sorted(self._open(), key=lambda i: -float(self._gain[i]))[:PAIRS]
        asked = {frozenset((c.better, c.worse)) for c in self.store.choices(self.user)}
        pairs = [
            (i, j)
            for i, j in itertools.combinations(open_, 2)
            if frozenset((self.pictures[i].hash, self.pictures[j].hash)) not in asked
        ]
        if not pairs:
            return None
        worth = pair_gains(self._slopes, self._covariance, self.reward.rating_noise, torch.tensor(pairs))
        i, j = pairs[int(worth.argmax())]
        return self.pictures[i], self.pictures[j]

    def rate(self, question: Question, score: float) -> None:
        """Keep a rating from 1 to 5 and learn from it."""
        self._answers.append(
            ("rating", self.store.rate(self.user, question.hash, score, question.prompt, question.origin))
        )
        self._keep_features(question)
        self._learn()

    def choose(self, better: Question, worse: Question) -> None:
        """Keep that one picture is liked better than another and learn from it."""
        row = self.store.choose(self.user, better.hash, worse.hash, (better.prompt, worse.prompt), better.origin)
        self._answers.append(("choice", row))
        self._keep_features(better, worse)
        self._learn()

    def skip(self, *questions: Question) -> None:
        """Do not ask about these again in this interview."""
        self._skipped |= {q.hash for q in questions}

    def undo(self) -> bool:
        """Take back the last answer of this interview; whether there was one."""
        if not self._answers:
            return False
        self.store.take_back(self.user, *self._answers.pop())
        self._learn()
        return True

    def progress(self) -> Progress:
        left = self._open()
        best = max((float(self._gain[i]) for i in left), default=0.0)
        worth = best / max(self._open_variance * len(self.pictures), 1e-9)
        enough = not left or (self.enrolled.used >= FEWEST and worth < ENOUGH)
        return Progress(self.enrolled.used, 1 - self.enrolled.uncertainty, len(left), worth, enough)

    def _open(self) -> set[int]:
        rated = {r.picture for r in self.store.ratings(self.user)}
        return {i for h, i in self._row.items() if h not in rated and h not in self._skipped}

    def _read(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (n, D) of the pictures and of their prompts, zeros where there is none."""
        encoder = self.reward.encoder
        pictures = self.reward.picture_encoder.images([q.image for q in self.pictures]).float().cpu()
        texts = torch.zeros(len(pictures), encoder.width)
        if (said := [i for i, q in enumerate(self.pictures) if q.prompt]) and self.reward.reads_prompts:
            texts[said] = encoder.texts([self.pictures[i].prompt for i in said]).float().cpu()
        return pictures, texts

    def _keep_features(self, *questions: Question) -> None:
        vectors = {q.hash: np.asarray(self._features[self._row[q.hash]]) for q in questions}
        self.store.keep_features(self.reward.picture_encoder.fingerprint(), vectors)

    def _learn(self) -> None:
        self.enrolled = enrol(self.store, self.reward, self.user)
        known = self.store.user(self.user).demographics
        self._slopes, self._covariance = self.reward.slopes(self.enrolled.fitted, self._features, self._texts, known)
        self._gain = gains(self._slopes, self._covariance, self.reward.rating_noise)
        self._open_variance = open_variance(self._slopes, self._covariance)
