"""A run that asks its user (``search.ask``): which question is worth a click, and what becomes of the answer."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from reward_models import RewardModel, Seen
from reward_models.scorers.scales import weighted
from steer.errors import UsageError
from steer.events import Listener, QuestionAsked, QuestionClosed
from steer.judging.judge import Judge
from steer.question import AskedBefore, Form, RunQuestion
from steer.run.learning import Learning
from steer.search.search import Search
from steer.search.worth import rating, which, worth
from steer.store.run_folder import RunFolder
from steer.types import Candidate
from steer.users.answers_in_runs import keep_answer
from steer.users.enrolment import teacher_of

LEAST = 0.002  # liking that a question should bring; below it nobody is disturbed
SHOWN = 8  # pictures among which those of a question are looked for
IMAGINED = 60  # texts not drawn yet that an answer may speak for
DRAWS = 1000  # of the people that the user may be


class Asking:
    """After each round: the answer that came meanwhile is kept and learned, and where another click is worth it, the
    next question is asked. The run never waits.

    One question is open at a time; where it is answered at once, the next follows at once. Questions and answers are in
    the journal: a resumed run asks nothing twice, and opens again what nobody answered.
    """

    def __init__(self, learning: Learning, judge: Judge, user: str, folder: RunFolder, most: int, emit: Listener):
        self.learning, self.judge, self.user, self.folder, self.emit = learning, judge, user, folder, emit
        self.reward: RewardModel = judge.panel.reward
        self.teacher = teacher_of(self.reward, user)
        self.most, self.asked = most, 0
        self.open: RunQuestion | None = None
        self.unanswered = 0
        self._kept: dict[int, bytes] = {}  # what the teacher keeps of each picture
        self._shown: set[tuple[int, ...]] = set()

    def __call__(self, search: Search) -> None:
        """A round was told."""
        self._take(search)
        self.learning(search)
        self._recall(search)
        while self.open is None and self.asked < self.most and search.goes_on:
            if self.folder.went_on(search.round) or (question := self._best(search)) is None:
                return
            self.folder.record_question(question)
            self._put(question)
            if not question.answered:
                return
            self._take(search)
            self.learning.learn(search)

    def close(self) -> None:
        """The run is over: nobody waits for an answer any more."""
        question, self.open = self.open, None
        if question is not None and question.close():
            self.unanswered += 1
            self.emit(QuestionClosed(question.number, None))

    def remarks(self) -> list[str]:
        """That a question was not answered."""
        return ["Its last question was not answered; the run went on alone."] if self.unanswered else []

    # questions

    def _best(self, search: Search) -> RunQuestion | None:
        """The question of highest worth; None where none is worth a click."""
        shown = self._showable(search)
        if not shown:
            return None
        likings = self._draws(search.history.scored())
        options, noise = self._options(search, likings), self.teacher.noise
        at = {c.index: row for row, c in enumerate(search.history.scored())}
        best: tuple[float, Form, tuple[Candidate, ...]] = (0.0, "rate", ())
        for form, pictures in _questions(shown):
            if tuple(sorted(c.index for c in pictures)) in self._shown:
                continue
            own = likings[:, [at[c.index] for c in pictures]]
            answers = rating(own[:, 0], noise) if form == "rate" else which(own, noise)
            best = max(best, (worth(options, answers), form, pictures), key=lambda each: each[0])
        value, form, pictures = best
        if value < LEAST:
            return None
        return self._question(self.asked, search.round, form, pictures, value)

    def _options(self, search: Search, likings: np.ndarray) -> np.ndarray:
        """What the search may hold, as likings (D, m): the texts drawn, less what their objective takes off, and the
        best of those that are only imagined.
        """
        scored, goal = search.history.scored(), search.goal
        share = float(weighted(goal.weights, **dict.fromkeys(goal.weights, 0.0) | {"personal": 1.0}))
        worths = np.array([c.objective for c in scored]) + share * (likings - likings.mean(0))
        texts = [c.rewrite.text for c in scored]
        options = [worths[:, [t == text for t in texts]].mean(1) for text in dict.fromkeys(texts)]
        imagination, imagined = self.reward.imagination, search.funnel.imagined(IMAGINED)
        if imagination is not None and imagined and self.teacher.same_draws:
            found = self.teacher.draws(self.user, imagination.read(imagined), DRAWS)
            if found is not None and len(found) == len(likings):
                options += list(share * np.asarray(found).T)
        return np.stack(options, axis=1)

    def _draws(self, scored: list[Candidate]) -> np.ndarray:
        """Likings (D, n) of the pictures by people that the user may be; independent ones where the reward draws
        none.
        """
        self._keep([c for c in scored if c.index not in self._kept])
        reading = self.teacher.reading([Seen(self._kept[c.index], self.learning.prompt) for c in scored])
        found = self.teacher.draws(self.user, reading, DRAWS)
        if found is not None:
            return np.asarray(found)
        normal = np.random.default_rng(0).standard_normal((DRAWS, len(scored)))
        return np.array([c.personal for c in scored]) + normal * np.nan_to_num([c.uncertainty for c in scored])

    def _keep(self, pictures: list[Candidate]) -> None:
        if pictures:
            self.folder.flush()
            kept = self.teacher.keep([self.folder.load_picture(c) for c in pictures])
            self._kept |= {c.index: data for c, data in zip(pictures, kept, strict=True)}

    @staticmethod
    def _showable(search: Search) -> list[Candidate]:
        """The pictures worth showing: those that are, or may be, liked best, one of each text."""
        whole = [c for c in search.history.scored() if c.tier != "preview"]
        first: dict[str, Candidate] = {}
        for candidate in sorted(whole, key=lambda c: -(c.objective + float(np.nan_to_num(c.uncertainty)))):
            first.setdefault(candidate.rewrite.text, candidate)
        return list(first.values())[:SHOWN]

    def _question(
        self, number: int, round_: int, form: Form, pictures: tuple[Candidate, ...], value: float
    ) -> RunQuestion:
        return RunQuestion(
            number, round_, form, self.user, self.learning.prompt, self.folder.path, pictures, round(value, 6)
        )

    def _put(self, question: RunQuestion) -> None:
        """Ask whoever listens."""
        self.open, self.asked = question, question.number + 1
        self._shown.add(tuple(sorted(c.index for c in question.pictures)))
        self.emit(QuestionAsked(question))

    # answers

    def _take(self, search: Search) -> None:
        """Keep the answer to the open question, where there is one."""
        question = self.open
        if question is None or not question.answered:
            return
        self.open = None
        keep_answer(self.learning.roster.store, self.reward, question)
        self.folder.record_answer(search.round, question.number, question.value)
        self.emit(QuestionClosed(question.number, question.value))

    def _recall(self, search: Search) -> None:
        """The questions that an earlier start asked after this round; the last one is asked again where it is open."""
        for before in self.folder.asked:
            if before.round != search.round or before.number < self.asked:
                continue
            self.asked = before.number + 1
            self._shown.add(tuple(sorted(before.pictures)))
            if not before.closed:
                self._put(self._again(before, search))

    def _again(self, before: AskedBefore, search: Search) -> RunQuestion:
        by_index = {c.index: c for c in search.history.candidates}
        if missing := [i for i in before.pictures if i not in by_index]:
            raise UsageError(
                f"'{self.folder.path}': a question of its journal is about picture {missing[0]}, not there"
            )
        pictures = tuple(by_index[i] for i in before.pictures)
        return self._question(before.number, before.round, before.form, pictures, before.worth)


def _questions(shown: list[Candidate]) -> Iterator[tuple[Form, tuple[Candidate, ...]]]:
    """Every question about these pictures: how much one is liked, which of two or three."""
    for candidate in shown:
        yield "rate", (candidate,)
    for size in (2, 3):
        for pictures in itertools.combinations(shown, size):
            yield "which", pictures
