"""How the budget of pictures is spent."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from steer.config.section import Section
from steer.config.strength import STRENGTHS, Strength, StrengthName

MOST_PICTURES, MOST_SEED = 100_000, 2**31 - 1  # of one run


class SearchConfig(Section):
    """How the budget of pictures is spent; see ``steer.search.search``."""

    budget: int = Field(48, ge=1, le=MOST_PICTURES)
    """Pictures to render per prompt."""
    rewrite: bool = True
    """Try rewrites of the prompt; false renders only the prompt itself and keeps the best picture."""
    strength: StrengthName = "free"
    """How far rewrites may leave the prompt."""
    seeds: int = Field(4, ge=1, le=64)
    """Seeds on which the original and the leading rewrites are compared at the end, as far as the budget goes."""
    original_seeds: int = Field(2, ge=1, le=64)
    """Pictures of the original prompt in the first round."""
    draft_seeds: int = Field(1, ge=1, le=64)
    """Pictures of a new rewrite in its first round."""
    second_looks: int = Field(2, ge=0)
    """Earlier rewrites that get one more picture in each round, at most, where they promise more than a new one."""
    rewrites: int = Field(6, ge=1, le=200)
    """New rewrites per round."""
    screen: int = Field(1, ge=1, le=1000)
    """Texts that the reward ranks for each one that is rendered; 1 renders every text."""
    ahead: bool | None = None
    """Write the next texts while the current ones are rendered; null means only with a chat model."""
    confirm: int = Field(1, ge=0, le=50)
    """Leading rewrites that are rendered on all seeds at the end; two at least where the rounds draw drafts."""
    worth: float = Field(0.0005, ge=0, le=1)
    """Stop when a further picture is expected to add less than this to the objective; 0 spends the whole budget."""
    patience: int = Field(6, ge=1)
    """Stop after this many rounds without a better rewrite."""
    learn: bool = False
    """Let ratings given on the live page change what the rest of the run looks for."""
    ask: int = Field(0, ge=0, le=20)
    """Questions about its own pictures that a run may ask its user on the way; their answers steer the rest of it."""
    memory: bool = False
    """Begin with what earlier runs of the same user taught about phrases, and keep what this run draws."""
    held_out: str | None = None
    """A reward (name or folder) that takes no part in steering; the run stops when it no longer agrees."""
    target: float | None = None
    """Stop when the mean objective of a rewrite reaches this value."""
    time_limit_s: float | None = Field(None, gt=0)
    """Stop after this many seconds."""
    min_kept: float | None = Field(None, ge=0, le=1)
    """Share of the prompt's words that a rewrite must keep; null means what `strength` says."""
    min_likeness: float | None = Field(None, ge=0, le=1)
    """How similar a rewrite must be to the prompt, from 0 to 1; null means what `strength` says."""

    @property
    def learns(self) -> bool:
        """Whether the run heeds what its users say while it goes on."""
        return self.learn or self.ask > 0

    @property
    def limits(self) -> Strength:
        """The strength, with what was set by hand."""
        own = STRENGTHS[self.strength]
        return replace(
            own,
            min_kept=own.min_kept if self.min_kept is None else self.min_kept,
            min_likeness=own.min_likeness if self.min_likeness is None else self.min_likeness,
        )
