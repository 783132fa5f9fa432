"""The page of a study: which of two, and neither says where it came from."""

from __future__ import annotations

from html import escape

from reward_models.plural import counted
from steer.study.votes import Ballot
from steer.web.asking import PairsPage


class VotingPage(PairsPage):
    """Pairs of a :class:`~steer.study.votes.Ballot`."""

    def __init__(self, ballot: Ballot):
        self.ballot = ballot
        super().__init__(ballot)

    def _progress(self) -> str:
        given, left = self.ballot.given, self.ballot.left
        bar = f"<progress max='{max(given + left, 1)}' value='{given}' aria-label='Votes'></progress>"
        asked = f"<p class='prompt'>&ldquo;{escape(self._shown[0].prompt)}&rdquo;</p>" if self._shown else ""
        said = f"{counted(given, 'answer')} &middot; {counted(left, 'pair')} left"
        return f"{bar}<p>{said}</p>{asked}"
