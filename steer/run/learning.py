"""Ratings given while a run goes on, and the run that learns from them (``search.learn``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from steer.judging.audience import Audience
from steer.search.objective import objective
from steer.search.search import Search
from steer.store.run_folder import RunFolder
from steer.types import Candidate
from steer.users.enrolment import basis_of
from steer.users.store import UserStore


class Learning:
    """After each round: whoever rated meanwhile is enrolled anew, and all pictures of the run are scored again for them.

    What came of it is in the journal by round, so that a resumed run sees the same scores at the same round.
    """

    def __init__(
        self,
        store: UserStore,
        enrol: Callable[[str], Any],
        score: Callable[[list[Candidate]], None],
        folder: RunFolder,
        audience: Audience,
    ):
        self.store, self.enrol, self.score, self.folder = store, enrol, score, folder
        self.people = [u for u in audience.everyone if store.get(u) is not None]
        self._known = {u: basis_of(store, u) for u in self.people}

    def __call__(self, search: Search) -> None:
        """A round was told."""
        if search.round in self.folder.learned:
            for candidate in search.history.scored():
                candidate.restore_scores(self.folder.learned[search.round][candidate.index])
            self._judge(search)
            return
        changed = [u for u in self.people if basis_of(self.store, u) != self._known[u]]
        if not changed:
            return
        for user in changed:
            self.enrol(user)
            self._known[user] = basis_of(self.store, user)
        self.score(search.history.scored())
        self._judge(search)
        self.folder.record_learned(search.round, search.history.scored())

    @staticmethod
    def _judge(search: Search) -> None:
        for candidate in search.history.scored():
            candidate.objective = objective(candidate, search.floor, search.goal)
