"""What the pages that ask a person have in common, and the page with two pictures to choose between."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from html import escape
from typing import Any, Protocol

import gradio as gr
from rich.console import Console

from steer.errors import SteerError
from steer.users.pictures import Question
from steer.web.address import Address
from steer.web.pictures import Pictures
from steer.web.serving import DONE, QUIETLY, Served

SIDE = 1024  # longest side of a picture on the page, in pixels
SIDES = {"ArrowLeft": ("Left picture", "&larr; This one"), "ArrowRight": ("Right picture", "This one &rarr;")}
LIVE = "<div aria-live='polite'>${value}</div>"  # screen readers announce what changes in it
# Python is told the id of the button that was pressed
PRESSED = """element.addEventListener('click', (event) => {
  const pressed = event.target.closest('button');
  if (pressed) trigger('click', {pressed: pressed.id});
});"""


class Asked(Protocol):
    """Where the questions come from and the answers go: an interview, or the ballot of a study."""

    user: str

    def next_pair(self) -> tuple[Question, Question] | None:
        """The two pictures to show; None when there are no more."""
        ...

    def choose(self, better: Question, worse: Question) -> Any:
        """Keep an answer."""
        ...

    def skip(self, *questions: Question) -> Any:
        """Do not ask about these again."""
        ...

    def undo(self) -> Any:
        """Take the last answer back."""
        ...


class AskingPage(ABC):
    """A page that shows a question, keeps the answer and shows the next one, until there is no more to ask.

    An answer about a picture that is no longer shown is not counted: a key was pressed twice.
    """

    heading: str
    keys: str

    def __init__(self, asked: Asked):
        self.asked = asked
        self.pictures = Pictures()
        self._lock = threading.Lock()
        self._shown: tuple[Question, ...] = ()
        self._going_on = False  # although it is enough
        self.blocks = self._page()

    def serve(self, address: Address, console: Console) -> None:
        """Until the person is done, or Ctrl-C."""
        served = self.start(address)
        served.announce(console, "every answer is saved at once; Done on the page or Ctrl-C here ends it")
        served.wait()

    def start(self, address: Address | None = None) -> Served:
        """Serve in the background."""
        return Served(self.blocks, address or Address(), [self.pictures.route])

    @abstractmethod
    def _ask(self) -> tuple[Question, ...]:
        """The pictures to show now; none when there are no more."""

    @abstractmethod
    def _progress(self) -> str:
        """HTML that says how far it has come."""

    def _enough(self) -> str:
        """HTML that says why asking on is not worth it; empty while it is."""
        return ""

    @abstractmethod
    def _picture(self) -> str:
        """HTML of the pictures that are shown."""

    @abstractmethod
    def _question(self) -> tuple[gr.HTML, list[gr.Column]]:
        """Build where the pictures go, and the columns with the answers to them."""

    @abstractmethod
    def _answers(self, picture: gr.HTML) -> None:
        """Wire the answers to :meth:`_keep`."""

    # what happens

    def _begin(self) -> list[Any]:
        with self._lock:
            return self._next()

    def _skip(self, shown: str) -> list[Any]:
        with self._lock:
            if self._shown and shown == self._name():
                self.asked.skip(*self._shown)
            return self._next()

    def _undo(self) -> list[Any]:
        with self._lock:
            self.asked.undo()
            return self._next()

    def _go_on(self) -> list[Any]:
        with self._lock:
            self._going_on = True
            return self._next()

    def _name(self) -> str:
        return " ".join(q.hash for q in self._shown)

    def _next(self) -> list[Any]:
        """What the page shows now: the values of ``self.outputs``."""
        enough = "" if self._going_on else self._enough()
        try:
            self._shown = () if enough else self._ask()
        except SteerError as error:
            raise gr.Error(str(error)) from error
        asking = bool(self._shown)
        shown = self._picture() if asking else enough or "<h2>You have seen all of them</h2><p>Thank you.</p>"
        return [
            shown if asking else f"<div class='panel'><div>{shown}</div></div>",
            self._name(),
            self._progress(),
            gr.Button(visible=bool(enough)),
            *[gr.Column(visible=asking) for _ in self.columns],
        ]

    # what is on the page

    def _page(self) -> gr.Blocks:
        with gr.Blocks(title="steer: your taste", analytics_enabled=False) as page:
            who = f"Answers are saved for <b>{escape(self.asked.user)}</b>."
            gr.HTML(f"<h1>{self.heading}</h1><p>{who} <span class='keys'>{self.keys}</span></p>")
            progress = gr.HTML(html_template=LIVE, elem_id="progress")
            picture, self.columns = self._question()
            self.shown = gr.Textbox(visible=False)
            with gr.Row(elem_id="others"):
                skip = gr.Button("Skip", elem_id="key-s", size="sm")
                undo = gr.Button("Undo", elem_id="key-u", size="sm")
                go_on = gr.Button("Keep going", visible=False, elem_id="go-on", size="sm")
                gr.HTML(DONE)
            self.outputs = [picture, self.shown, progress, go_on, *self.columns]
            self._answers(picture)
            skip.click(self._skip, self.shown, self.outputs, **QUIETLY)
            undo.click(self._undo, None, self.outputs, **QUIETLY)
            go_on.click(self._go_on, None, self.outputs, **QUIETLY)
            page.load(self._begin, None, self.outputs, **QUIETLY)
        return page

    def _url(self, question: Question) -> str:
        if question.hash not in self.pictures:
            self.pictures.add(question.hash, question.image, SIDE)
        return self.pictures.url(question.hash)


class PairsPage(AskingPage):
    """Two pictures side by side, each of them a button."""

    heading = "Which one do you like more?"
    keys = "Keys: <b>&larr;</b> and <b>&rarr;</b> choose, <b>s</b> skips, <b>u</b> undoes."

    def _ask(self) -> tuple[Question, ...]:
        return self.asked.next_pair() or ()

    def _picture(self) -> str:
        return "".join(
            f"<button id='key-{key}'><img src='{self._url(q)}' alt='{alt}'><span>{label}</span></button>"
            for q, (key, (alt, label)) in zip(self._shown, SIDES.items(), strict=True)
        )

    def _question(self) -> tuple[gr.HTML, list[gr.Column]]:
        return gr.HTML(html_template="<div class='two'>${value}</div>", elem_id="pair", js_on_load=PRESSED), []

    def _answers(self, picture: gr.HTML) -> None:
        def keep(shown: str, event: gr.EventData) -> list[Any]:
            return self._choose(shown, event.pressed == "key-ArrowLeft")

        picture.click(keep, self.shown, self.outputs, **QUIETLY)

    def _choose(self, shown: str, left: bool) -> list[Any]:
        with self._lock:
            if self._shown and shown == self._name():
                better, worse = self._shown if left else self._shown[::-1]
                self.asked.choose(better, worse)
            return self._next()
