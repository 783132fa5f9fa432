"""The rating page: a picture, a slider with five anchors, the keyboard; or two pictures to choose between."""

from __future__ import annotations

import threading
from html import escape
from typing import Any

import gradio as gr

from steer.errors import SteerError
from steer.users.interview import ANCHORS, Interview
from steer.users.pictures import Question
from steer.web.serving import Served, announce

SHOWN = 512  # pixels of a small picture's side on the page


class RatingPage:
    """One person's page. What a browser says of a picture that is no longer shown is not counted: a key pressed
    twice.
    """

    def __init__(self, interview: Interview, pairs: bool = False):
        self.interview, self.pairs = interview, pairs
        self._lock = threading.Lock()
        self._shown: tuple[Question, ...] = ()
        self._served: Served | None = None
        self.blocks = self._pairs_page() if pairs else self._slider_page()

    def serve(self, port: int, browser: bool, console: Any) -> None:
        """Until the person is done."""
        served = self.start(port)
        announce(served, browser, console)
        served.wait()

    def start(self, port: int = 0) -> Served:
        """Serve in the background."""
        self._served = Served(self.blocks, port)
        return self._served

    # what happens

    def _rate(self, shown: str, score: float) -> list[Any]:
        with self._lock:
            if shown == self._name() and self._shown:
                self.interview.rate(self._shown[0], score)
            return self._next()

    def _choose(self, shown: str, first: bool) -> list[Any]:
        with self._lock:
            if shown == self._name() and self._shown:
                better, worse = self._shown if first else self._shown[::-1]
                self.interview.choose(better, worse)
            return self._next()

    def _skip(self, shown: str) -> list[Any]:
        with self._lock:
            if shown == self._name():
                self.interview.skip(*self._shown)
            return self._next()

    def _undo(self, shown: str) -> list[Any]:  # noqa: ARG002
        with self._lock:
            self.interview.undo()
            return self._next()

    def _begin(self) -> list[Any]:
        with self._lock:
            return self._next()

    def _done(self) -> str:
        if self._served:
            self._served.done.set()
        return "<p class='enough'>Thank you. You can close this page.</p>"

    def _name(self) -> str:
        return " ".join(q.hash for q in self._shown)

    def _next(self) -> list[Any]:
        """What the page shows now: pictures, their names, the progress, the slider back in the middle."""
        try:
            found = self.interview.next_pair() if self.pairs else self.interview.next()
        except SteerError as error:
            raise gr.Error(str(error)) from error
        self._shown = () if found is None else found if isinstance(found, tuple) else (found,)
        pictures = [_large(q) for q in self._shown] or [None] * (2 if self.pairs else 1)
        return [*pictures, self._name(), self._progress(), *([] if self.pairs else [3.0])]

    def _progress(self) -> str:
        p = self.interview.progress()
        bar = f"<progress max='100' value='{100 * p.known:.0f}'></progress>"
        if not self._shown:
            said = "All pictures were shown. <b>Done</b> ends."
        elif p.enough:
            said = (
                "<span class='enough'>That is enough: more ratings would change little.</span> "
                "<b>Done</b> ends; you can go on."
            )
        else:
            said = f"the next answer settles about {p.worth:.0%} of what is open"
        answers = f"{p.answers} answer{'' if p.answers == 1 else 's'}"
        return f"{bar}<p>{answers} &middot; {p.known:.0%} of your taste known &middot; {said}</p>"

    # what is on the page

    def _head(self, how: str) -> None:
        gr.Markdown(f"## How much do you like it, {escape(self.interview.user)}?\n{how}")

    def _slider_page(self) -> gr.Blocks:
        with gr.Blocks(title="steer: your taste", analytics_enabled=False) as page:
            self._head("Keys **1** to **5**, **Enter** for the slider, **s** skips, **u** takes the last answer back.")
            progress = gr.HTML(elem_id="progress")
            picture = gr.Image(show_label=False, interactive=False, elem_id="picture", buttons=[])
            shown = gr.Textbox(visible=False)
            slider = gr.Slider(1, 5, value=3, step=0.1, show_label=False, container=False, elem_id="slider")
            with gr.Row(elem_id="scale"):
                anchors = [gr.Button(f"{n}  {word}", elem_id=f"key-{n}", size="sm") for n, word in ANCHORS.items()]
            with gr.Row():
                enter = gr.Button("Slider (Enter)", variant="primary", elem_id="key-Enter", size="sm")
                skip, undo, done = self._others()
            out = [picture, shown, progress, slider]
            page.load(self._begin, None, out, show_progress="hidden")
            for n, button in zip(ANCHORS, anchors, strict=True):
                button.click(lambda s, n=n: self._rate(s, n), shown, out, show_progress="hidden")
            enter.click(self._rate, [shown, slider], out, show_progress="hidden")
            self._wire(skip, undo, done, shown, out, progress)
        return page

    def _pairs_page(self) -> gr.Blocks:
        with gr.Blocks(title="steer: your taste", analytics_enabled=False) as page:
            self._head(
                "Which of the two? Keys **&larr;** and **&rarr;**, **s** skips, **u** takes the last answer back."
            )
            progress = gr.HTML(elem_id="progress")
            with gr.Row():
                pictures = [
                    gr.Image(show_label=False, interactive=False, elem_id=side, buttons=[])
                    for side in ("left", "right")
                ]
            shown = gr.Textbox(visible=False)
            with gr.Row(elem_id="scale"):
                left = gr.Button("this one (←)", variant="primary", elem_id="key-ArrowLeft")
                right = gr.Button("this one (→)", variant="primary", elem_id="key-ArrowRight")
            with gr.Row():
                skip, undo, done = self._others()
            out = [*pictures, shown, progress]
            page.load(self._begin, None, out, show_progress="hidden")
            left.click(lambda s: self._choose(s, True), shown, out, show_progress="hidden")
            right.click(lambda s: self._choose(s, False), shown, out, show_progress="hidden")
            self._wire(skip, undo, done, shown, out, progress)
        return page

    def _others(self) -> tuple[gr.Button, gr.Button, gr.Button]:
        buttons = (("Skip (s)", "key-s"), ("Undo (u)", "key-u"), ("Done", "done"))
        skip, undo, done = (gr.Button(text, elem_id=name, size="sm") for text, name in buttons)
        return skip, undo, done

    def _wire(self, skip: Any, undo: Any, done: Any, shown: Any, out: list[Any], progress: Any) -> None:
        skip.click(self._skip, shown, out, show_progress="hidden")
        undo.click(self._undo, shown, out, show_progress="hidden")
        done.click(self._done, None, progress, show_progress="hidden")


def _large(question: Question) -> Any:
    """A small picture enlarged, so that it can be judged."""
    image = question.image
    factor = max(1, round(SHOWN / max(image.size)))
    return image.resize((image.width * factor, image.height * factor)) if factor > 1 else image
