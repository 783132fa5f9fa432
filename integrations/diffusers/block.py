"""A custom block of diffusers' modular pipelines: the prompt is rewritten for one person before it is encoded.

from diffusers import ModularPipelineBlocks
from block import RewriteForPerson

blocks = pipeline.blocks.copy()
blocks.sub_blocks.insert("rewrite", RewriteForPerson(), 0)
"""

from __future__ import annotations

from functools import cache
from typing import Any

from diffusers.modular_pipelines import InputParam, ModularPipelineBlocks, OutputParam, PipelineState

from steer import Steerer


@cache
def steerer(config: str) -> Steerer:
    """One set of models for each config."""
    return Steerer(config)


class RewriteForPerson(ModularPipelineBlocks):
    """Replaces ``prompt`` by the text that ``user`` should like most; what was typed stays in ``typed_prompt``."""

    @property
    def description(self) -> str:
        """What it does."""
        return "Rewrites the prompt for one person's taste, as their reward model expects it. Nothing is drawn."

    @property
    def inputs(self) -> list[InputParam]:
        """A prompt, a user of steer, a preset or file of steer, and a seed of the search."""
        return [
            InputParam("prompt", type_hint=str, required=True, description="what to draw"),
            InputParam("user", type_hint=str, required=True, description="a user of steer, or average"),
            InputParam("steer_config", type_hint=str, default="miniature", description="a preset of steer, or a file"),
            InputParam("rewrite_seed", type_hint=int, default=0, description="another seed writes other texts"),
        ]

    @property
    def intermediate_outputs(self) -> list[OutputParam]:
        """The rewrite in the prompt's place, the prompt as typed, and the liking in [0, 1] that is expected."""
        return [
            OutputParam("prompt", type_hint=str, description="the rewrite"),
            OutputParam("typed_prompt", type_hint=str, description="the prompt as it was typed"),
            OutputParam("expected_liking", type_hint=float, description="in [0, 1]; None where nothing is expected"),
        ]

    def __call__(self, components: Any, state: PipelineState) -> tuple[Any, PipelineState]:
        """Rewrite; the prompt stays as it is where no rewrite is usable."""
        block = self.get_block_state(state)
        found = steerer(block.steer_config).enhance(block.prompt, block.user, 1, block.rewrite_seed)
        block.typed_prompt, block.expected_liking = block.prompt, None
        if found:
            block.prompt, block.expected_liking = found[0].text, found[0].expected
        self.set_block_state(state, block)
        return components, state
