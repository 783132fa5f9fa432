"""A run that learns from ratings given while it goes on (``search.learn``)."""

from __future__ import annotations

from steer.judging.judge import Judge
from steer.search.search import Search
from steer.store.run_folder import RunFolder
from steer.users.roster import Roster


class Learning:
    """After each round: whoever rated meanwhile is learned anew, and all pictures of the run are scored again for them.

    What came of it is in the journal by round, so that a resumed run sees the same scores at the same round.
    """

    def __init__(self, roster: Roster, judge: Judge, prompt: str, folder: RunFolder):
        self.roster, self.judge, self.prompt, self.folder = roster, judge, prompt, folder
        store = roster.store
        everyone = judge.people.audience.everyone
        self._known = {u: store.told(u).digest() for u in everyone if store.get(u) is not None}

    def __call__(self, search: Search) -> None:
        """A round was told."""
        scored = search.history.scored()
        then = self.folder.learned.get(search.round)
        if then is not None and all(c.index in then for c in scored):
            for candidate in scored:
                candidate.restore_scores(then[candidate.index])
            search.weigh_again()
            return
        now = {u: self.roster.store.told(u).digest() for u in self._known}
        changed = [u for u in now if now[u] != self._known[u]]
        if not changed:
            return
        for user in changed:
            self.roster.learn(user)
        self._known = now
        self.folder.flush()
        scores = self.judge.score([self.folder.load_picture(c) for c in scored], self.prompt)
        for i, candidate in enumerate(scored):
            candidate.take(scores, i)
        search.weigh_again()
        self.folder.record_learned(search.round, scored)
