"""The page of a study: which of two, and neither says where it came from."""

from __future__ import annotations

from html import escape

import gradio as gr

from steer.study.votes import Ballot
from steer.web.rating import RatingPage


class VotingPage(RatingPage):
    """Pairs of a :class:`~steer.study.votes.Ballot`, by mouse or keys; every answer is kept at once."""

    def __init__(self, ballot: Ballot):
        self.ballot = ballot
        super().__init__(ballot, pairs=True)  # type: ignore[arg-type]

    def _head(self, how: str) -> None:
        gr.Markdown(f"## Which do you like more, {escape(self.ballot.user)}?\n{how}")

    def _progress(self) -> str:
        prompt = f"<p>&ldquo;{escape(self._shown[0].prompt)}&rdquo;</p>" if self._shown else ""
        answers = f"{self.ballot.given} answer{'' if self.ballot.given == 1 else 's'}"
        said = f"{self.ballot.left} pairs left" if self._shown else "All pairs were shown. <b>Done</b> ends."
        return f"{prompt}<p>{answers} &middot; {said}</p>"
