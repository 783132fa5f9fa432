"""Who answers the questions of a :class:`steer.proposers.chat.ChatProposer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from steer.proposers.usage import Usage

Message = dict[str, Any]  # role and content: a text, or parts of text and pictures as OpenAI's wire has them


class Backend(Protocol):
    """A chat model: behind an endpoint, in this process, or a script in its place. Subclass it."""

    model: str
    usage: Usage
    commit: str | None = None  # of a hub model: part of the proposer's fingerprint

    def ask(
        self,
        questions: Sequence[Sequence[Message]],
        schema: dict[str, Any],
        temperature: float,
        seeds: Sequence[int],
        max_tokens: int,
    ) -> list[str]:
        """One answer a question, in order; an answer that was lost is "".

        Raises ProposerError when every one was lost, and ProposerBudgetSpent before a question that the budget forbids.
        """
        ...
