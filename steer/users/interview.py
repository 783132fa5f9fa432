"""Teaching a reward model one person's taste by as few ratings as possible: what to show next, and when it is
enough.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reward_models import RewardModel, Seen
from reward_models.plural import counted
from reward_models.protocols import Questions
from steer.errors import UsageError
from steer.users.enrolment import Enrolled, enrol, teacher_of
from steer.users.kept_pictures import thumbnail
from steer.users.pictures import AT_ONCE, Question
from steer.users.store import UserStore

ENOUGH = 0.04  # share of the open variance that the best next rating would take away
FEWEST = 8  # ratings before an interview ends by itself
PAIRS = 12  # pictures that tell most, among which pairs are looked for
# a slider with five anchors, as in the paper's study; the words are ours
ANCHORS = {1: "not at all", 2: "a little", 3: "somewhat", 4: "a lot", 5: "very much"}


@dataclass(frozen=True)
class Progress:
    """How far an interview has come. ``answers``: ratings and choices so far. ``known``: share in [0, 1] of the
    variance between people that is known of this one. ``left``: pictures not shown yet. ``more``: estimated number of
    answers until it is enough. ``enough``: further answers would change little.
    """

    answers: int
    known: float
    left: int
    more: int
    enough: bool

    def __str__(self) -> str:
        end = "more would change little" if self.enough else f"about {self.more} more to go"
        return f"{counted(self.answers, 'answer')}, {self.known:.0%} of your taste known, {end}"


class Interview:
    """One person rating pictures; every answer is in the store before the next question is chosen.

    Raises UsageError for a person who cannot be taught, or a reward that learns no new people.
    """

    def __init__(
        self,
        store: UserStore,
        reward: RewardModel,
        user: str,
        pictures: Sequence[Question],
        chosen: bool = True,
        seed: int = 0,
    ):
        """``chosen``: the most telling picture first; else in random order, to compare with."""
        if source := store.user(user).source:
            raise UsageError(f"'{user}' was imported from {source} and is read-only")
        self.store, self.reward, self.user, self.chosen = store, reward, user, chosen
        self.teacher = teacher_of(reward, user)
        self.pictures = list({q.hash: q for q in pictures}.values())
        self._row = {q.hash: i for i, q in enumerate(self.pictures)}
        self._seen: list[Seen] = []
        for start in range(0, len(self.pictures), AT_ONCE):
            some = self.pictures[start : start + AT_ONCE]
            kept = self.teacher.keep([q.image for q in some])
            self._seen += [Seen(k, q.prompt) for k, q in zip(kept, some, strict=True)]
        self._skipped: set[str] = set()
        self._answers: list[tuple[str, int]] = []  # of this interview, to take back
        self._order = random.Random(seed).sample(range(len(self.pictures)), len(self.pictures))
        self.enrolled: Enrolled
        self._questions: Questions | None
        # another reward may have asked for them
        self._keep(*(self.pictures[self._row[h]] for h in store.told(user).pictures if h in self._row))
        self._learn()

    def next(self) -> Question | None:
        """The picture whose rating tells most; None when all were shown."""
        open_ = self._open()
        if not open_:
            return None
        if self._questions is None or not self.chosen:
            return self.pictures[next(i for i in self._order if i in open_)]
        worth = self._questions.worth
        return self.pictures[max(open_, key=lambda i: float(worth[i]))]

    def next_pair(self) -> tuple[Question, Question] | None:
        """The two pictures between which a choice tells most; None when fewer than two are left."""
        questions, rank = self._questions, {i: k for k, i in enumerate(self._order)}
        open_ = sorted(self._open(), key=lambda i: -float(questions.worth[i]) if questions else rank[i])[:PAIRS]
        asked = {frozenset((c.better, c.worse)) for c in self.enrolled.told.choices}
        pairs = [
            (i, j)
            for i, j in itertools.combinations(open_, 2)
            if frozenset((self.pictures[i].hash, self.pictures[j].hash)) not in asked
        ]
        if not pairs:
            return None
        i, j = pairs[int(np.argmax(questions.pairs(np.array(pairs)))) if questions else 0]
        return self.pictures[i], self.pictures[j]

    def rate(self, question: Question, score: float) -> None:
        """Keep a rating from 1 to 5 and learn from it."""
        self._answers.append(
            ("rating", self.store.rate(self.user, question.hash, score, question.prompt, question.origin))
        )
        self._keep(question)
        self._learn()

    def choose(self, better: Question, worse: Question) -> None:
        """Keep that one picture is liked better than another and learn from it."""
        row = self.store.choose(self.user, better.hash, worse.hash, (better.prompt, worse.prompt), better.origin)
        self._answers.append(("choice", row))
        self._keep(better, worse)
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
        """How far it has come."""
        left = self._open()
        worth = 1.0
        if self._questions is not None:
            best = max((float(self._questions.worth[i]) for i in left), default=0.0)
            worth = best / max(self._questions.total, 1e-9)
        used = self.enrolled.used
        enough = not left or (used >= FEWEST and worth < ENOUGH)
        # worth falls like 1 / (a + answers): 1 / worth grew by 0.9 to 1.1 per answer on the miniature's people
        more = max(FEWEST - used, math.ceil(1 / ENOUGH - 1 / max(worth, ENOUGH)), 1)
        more = min(more, len(left)) if self._questions is not None else len(left)
        return Progress(used, 1 - self.enrolled.uncertainty, len(left), 0 if enough else more, enough)

    def _open(self) -> set[int]:
        rated = {r.picture for r in self.enrolled.told.ratings}
        return {i for h, i in self._row.items() if h not in rated and h not in self._skipped}

    def _keep(self, *questions: Question) -> None:
        """What the teacher keeps of these pictures goes into the store."""
        kept = {q.hash: self._seen[self._row[q.hash]].kept for q in questions}
        if kept:
            self.store.keep_features(self.teacher.key, kept)
            if self.store.keeps_pictures(self.user):
                self.store.keep_thumbnails(self.user, {q.hash: thumbnail(q.image) for q in questions})

    def _learn(self) -> None:
        self.enrolled = enrol(self.store, self.reward, self.user)
        self._questions = self.teacher.ask(self.user, self._seen)
