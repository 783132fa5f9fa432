"""The pages of an interview: one picture with five answers and a slider, or two to choose between."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import Any

import gradio as gr

from reward_models.plural import counted
from steer.users.interview import ANCHORS, Interview
from steer.users.pictures import Question
from steer.web.asking import AskingPage, PairsPage
from steer.web.serving import QUIETLY

MIDDLE = 3.0  # of the slider


class RatingPage(AskingPage):
    """One picture at a time."""

    heading = "How much do you like this picture?"
    keys = "Keys: <b>1</b> to <b>5</b> rate, <b>s</b> skips, <b>u</b> undoes."

    def __init__(self, interview: Interview):
        self.interview = interview
        super().__init__(interview)

    def _ask(self) -> tuple[Question, ...]:
        found = self.interview.next()
        return () if found is None else (found,)

    def _progress(self) -> str:
        return progress_of(self.interview, "picture")

    def _enough(self) -> str:
        return enough_of(self.interview)

    def _picture(self) -> str:
        (question,) = self._shown
        said = f"<p id='drawn-for'>Prompt: {escape(question.prompt)}</p>" if question.prompt else ""
        return f"<img src='{self._url(question)}' alt='The picture to rate'>{said}"

    def _question(self) -> tuple[gr.HTML, list[gr.Column]]:
        picture = gr.HTML(elem_id="picture")
        with gr.Column() as column:
            with gr.Row(elem_id="scale"):
                self._anchors = {n: gr.Button(f"{n}\n{word}", elem_id=f"key-{n}") for n, word in ANCHORS.items()}
            with gr.Row(elem_id="fine"):
                self._slider = gr.Slider(1, 5, value=MIDDLE, step=0.1, label="In between", elem_id="slider", buttons=[])
                self._use = gr.Button(_use_label(MIDDLE), size="sm", elem_id="use-slider")
        return picture, [column]

    def _answers(self, picture: gr.HTML) -> None:  # noqa: ARG002
        outputs = [*self.outputs, self._slider, self._use]
        for n, button in self._anchors.items():
            button.click(partial(self._rate, score=n), self.shown, outputs, **QUIETLY)
        self._use.click(self._rate, [self.shown, self._slider], outputs, **QUIETLY)
        self._slider.change(
            None, self._slider, self._use, js="(value) => `Rate ${Number(value).toFixed(1)}`", **QUIETLY
        )

    def _rate(self, shown: str, score: float) -> list[Any]:
        with self._lock:
            if self._shown and shown == self._name():
                self.interview.rate(self._shown[0], score)
            return [*self._next(), MIDDLE, _use_label(MIDDLE)]


class TastePairsPage(PairsPage):
    """Two pictures at a time."""

    def __init__(self, interview: Interview):
        self.interview = interview
        super().__init__(interview)

    def _progress(self) -> str:
        return progress_of(self.interview, "pair")

    def _enough(self) -> str:
        return enough_of(self.interview)


def progress_of(interview: Interview, noun: str) -> str:
    """A bar and a line: answers so far, and about how many more."""
    p = interview.progress()
    done = 1.0 if p.enough else p.answers / (p.answers + p.more)
    left = "that is enough" if p.enough else f"about {counted(p.more, f'more {noun}')}"
    bar = f"<progress max='100' value='{100 * done:.0f}' aria-label='Interview'></progress>"
    return f"{bar}<p>{counted(p.answers, 'answer')} &middot; {left}</p>"


def enough_of(interview: Interview) -> str:
    """Why to stop; empty while the next answer is worth asking for."""
    p = interview.progress()
    if not p.enough or not p.left:
        return ""
    return (
        f"<h2>That is enough</h2><p>steer knows {p.known:.0%} of what sets your taste apart. "
        "More answers would change little.</p>"
    )


def _use_label(value: float) -> str:
    return f"Rate {value:.1f}"
