"""Blind choices by real people over a study's pictures, and what they show, by the same code as the judges'.

Shapes: U people, C conditions.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from steer.errors import UsageError
from steer.study.analysis import Judged
from steer.study.folder import Cell, StudyFolder
from steer.study.grid import picture_of
from steer.study.paired import elo, interval, votes_needed
from steer.users.pictures import Question
from steer.users.store import UserStore
from steer.users.votes import Vote, VoteBook


@dataclass(frozen=True)
class Pair:
    """Two conditions for one prompt and seed; ``left`` is shown on the left."""

    cell: Cell
    left: str
    right: str


def study_key(folder: StudyFolder) -> str:
    """Name and digest of the plan: votes of another plan do not count."""
    plan = json.loads(folder.config.model_dump_json())
    for condition in plan["conditions"].values():  # what is younger than the first votes counts where it says something
        for name in ("as_", "again", "scorer", "critic_of"):
            if not condition[name]:
                del condition[name]
    for name in ("scorers", "compare"):
        if not plan[name]:
            del plan[name]
    told = json.dumps(plan, separators=(",", ":"), ensure_ascii=False)
    return f"{folder.config.name}@{hashlib.sha256(told.encode()).hexdigest()[:12]}"


class Ballot:
    """One person's choices, in an order and on sides that are random but theirs. What was voted on is not shown
    again.
    """

    def __init__(self, folder: StudyFolder, store: UserStore, user: str):
        if user not in folder.config.everyone:
            everyone = ", ".join(folder.config.everyone)
            raise UsageError(f"the study in '{folder.path}' did not steer for '{user}', only for {everyone}")
        self.judged, self.user, self.book = Judged(folder), user, VoteBook(store, study_key(folder))
        self._rng = random.Random(f"{study_key(folder)} {user}")
        own = [v for v in self.book.all() if v.user == user]
        seen = {(v.prompt, v.seed, frozenset((v.better, v.worse))) for v in own}
        self._todo = [
            p for p in self._pairs() if (p.cell.prompt, p.cell.seed, frozenset((p.left, p.right))) not in seen
        ]
        self._shown: Pair | None = None
        self._questions: tuple[Question, Question] | None = None
        self._done: list[tuple[int, Pair]] = []
        self.given = len(own)
        if not self._todo and not self.given:
            raise UsageError(f"the study in '{folder.path}' has nothing to choose between for '{user}'; run it first")

    def _pairs(self) -> Iterator[Pair]:
        """All pairs of conditions of which the person has a finished run: first those that the question is about."""
        conditions = [n for n in self.judged.config.conditions if self.user in self.judged.users_of(n)]
        first = {"own", "other", self.judged.config.baseline}
        pairs = []
        for cell in self.judged.cells(self.user):
            there = [n for n in conditions if self._picture(n, cell) is not None]
            for i, a in enumerate(there):
                for b in there[i + 1 :]:
                    sides = (a, b) if self._rng.random() < 0.5 else (b, a)
                    pairs.append((not {a, b} <= first, self._rng.random(), Pair(cell, *sides)))
        return (p for *_, p in sorted(pairs, key=lambda each: each[:2]))

    def _picture(self, condition: str, cell: Cell) -> Question | None:
        found = self.judged.config.conditions[condition]
        if found.kind == "other":
            others = [u for u in self.judged.config.users_of(found.of) if u != cell.user]
            whose = random.Random(f"{study_key(self.judged.folder)} {cell}").choice(others)
            cell = Cell(cell.prompt, cell.seed, whose)
        try:
            path = picture_of(self.judged, condition, cell)
        except (IndexError, KeyError):  # not drawn yet
            return None
        return Question(path, self.judged.config.prompts[cell.prompt], "study")

    # what the page asks

    def next_pair(self) -> tuple[Question, Question] | None:
        """The pair that is shown until it is answered; None when all are. Equal pictures are passed over."""
        while self._shown is None and self._todo:
            pair = self._todo.pop(0)
            left, right = (self._picture(n, pair.cell) for n in (pair.left, pair.right))
            if left is not None and right is not None and left.hash != right.hash:
                self._shown, self._questions = pair, (left, right)
        return self._questions if self._shown else None

    def choose(self, better: Question, worse: Question) -> None:  # noqa: ARG002
        """The answer to the pair that is shown."""
        if self._shown is None or self._questions is None:
            return
        names = self._shown.left, self._shown.right
        won = names if better is self._questions[0] else names[::-1]
        cell = self._shown.cell
        row = self.book.add(Vote(self.user, cell.prompt, cell.seed, *won, self._shown.left))
        self._done.append((row, self._shown))
        self.given, self._shown = self.given + 1, None

    def skip(self, *_: Question) -> None:
        """Not now."""
        self._shown = None

    def undo(self) -> None:
        """Take the last answer back and show it again."""
        if self._done:
            row, pair = self._done.pop()
            self.book.take_back(row)
            again = [self._shown] if self._shown else []
            self._todo[:0] = [pair, *again]
            self.given, self._shown = self.given - 1, None

    @property
    def left(self) -> int:
        """Pairs that were not shown yet."""
        return len(self._todo) + (self._shown is not None)


def count_votes(folder: StudyFolder, store: UserStore) -> dict[str, Any]:
    """What people chose: Elo with intervals, and for each pair of conditions how often, how sure, and how many it would
    need.
    """
    names = list(folder.config.conditions)
    votes = [v for v in VoteBook(store, study_key(folder)).all() if v.better in names and v.worse in names]
    people = sorted({v.user for v in votes})
    wins = np.zeros((len(people), len(names), len(names)))
    for v in votes:
        wins[people.index(v.user), names.index(v.better), names.index(v.worse)] += 1
    strengths = elo(wins) if people else np.full((len(names), 3), np.nan)
    found: dict[str, Any] = {
        "votes": len(votes),
        "people": len(people),
        "left chosen": _share([v.better == v.first for v in votes]),
        "elo": {
            n: [round(float(x), 1) for x in strengths[i]] for i, n in enumerate(names) if not np.isnan(strengths[i, 0])
        },
        "pairs": {},
        "needed": {f"{s:.2f}": votes_needed(s) for s in (0.54, 0.6, 0.7)},
    }
    for i, a in enumerate(names):
        for j in range(i + 1, len(names)):
            games = wins[:, i, j] + wins[:, j, i]
            if games.sum():
                own = [v.better == a for v in votes if {v.better, v.worse} == {a, names[j]}]
                with np.errstate(invalid="ignore"):
                    by_person = interval(wins[:, i, j] / games)
                found["pairs"][f"{a} over {names[j]}"] = {
                    **_share(own),
                    "mean of people": [round(x, 4) for x in by_person],
                }
    return found


def _share(outcomes: list[bool]) -> dict[str, Any]:
    """How often, with Wilson's 95 % interval over votes."""
    if not outcomes:
        return {"votes": 0}
    from scipy.stats import binomtest

    test = binomtest(sum(outcomes), len(outcomes))
    low, high = test.proportion_ci(method="wilson")
    return {
        "votes": len(outcomes),
        "share": round(sum(outcomes) / len(outcomes), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "p": round(float(test.pvalue), 4),
    }
