"""A run that learns from what its users say while it goes on (``search.learn``, ``search.ask``)."""

from __future__ import annotations

from steer.judging.judge import Judge
from steer.search.search import Search
from steer.store.run_folder import RunFolder
from steer.users.roster import Roster


class Learning:
    """After each round: whoever answered meanwhile is learned anew, and all pictures of the run are scored again for
    them.

    What came of it is in the journal by round, so that a resumed run sees the same scores at the same round; what was
    said after the journal's end counts from there on.
    """

    def __init__(self, roster: Roster, judge: Judge, prompt: str, folder: RunFolder):
        self.roster, self.judge, self.prompt, self.folder = roster, judge, prompt, folder
        self._users = [u for u in judge.people.audience.everyone if roster.store.get(u) is not None]
        if not folder.known:
            folder.record_known(self._digests())
        self._known = {u: folder.known.get(u, "") for u in self._users}

    def __call__(self, search: Search) -> None:
        """A round was told."""
        if not self._recalled(search):
            self.learn(search)

    def learn(self, search: Search) -> bool:
        """Learn what was said since; returns whether anything was."""
        now, scored = self._digests(), search.history.scored()
        changed = [u for u in now if now[u] != self._known[u]]
        if not changed or self.folder.went_on(search.round):
            return False
        for user in changed:
            self.roster.learn(user)
        self._known = now
        self.folder.flush()
        scores = self.judge.score([self.folder.load_picture(c) for c in scored], self.prompt)
        for i, candidate in enumerate(scored):
            candidate.take(scores, i)
        search.weigh_again()
        self.folder.record_learned(search.round, scored, now)
        return True

    def _recalled(self, search: Search) -> bool:
        """The scores that the journal has of this round."""
        scored, then = search.history.scored(), self.folder.learned.get(search.round)
        if then is None or not all(c.index in then for c in scored):
            return False
        for candidate in scored:
            candidate.restore_scores(then[candidate.index])
        search.weigh_again()
        return True

    def _digests(self) -> dict[str, str]:
        return {u: self.roster.store.told(u).digest() for u in self._users}
