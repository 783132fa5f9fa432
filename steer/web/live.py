"""A run as it goes on: the best beside the original, and every picture, to be rated."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from rich.console import Console
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from reward_models.pictures import open_picture
from steer.errors import SteerError
from steer.events import CandidateDone, Event, QuestionAsked, QuestionClosed, RunStarted, RunStopped
from steer.judging.audience import Audience
from steer.parts import Parts
from steer.question import RunQuestion
from steer.types import Candidate, State, StopReason
from steer.users.interview import ANCHORS
from steer.users.rating import RatedPicture, rate_candidate, take_back
from steer.web.address import Address
from steer.web.asking import LIVE, PRESSED
from steer.web.board import Board, asked, beside, chosen, ending, gallery, head
from steer.web.pictures import Pictures
from steer.web.serving import QUIETLY, Served

EVERY_S = 1.0
SMALL, LARGE = 256, 768  # longest side of a picture in the gallery and above it, in pixels
SHOWN_FILES = (".html", ".png", ".jpg", ".webp")  # of a run's folder
SCROLL = "() => document.getElementById('rate').scrollIntoView({behavior: 'smooth', block: 'nearest'})"
NOTHING_CHOSEN = "<figure><div class='none'>Choose a picture below to rate it</div></figure>"
READ_ONLY = "People of a data set are read-only, so there is nothing to rate."


class LivePage:
    """A listener with a page. Ratings go to the first of the run's people who is a user of the store.

    Its Stop button raises KeyboardInterrupt in the thread of the run, at the next picture: as Ctrl-C does.
    """

    def __init__(self, parts: Parts):
        self.parts = parts
        self.pictures = Pictures()
        self._lock = threading.Lock()
        self._board = Board()
        self._version = 0
        self._stopping = threading.Event()
        self._question: RunQuestion | None = None  # that is open
        self._ratings: list[RatedPicture] = []  # to take back
        self.blocks = self._page()
        self.served: Served | None = None

    def __call__(self, event: Event) -> None:
        """From the run's thread."""
        with self._lock:
            if isinstance(event, RunStarted):
                self._board = Board(event.request, event.folder)
                self._stopping.clear()
            elif isinstance(event, CandidateDone):
                self._board = replace(self._board, candidates=(*self._board.candidates, event.candidate))
            elif isinstance(event, QuestionAsked):
                self._question = event.question
            elif isinstance(event, QuestionClosed):
                self._question = None
            elif isinstance(event, RunStopped):
                self._board = replace(self._board, result=event.result)
            else:
                return
            self._version += 1
        if self._stopping.is_set() and isinstance(event, CandidateDone):
            raise KeyboardInterrupt

    def begin(self, console: Console, address: Address | None = None) -> Served:
        """Serve in the background."""
        routes = [self.pictures.route, Route("/run/{file:path}", self._file)]
        self.served = Served(self.blocks, address or Address(browser=False), routes)
        self.served.announce(console, "Stop on the page or Ctrl-C here ends the run, and keeps what there is")
        return self.served

    def stay(self, console: Console) -> None:
        """Serve on after the run, until Done or Ctrl-C; not after a run that Ctrl-C ended."""
        result = self._board.result
        if self.served is None or self.served.done.is_set():
            return
        if result and result.stop is StopReason.INTERRUPTED and not self._stopping.is_set():
            self.served.close()
            return
        with suppress(KeyboardInterrupt):
            console.print(f"the page stays open at {self.served.url}", soft_wrap=True, highlight=False)
            console.print("  press Done on it, or Ctrl-C here, to leave")
            self.served.wait()

    @property
    def rater(self) -> str | None:
        """Whose ratings are taken; None where nobody of the run is a user who can be taught."""
        request = self._board.request
        for user in Audience.parse(request.user).towards if request else ():
            known = self.parts.store.get(user)
            if known is not None and not known.source:
                return user
        return None

    # what happens

    def _refresh(self, seen: int, index: int) -> list[Any]:
        with self._lock:
            version, board, question = self._version, self._board, self._question
        scored = [c for c in board.candidates if c.state is State.SCORED]
        if seen == version:
            return [gr.skip()] * 7
        drawn = [c for c in scored if self._path(c).exists()]  # the writer may be behind
        over = board.result is not None
        return [
            head(board, self._stopping.is_set()),
            beside(board, drawn, partial(self._url, side=LARGE)),
            gallery(board, drawn, int(index), partial(self._url, side=SMALL)),
            ending(board, self._report.exists()),
            asked(question, partial(self._url, side=SMALL)) if question and not question.answered else "",
            gr.Button(visible=not over, interactive=board.request is not None and not self._stopping.is_set()),
            version if len(drawn) == len(scored) else -1,
        ]

    def _choose(self, event: gr.EventData) -> list[Any]:
        return self._show(int(str(event.pressed).removeprefix("picture-")))

    def _show(self, index: int) -> list[Any]:
        """The picture with this index, to rate; the gallery is drawn anew with it outlined."""
        candidate, request = self._candidate(index), self._board.request
        if candidate is None or request is None:
            return [gr.skip()] * 5
        large, rater = chosen(candidate, request.prompt, self._url(candidate, LARGE)), self.rater
        if rater is None:
            return [index, f"{large}<p>{READ_ONLY}</p>", "", gr.Column(visible=False), -1]
        return [index, large, f"<p>Rate it as <b>{escape(rater)}</b>.</p>", gr.Column(visible=True), -1]

    def _rate(self, index: float, score: float) -> str:
        candidate, user, request = self._candidate(int(index)), self.rater, self._board.request
        if candidate is None or request is None:
            return "Choose a picture first."
        if user is None:
            return READ_ONLY
        try:
            with open_picture(self._path(candidate)) as image:
                picture = image.convert("RGB")
            run = Path(self._board.folder).name
            rated = rate_candidate(self.parts.store, self.parts.reward, user, picture, request.prompt, score, run)
        except SteerError as error:
            raise gr.Error(str(error)) from error
        self._ratings.append(rated)
        going_on = self._board.result is None and self.parts.config.search.learns
        then = "The next round takes it into account." if going_on else "The next run takes it into account."
        return f"<p><b>Saved: {score:g} of 5.</b> {then}</p>"

    def _undo(self) -> str:
        if not self._ratings:
            return "<p>There is no rating to take back.</p>"
        take_back(self.parts.store, self._ratings.pop())
        return "<p>The last rating is taken back.</p>"

    def _answer(self, event: gr.EventData) -> list[Any]:
        """A button of the open question: "answer-N", or "answer-skip"."""
        question, pressed = self._question, str(event.pressed).removeprefix("answer-")
        if question is None:
            return ["", "<p>This question is no longer open.</p>"]
        try:
            question.answer(None if pressed == "skip" else float(pressed))
        except (SteerError, ValueError) as error:
            raise gr.Error(str(error)) from error
        said = "Skipped." if pressed == "skip" else "<b>Saved.</b> The next round takes it into account."
        return ["", f"<p>{said}</p>"]

    def _stop(self) -> int:
        self._stopping.set()
        return -1

    def _candidate(self, index: int) -> Candidate | None:
        return next((c for c in self._board.candidates if c.index == index), None)

    def _path(self, candidate: Candidate) -> Path:
        return Path(self._board.folder) / candidate.picture

    @property
    def _report(self) -> Path:
        return Path(self._board.folder) / "report.html"

    def _url(self, candidate: Candidate, side: int) -> str:
        name = f"{Path(self._board.folder).name}-{candidate.index}-{side}"
        if name not in self.pictures:
            with open_picture(self._path(candidate)) as image:
                self.pictures.add(name, image, side)
        return self.pictures.url(name)

    async def _file(self, request: Request) -> Response:
        """A page or picture of the run's folder."""
        folder = Path(self._board.folder).resolve()
        path = (folder / request.path_params["file"]).resolve()
        if not self._board.folder or path.suffix not in SHOWN_FILES or not path.is_relative_to(folder):
            return Response(status_code=404)
        return FileResponse(path) if path.is_file() else Response(status_code=404)

    # what is on the page

    def _page(self) -> gr.Blocks:
        with gr.Blocks(title="steer: a run", analytics_enabled=False) as page:
            with gr.Row(elem_id="top"):
                top = gr.HTML(head(Board(), False), html_template=LIVE, elem_id="progress")
                stop = gr.Button("Stop", elem_id="stop", size="sm")
            with gr.Row(elem_id="board"):
                pair = gr.HTML(html_template="<div class='sides'>${value}</div>", elem_id="beside")
                with gr.Column(elem_id="rate"):
                    picture = gr.HTML(NOTHING_CHOSEN, elem_id="chosen")
                    with gr.Column(visible=False) as answers:
                        with gr.Row(elem_id="scale"):
                            buttons = {n: gr.Button(f"{n}\n{word}", elem_id=f"key-{n}") for n, word in ANCHORS.items()}
                        with gr.Row(elem_id="rated"):
                            said = gr.HTML(html_template=LIVE, elem_id="said")
                            undo = gr.Button("Undo", elem_id="key-u", size="sm")
            question = gr.HTML(
                html_template="<div class='asked'>${value}</div>", elem_id="question", js_on_load=PRESSED
            )
            over = gr.HTML(html_template="<div class='over'>${value}</div>", elem_id="over")
            pictures = gr.HTML(html_template="<div class='grid'>${value}</div>", elem_id="gallery", js_on_load=PRESSED)
            index, seen = gr.Number(-1, visible=False), gr.Number(-1, visible=False)
            shown = [top, pair, pictures, over, question, stop, seen]
            for n, button in buttons.items():
                button.click(partial(self._rate, score=n), index, said, **QUIETLY)
            undo.click(self._undo, None, said, **QUIETLY)
            stop.click(self._stop, None, seen, **QUIETLY)
            question.click(self._answer, None, [question, said], **QUIETLY)
            refresh = {"fn": self._refresh, "inputs": [seen, index], "outputs": shown, **QUIETLY}
            choice = [index, picture, said, answers, seen]
            chose = pictures.click(self._choose, None, choice, **QUIETLY).then(**refresh)
            chose.then(None, None, None, js=SCROLL, **QUIETLY)
            gr.Timer(EVERY_S).tick(**refresh)
            page.load(**refresh)
        return page
