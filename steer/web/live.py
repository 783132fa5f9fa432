"""A run as it goes on: its pictures by reward, each to be rated."""

from __future__ import annotations

import math
import threading
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image, ImageOps

from steer.errors import SteerError
from steer.events import CandidateDone, Event, RunStarted, RunStopped
from steer.judging.audience import Audience
from steer.parts import Parts
from steer.types import Candidate, State, SteerRequest
from steer.users.rating import rate_candidate
from steer.web.serving import Served, announce

RATINGS = {1: "1  thumbs down", 2: "2", 3: "3", 4: "4", 5: "5  thumbs up"}
EVERY_S = 1.0
SMALL = 320  # pixels of a side in the gallery


class LivePage:
    """A listener with a page. Ratings go to the first of the run's people who is a user of the store."""

    def __init__(self, parts: Parts):
        self.parts = parts
        self._lock = threading.Lock()
        self._request: SteerRequest | None = None
        self._folder = Path()
        self._candidates: list[Candidate] = []
        self._said = "waiting for the run"
        self._thumbnails: dict[int, Image.Image] = {}
        self._shown: list[Candidate] = []  # in the gallery's order
        self._version = 0
        self.blocks = self._page()
        self._served: Served | None = None

    def __call__(self, event: Event) -> None:
        """From the run's thread."""
        with self._lock:
            self._version += 1
            if isinstance(event, RunStarted):
                self._request, self._folder = event.request, Path(event.folder)
                self._candidates, self._thumbnails = [], {}
                self._said = "the run begins"
            elif isinstance(event, CandidateDone):
                self._candidates.append(event.candidate)
                self._said = f"{len(self._candidates)} of {self._request.budget if self._request else 0} pictures"
            elif isinstance(event, RunStopped):
                self._said = f"stopped because {event.result.why}"

    def begin(self, console: Any, port: int = 0, browser: bool = True) -> Served:
        """Serve in the background."""
        self._served = Served(self.blocks, port)
        announce(self._served, browser, console)
        return self._served

    def stay(self) -> None:
        """Until Done is pressed, or Ctrl-C."""
        if self._served:
            self._served.wait()

    @property
    def rater(self) -> str | None:
        """Whose ratings are taken; None where nobody of the run is a user of their own."""
        people = Audience.parse(self._request.user).towards if self._request else ()
        for user in people:
            known = self.parts.store.get(user)
            if known is not None and not known.source:
                return user
        return None

    # what happens

    def _refresh(self, seen: int) -> list[Any]:
        with self._lock:
            if seen == self._version:
                return [gr.skip(), gr.skip(), seen]
            done = [c for c in self._candidates if c.state is State.SCORED and (self._folder / c.picture).exists()]
            self._shown = sorted(done, key=lambda c: -_reward(c))
            pictures = [(self._small(c), f"{_reward(c):.2f}") for c in self._shown]
            missing = len(done) < sum(c.state is State.SCORED for c in self._candidates)  # the writer is not there yet
            return [pictures, self._headline(), -1 if missing else self._version]

    def _small(self, candidate: Candidate) -> Image.Image:
        if candidate.index not in self._thumbnails:
            with Image.open(self._folder / candidate.picture) as image:
                self._thumbnails[candidate.index] = ImageOps.contain(image.convert("RGB"), (SMALL, SMALL))
        return self._thumbnails[candidate.index]

    def _headline(self) -> str:
        prompt = escape(self._request.prompt) if self._request else ""
        return f"<p><b>{prompt}</b> &middot; {escape(self._said)}</p>"

    def _select(self, event: gr.SelectData) -> list[Any]:
        with self._lock:
            chosen = self._shown[event.index]
            asked = f"Rate it as {self.rater}" if self.rater else "People of a data set are read-only: nothing to rate"
            return [
                chosen.index,
                self._small(chosen),
                f"**{chosen.rewrite.text}**, reward {_reward(chosen):.2f}. {asked}.",
            ]

    def _rate(self, index: float, score: float) -> str:
        with self._lock:
            chosen = next((c for c in self._candidates if c.index == int(index)), None)
            user, request = self.rater, self._request
        if chosen is None or request is None:
            return "Choose a picture first."
        if user is None:
            return "People of a data set are read-only: nothing to rate."
        try:
            with Image.open(self._folder / chosen.picture) as image:
                picture = image.convert("RGB")
            rate_candidate(self.parts.store, self.parts.reward, user, picture, request.prompt, score, self._folder.name)
        except SteerError as error:
            raise gr.Error(str(error)) from error
        then = "the next round looks for it" if self.parts.config.search.learn else "the next run knows it"
        return f"Kept: {score:g} for **{chosen.rewrite.text}**; {then}."

    def _done(self) -> str:
        if self._served:
            self._served.done.set()
        return "<p class='enough'>You can close this page.</p>"

    # what is on the page

    def _page(self) -> gr.Blocks:
        with gr.Blocks(title="steer: a run", analytics_enabled=False) as page:
            head = gr.HTML(elem_id="progress")
            gallery = gr.Gallery(
                show_label=False,
                columns=6,
                height=360,
                object_fit="contain",
                allow_preview=False,
                elem_id="gallery",
                buttons=[],
            )
            chosen, seen = gr.Number(-1, visible=False), gr.Number(-1, visible=False)
            picture = gr.Image(show_label=False, interactive=False, height=240, elem_id="chosen", buttons=[])
            said = gr.Markdown("Choose a picture to rate it.", elem_id="said")
            with gr.Row(elem_id="scale"):
                for n, label in RATINGS.items():
                    button = gr.Button(label, elem_id=f"key-{n}", size="sm")
                    button.click(lambda index, n=n: self._rate(index, n), chosen, said, show_progress="hidden")
            done = gr.Button("Done", elem_id="done", size="sm")
            done.click(self._done, None, head, show_progress="hidden")
            gallery.select(self._select, None, [chosen, picture, said], show_progress="hidden")
            gr.Timer(EVERY_S).tick(self._refresh, seen, [gallery, head, seen], show_progress="hidden")
        return page


def _reward(candidate: Candidate) -> float:
    """The objective, of the round that is going on still the personal reward."""
    return candidate.personal if math.isnan(candidate.objective) else candidate.objective
