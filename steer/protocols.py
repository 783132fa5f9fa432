"""What the loop asks of its parts. ``steer.testing`` holds a conformance test for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from PIL import Image

from steer.types import History, RenderFailure, Rewrite, SteerRequest


@runtime_checkable
class Proposer(Protocol):
    """Writes rewrites from what is known so far.

    May return fewer than ``n``, or none when it has nothing new. Must be a function of its
    arguments where it can: the lexical one gives the same rewrites for the same history.
    Raises ProposerError only for systemic faults (no key, server gone). One whose texts cost something may
    have an int ``most``: how many are asked of it in one round for a screen to choose from.
    """

    name: str

    def propose(self, request: SteerRequest, history: History, n: int) -> list[Rewrite]: ...

    def fingerprint(self) -> str:
        """Changes whenever its words or instructions do."""
        ...


@runtime_checkable
class Metered(Protocol):
    """A proposer or renderer that costs something and keeps count, run by run."""

    def start(self, spent: Mapping[str, float]) -> None:
        """A run begins; one that is resumed has ``spent`` something already."""
        ...

    def spent(self) -> dict[str, float]:
        """What the run has taken so far, JSON-ready; it goes into the manifest under ``usage``."""
        ...


@runtime_checkable
class Renderer(Protocol):
    """Turns prompts and seeds into pictures.

    As many results as prompts, in order; a single bad picture is a RenderFailure in its place.
    The same (prompt, seed) gives the same picture in any batch. Raises RenderError for systemic
    faults only (no such model, no CUDA). One that draws cheaper pictures too has a second renderer ``drafts``, else None.
    """

    name: str

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image | RenderFailure]: ...

    def describe(self) -> dict[str, object]:
        """Settings that change pictures; part of the run's fingerprint."""
        ...
