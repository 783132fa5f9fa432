"""What the live page shows of a run, as HTML."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from reward_models.plural import counted
from steer.question import RunQuestion
from steer.report.changes import word_changes
from steer.result import Result
from steer.types import Candidate, SteerRequest
from steer.users.interview import ANCHORS
from steer.web.serving import DONE

MARK = {"same": "{}", "added": "<ins>{}</ins>", "removed": "<del>{}</del>"}


@dataclass(frozen=True)
class Board:
    """A run as far as it has come. ``candidates`` are scored or failed; ``result`` is there once it has ended."""

    request: SteerRequest | None = None
    folder: str = ""
    candidates: tuple[Candidate, ...] = ()
    result: Result | None = None

    def ranked(self, drawn: Sequence[Candidate]) -> list[Candidate]:
        """The best first, and the winner of a finished run before all others."""
        best = self.result.best if self.result else None
        return sorted(drawn, key=lambda c: (best is None or c.index != best.index, -rank(c)))

    def original(self, drawn: Sequence[Candidate]) -> Candidate | None:
        """The unchanged prompt's picture, of the seed of the best where there is one."""
        own = [c for c in drawn if self.request and c.rewrite.text == self.request.prompt]
        ranked = self.ranked(drawn)
        return next((c for c in own if c.seed == ranked[0].seed), own[0] if own else None)


def rank(candidate: Candidate) -> float:
    """The objective, or in the round that is going on, which has none yet, the liking."""
    return candidate.personal if math.isnan(candidate.objective) else candidate.objective


def head(board: Board, stopping: bool) -> str:
    """The prompt, how far it has come, and how it ended."""
    if board.request is None:
        return "<h1>The run is about to begin</h1><progress max='1' value='0' aria-label='Pictures'></progress>"
    n, budget = len(board.candidates), board.request.budget
    if board.result:
        said = f"Finished: {escape(board.result.why)}. {counted(n, 'picture')}."
        if board.result.comparison:
            said += f" Gain in liking: {board.result.comparison}."
    elif stopping:
        said = "Stopping after this picture; everything so far is kept."
    else:
        said = f"{n} of {budget} pictures"
    total = n if board.result else budget
    return (
        f"<h1>&ldquo;{escape(board.request.prompt)}&rdquo; for {escape(board.request.user)}</h1>"
        f"<progress max='{max(total, 1)}' value='{n}' aria-label='Pictures'></progress><p>{said}</p>"
    )


def ending(board: Board, report: bool) -> str:
    """What to do after the run: the report, and how to leave. Empty while it goes on."""
    if not board.result:
        return ""
    where = f"<code>{escape(board.folder)}</code>"
    link = "<a href='run/report.html' target='_blank'>Open the report</a> &middot; " if report else ""
    return (
        f"<div><p>{link}saved in {where}</p><p>You can still rate pictures. Done, or Ctrl-C in the terminal, ends this "
        f"page.</p></div>{DONE}"
    )


def beside(board: Board, drawn: Sequence[Candidate], url: Callable[[Candidate], str]) -> str:
    """The original beside the best."""
    if not drawn or board.request is None:
        return "".join(
            f"<figure><div class='none'></div><figcaption><b>{title}</b></figcaption></figure>"
            for title in ("Original", "Best so far")
        )
    best, original = board.ranked(drawn)[0], board.original(drawn)
    shown = [("Original", original), ("Best" if board.result else "Best so far", best)]
    return "".join(
        f"<figure><img src='{url(c)}' alt='{title}: {escape(c.rewrite.text, True)}'>"
        f"<figcaption><b>{title}</b> liking {liking(c)}<span>{changes(board.request.prompt, c)}</span></figcaption>"
        "</figure>"
        for title, c in shown
        if c is not None
    )


def gallery(board: Board, drawn: Sequence[Candidate], chosen: int, url: Callable[[Candidate], str]) -> str:
    """All pictures, the best first, each a button; ``chosen`` is the index of the one to rate."""
    best = board.result.best if board.result else None
    mark = {best.index: " &middot; best"} if best else {}
    return "".join(
        f"<button id='picture-{c.index}' aria-pressed='{str(c.index == chosen).lower()}'>"
        f"<img src='{url(c)}' alt='' loading='lazy'><b>{liking(c)}{mark.get(c.index, '')}</b>"
        f"<span>{escape(c.rewrite.text)}</span></button>"
        for c in board.ranked(drawn)
    )


def chosen(candidate: Candidate, prompt: str, url: str) -> str:
    """The picture to rate, large."""
    return (
        f"<figure><img src='{url}' alt='The picture to rate: {escape(candidate.rewrite.text, True)}'>"
        f"<figcaption><b>To rate</b> liking {liking(candidate)}<span>{changes(prompt, candidate)}</span></figcaption>"
        "</figure>"
    )


def asked(question: RunQuestion, url: Callable[[Candidate], str]) -> str:
    """A question of the run: its pictures as buttons, or one picture with a scale."""
    pictures = [(c, f"<img src='{url(c)}' alt='{escape(c.rewrite.text, True)}'>") for c in question.pictures]
    if question.form == "rate":
        shown = "".join(image for _, image in pictures)
        shown += "".join(f"<button id='answer-{n}'><b>{n}</b> {word}</button>" for n, word in ANCHORS.items())
    else:
        shown = "".join(f"<button id='answer-{c.index}'>{image}<span>This one</span></button>" for c, image in pictures)
    return (
        f"<p><b>{question.words}</b> The run goes on meanwhile.</p><div>{shown}"
        "<button id='answer-skip'>Skip</button></div>"
    )


def liking(candidate: Candidate) -> str:
    """The predicted liking, from 0 to 1."""
    return f"{candidate.personal:.2f}"


def changes(prompt: str, candidate: Candidate) -> str:
    """The text, with what it adds to the prompt marked."""
    pieces = word_changes(prompt, candidate.rewrite.text)
    return " ".join(MARK[kind].format(escape(words)) for kind, words in pieces)
