"""What the loop asks of its parts. Subclass these: everything optional has a default on the class.

``steer.testing`` holds a conformance test for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from PIL import Image

from reward_models.protocols import Meter as Meter
from steer.errors import UsageError
from steer.types import History, RenderFailure, Rewrite, SteerRequest, Stopped
from steer.vocabulary import Vocabulary

Wrote = Callable[[int, int], None]  # texts written, texts wanted
Between = Callable[[], None]
GoesOn = Callable[[int, Image.Image], bool]  # number of the prompt in the call, and its preview


class Previews(Protocol):
    """Pictures that can be stopped while they are made."""

    def render(
        self, prompts: Sequence[str], seeds: Sequence[int], goes_on: GoesOn
    ) -> list[Image.Image | RenderFailure | Stopped]:
        """As :meth:`Renderer.render`; ``Stopped`` with the preview where ``goes_on`` said no."""
        ...


class Renderer(Protocol):
    """Turns prompts and seeds into pictures.

    Required are ``name``, :meth:`render` and :meth:`describe`. The same (prompt, seed) gives the same picture in any
    batch. Raises RenderError for systemic faults only (no such model, no CUDA).
    """

    name: str
    batch_size: int = 4  # pictures to ask for at once
    meter: Meter | None = None  # counts what pictures cost
    drafts: Renderer | None = None  # cheaper pictures to search with
    previews: Previews | None = None  # pictures that can be stopped early
    vocabulary: Vocabulary | None = None  # what it can draw, for a renderer that cannot draw everything
    drawn_together: int | None = None  # pictures in a batch, where memory forced fewer than the settings say
    elsewhere: bool = False  # other machines draw: a batch asks for the next pictures while it scores these
    remarks: Sequence[str] = ()  # what it noticed while drawing that whoever reads the results should know
    between: Between = staticmethod(lambda: None)  # called between two steps; what it raises ends the drawing

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image | RenderFailure]:
        """As many results as prompts, in order; a single bad picture is a RenderFailure in its place."""
        ...

    def prepare(self, prompts: Sequence[str]) -> None:  # noqa: ARG002
        """The texts that the coming calls will draw, for a renderer that reads them better together."""
        return

    def narrow(self, batch_size: int) -> None:  # noqa: ARG002
        """Draw at most so many pictures together, as a run did that is resumed; company changes the last bits."""
        return

    def variant(self, size: tuple[int, int] | None = None, negative: str | None = None) -> Renderer:  # noqa: ARG002
        """The same weights for pictures of another size (width, height in pixels) or with another negative prompt; None
        leaves what is set. Raises UsageError where it cannot.
        """
        raise UsageError(f"the renderer '{self.name}' has one size and no negative prompt")

    def describe(self) -> dict[str, object]:
        """Settings that change pictures; part of the run's fingerprint."""
        ...


class Proposer(Protocol):
    """Writes rewrites from what is known so far.

    Required are ``name``, :meth:`propose` and :meth:`fingerprint`. Must be a function of its arguments where it can:
    the lexical one gives the same rewrites for the same history. Raises ProposerError only for systemic faults (no key,
    server gone).
    """

    name: str
    meter: Meter | None = None  # counts what texts cost
    slow: bool = False  # waits for a model: the next texts are written while these are rendered, and unused ones kept
    reads_taste: bool = False  # uses ``request.taste``, so the users' own words are looked up
    shares_about: bool = False  # may be told the users' demographics too
    reads_critique: bool = False  # uses ``history.critique``, so a critic is asked
    reads_wishes: bool = False  # uses ``history.wishes``, so a critic that the search is to heed is asked
    wrote: Wrote = staticmethod(lambda done, total: None)  # noqa: ARG005  # a slow one tells how far it is
    most: int | None = None  # texts asked for in one round for a screen to choose from; None: as many as it can rank

    def propose(self, request: SteerRequest, history: History, n: int) -> list[Rewrite]:
        """Up to ``n`` rewrites; fewer, or none, when there is nothing new."""
        ...

    def compose(self, prompt: str, changes: Mapping[str, str]) -> str | None:  # noqa: ARG002
        """The text of a prompt with these phrases by kind, to recombine rewrites; None where it cannot say."""
        return None

    def variations(self, prompt: str, rewrite: Rewrite) -> list[Rewrite]:  # noqa: ARG002
        """Texts one phrase away from a rewrite of a prompt; none by default."""
        return []

    def fork(self) -> Proposer:
        """A proposer with a meter of its own, for a run beside others; itself where it has no meter."""
        return self

    def fingerprint(self) -> str:
        """Changes whenever its words or instructions do."""
        ...
