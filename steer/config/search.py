"""How a budget of pictures is spent."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from steer.config.section import Section
from steer.config.strength import STRENGTHS, Strength, StrengthName


class SearchConfig(Section):
    """How a budget is spent; see ``steer.search.search``."""

    budget: int = Field(48, ge=1, le=100_000)  # pictures
    rewrite: bool = True  # False: the best of the budget's pictures of the unchanged prompt
    strength: StrengthName = "free"  # how far rewrites may leave the prompt
    seeds: int = Field(4, ge=1, le=64)  # on which original and leaders are compared in the end, given the budget
    original_seeds: int = Field(2, ge=1, le=64)  # pictures of the original at first
    draft_seeds: int = Field(1, ge=1, le=64)  # pictures of a rewrite at first
    second_looks: int = Field(2, ge=0)  # earlier rewrites a round that get one picture more
    rewrites: int = Field(6, ge=1, le=200)  # new ones a round
    screen: int = Field(1, ge=1, le=1000)  # texts ranked for each one rendered; 1: none is screened
    ahead: bool | None = None  # write the next texts while these are rendered; None: where a chat model writes
    confirm: int = Field(2, ge=0, le=50)  # leaders rendered on the remaining seeds
    patience: int = Field(6, ge=1)  # rounds without a better rewrite
    learn: bool = False  # ratings given on the page while the run goes on change what it looks for
    held_out: str | None = None  # a reward by folder that does not steer: rounds end where it no longer agrees
    target: float | None = None  # mean objective at which to stop
    time_limit_s: float | None = Field(None, gt=0)
    min_kept: float | None = Field(None, ge=0, le=1)  # share of the prompt's words a rewrite keeps; None: by strength
    min_likeness: float | None = Field(None, ge=0, le=1)  # of a rewrite to the prompt, likewise

    @property
    def limits(self) -> Strength:
        """The strength, with what was set by hand."""
        own = STRENGTHS[self.strength]
        return replace(
            own,
            min_kept=own.min_kept if self.min_kept is None else self.min_kept,
            min_likeness=own.min_likeness if self.min_likeness is None else self.min_likeness,
        )
