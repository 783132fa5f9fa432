"""What asking a chat model takes, and how much of it a run may take."""

from __future__ import annotations

from dataclasses import dataclass

from reward_models.remote import Counter
from steer.errors import ProposerBudgetSpent


@dataclass
class Usage(Counter):
    """What a run's proposing took; ``calls`` counts every attempt, ``seconds`` is waiting time, calls side by side
    once.

    ``price``: of a million prompt and completion tokens.
    """

    calls: int = 0
    failed_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    fallbacks: int = 0
    price: tuple[float, float] | None = None

    @property
    def tokens(self) -> int:
        """Of questions and answers."""
        return self.prompt_tokens + self.completion_tokens

    def spent(self) -> dict[str, float]:
        """The counts, and the ``cost`` where there is a price."""
        facts = super().spent()
        if self.price:
            cost = self.prompt_tokens * self.price[0] + self.completion_tokens * self.price[1]
            facts["cost"] = round(cost / 1e6, 6)
        return facts


@dataclass(frozen=True)
class Limits:
    """Patience and budget of a run; None is no limit. ``section``: of the settings, for messages."""

    timeout_s: float = 60.0  # one attempt
    retries: int = 3
    max_calls: int | None = None
    max_tokens: int | None = None
    section: str = "proposer"

    def tokens_left(self, used: Usage) -> int | None:
        """Of the budget; None is no limit."""
        return None if self.max_tokens is None else self.max_tokens - used.tokens

    def check(self, used: Usage) -> None:
        """Raises ProposerBudgetSpent where nothing more may be asked."""
        if self.max_calls is not None and used.calls >= self.max_calls:
            raise ProposerBudgetSpent(f"the {self.max_calls} calls of {self.section}.max_calls are spent")
        if self.max_tokens is not None and used.tokens >= self.max_tokens:
            raise ProposerBudgetSpent(
                f"the {self.max_tokens} tokens of {self.section}.max_tokens are spent ({used.tokens} used)"
            )
