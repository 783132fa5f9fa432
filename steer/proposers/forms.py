"""The shape of a chat model's answer: free texts, or a choice of phrases for models too small to write well."""

from __future__ import annotations

import random
from typing import Any, Protocol

from steer.lexicon import Group, Lexicon
from steer.proposers.dialect import as_schema
from steer.proposers.parsing import parse_answer, parse_lists
from steer.types import Rewrite


class Form(Protocol):
    """How an answer is asked for and read."""

    def schema(self, prompt: str, n: int) -> dict[str, Any]:
        """JSON schema of an answer with ``n`` rewrites."""
        ...

    def options(self, prompt: str, seed: int) -> str:
        """What the question must say of the form; "" for nothing."""
        ...

    def read(self, prompt: str, answer: str) -> list[Rewrite]:
        """Rewrites in an answer, none where there is nothing usable."""
        ...


class FreeTexts:
    """Each rewrite is a text."""

    def schema(self, prompt: str, n: int) -> dict[str, Any]:  # noqa: ARG002
        """JSON schema of a list of texts."""
        return as_schema({"type": "string"})

    def options(self, prompt: str, seed: int) -> str:  # noqa: ARG002
        """Nothing to choose from."""
        return ""

    def read(self, prompt: str, answer: str) -> list[Rewrite]:  # noqa: ARG002
        """The texts in an answer."""
        return [Rewrite(t) for t in parse_answer(answer)]


class Choices:
    """Each rewrite is a list of two to four phrases of a lexicon, of the groups that the prompt leaves open.

    For models too small to write: the schema lets them say nothing else, and they do follow lists that were liked.
    """

    def __init__(self, lexicon: Lexicon):
        self.lexicon = lexicon

    def schema(self, prompt: str, n: int) -> dict[str, Any]:
        """JSON schema of lists of phrases."""
        phrases = {"type": "string", "enum": self._phrases(prompt)}
        schema = as_schema({"type": "array", "items": phrases, "minItems": 2, "maxItems": 4})
        schema["properties"]["rewrites"] |= {"minItems": n, "maxItems": n}
        return schema

    def options(self, prompt: str, seed: int) -> str:
        """All phrases; in an order by ``seed``, as small models take the first ones too often."""
        phrases = self._phrases(prompt)
        random.Random(seed).shuffle(phrases)
        return f"Words: {', '.join(phrases)}\nEach rewrite is a list of two to four of them."

    def read(self, prompt: str, answer: str) -> list[Rewrite]:
        """Only phrases that were on offer count, the first of each group; a list without one is nothing."""
        rewrites = []
        for chosen in parse_lists(answer):
            changes: dict[str, str] = {}
            for phrase in chosen:
                for group in self._open(prompt):
                    if phrase in group.phrases:
                        changes.setdefault(group.name, phrase)
            if changes:
                rewrites.append(Rewrite(self.lexicon.compose(prompt, changes), changes))
        return rewrites

    def _phrases(self, prompt: str) -> list[str]:
        return [phrase for group in self._open(prompt) for phrase in group.phrases]

    def _open(self, prompt: str) -> tuple[Group, ...]:
        return self.lexicon.open_groups(prompt)
