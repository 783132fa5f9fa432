"""What a renderer can draw, where that is a closed world: the miniature knows 32 subjects and no dragon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class PromptWarning:
    """Why pictures will not show what a prompt asks for, and what they will show.

    ``known``: what the renderer can draw, "" where that does not help.
    """

    text: str
    known: str = ""

    def __str__(self) -> str:
        return f"{self.text} {self.known}".rstrip()


class Vocabulary(Protocol):
    """Reads prompts before anything is drawn. Quick: no model is asked."""

    def warnings(self, prompt: str) -> list[PromptWarning]:
        """What the pictures will lack; empty for a prompt that can be drawn."""
        ...

    def knows(self, prompt: str) -> bool:
        """Whether any word of the prompt is known."""
        ...
