"""A second opinion on a search: a reward that does not steer says when what is gained is no longer gained
(``search.held_out``).
"""

from __future__ import annotations

import numpy as np

from reward_models import Person, RewardModel
from steer.search.search import Search
from steer.store.run_folder import RunFolder
from steer.types import Candidate, StopReason

TURNS = 2  # rounds in a row with a leader that the judge likes less than an earlier one


class HeldOut:
    """After each round: how much the judge likes the leading text.

    Where it fell ``TURNS`` times in a row, rounds end, and no text found since the leader it liked best can win: as
    early stopping goes back to the best epoch. Its answers depend on pictures alone, so that a resumed run stops at the
    same round.
    """

    def __init__(self, judge: RewardModel, person: Person, prompt: str, folder: RunFolder):
        self.judge, self.person, self.prompt, self.folder = judge, person, prompt, folder
        self._liking: dict[int, float] = {}
        self._best, self._at, self._turned = -np.inf, 0, 0  # liking, round, rounds since

    def __call__(self, search: Search) -> None:
        """A round was told."""
        ranked = search.history.ranked()
        if search.round < 1 or not ranked or search.stop:
            return
        leader = ranked[0].rewrite.text
        value = float(np.mean([self._of(c) for c in search.history.scored() if c.rewrite.text == leader]))
        if value >= self._best:
            self._best, self._at, self._turned = value, search.round, 0
            return
        self._turned += 1
        if self._turned >= TURNS:
            known = {c.rewrite.text for c in search.history.candidates if c.round <= self._at}
            search.bar(search.history.texts() - known)
            search.end_rounds(StopReason.HELD_OUT)

    def _of(self, candidate: Candidate) -> float:
        if candidate.index not in self._liking:
            self.folder.flush()
            picture = self.folder.load_picture(candidate)
            self._liking[candidate.index] = float(self.judge.score([picture], [self.prompt], self.person).personal[0])
        return self._liking[candidate.index]
