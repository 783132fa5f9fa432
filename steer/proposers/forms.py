"""The shape of a chat model's answer: free texts, or a choice of phrases for models too small to write well."""

from __future__ import annotations

import json
from typing import Any, Protocol

from steer.proposers.endpoint import as_schema
from steer.proposers.lexicon import Group, Lexicon
from steer.proposers.parsing import parse_answer, parse_objects
from steer.types import Rewrite


class Form(Protocol):
    """How an answer is asked for and read."""

    def schema(self, prompt: str) -> dict[str, Any]:
        """JSON schema of the answer."""
        ...

    def options(self, prompt: str) -> str:
        """What the question must say of the form; "" for nothing."""
        ...

    def read(self, prompt: str, answer: str) -> list[Rewrite]:
        """Rewrites in an answer, none where there is nothing usable."""
        ...


class FreeTexts:
    """Each rewrite is a text."""

    def schema(self, prompt: str) -> dict[str, Any]:
        return as_schema({"type": "string"})

    def options(self, prompt: str) -> str:
        return ""

    def read(self, prompt: str, answer: str) -> list[Rewrite]:
        return [Rewrite(t) for t in parse_answer(answer)]


class Choices:
    """Each rewrite is a phrase, or nothing, for every group of a lexicon that the prompt leaves open."""

    def __init__(self, lexicon: Lexicon):
        self.lexicon = lexicon

    def schema(self, prompt: str) -> dict[str, Any]:
        properties = {g.name: {"type": "string", "enum": [*g.phrases, ""]} for g in self._open(prompt)}
        return as_schema(
            {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
        )

    def options(self, prompt: str) -> str:
        lines = [f"- {g.name}: {', '.join(g.phrases)}" for g in self._open(prompt)]
        example = {g.name: g.phrases[0] for g in self._open(prompt)[:2]}
        return (
            'A rewrite is an object that chooses at most one phrase of each kind, or "" for none:\n' + "\n".join(lines)
            + f'\nFor example {json.dumps({"rewrites": [example]})}'
        )  # fmt: skip

    def read(self, prompt: str, answer: str) -> list[Rewrite]:
        """Only phrases that were on offer count; an object without one is nothing."""
        rewrites = []
        for chosen in parse_objects(answer):
            changes = {g.name: chosen[g.name] for g in self._open(prompt) if chosen.get(g.name) in g.phrases}
            if changes:
                rewrites.append(Rewrite(self.lexicon.compose(prompt, changes), changes))
        return rewrites

    def _open(self, prompt: str) -> tuple[Group, ...]:
        return self.lexicon.open_groups(prompt)
