"""The multi-scale feature alignment module (MFAM): a picture as tokens of the language model, on four levels.

The paper's: one fully connected map of all patches ("thematic"), and three Q-Formers of two layers and 32 queries on
three depths of the tower ("low", "middle", "high"). Ours: that both layers look at the patches, width, heads, how they
begin, and that a linear map takes their queries to the language model's width. The Q-Former is BLIP-2's class in
transformers. Names of parameters begin with their level: ``low.``, ``middle.``, ``high.``, ``thematic.``.

Shapes: n pictures, L depths of the tower, N patches, E its width, Q queries, D width of the language model, P tokens.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import Blip2QFormerConfig, Blip2QFormerModel

from reward_models.base import RewardError

Level = Literal["low", "middle", "high", "thematic"]
LEVELS: tuple[Level, ...] = ("low", "middle", "high", "thematic")  # the order of a picture's tokens


@dataclass(frozen=True)
class AlignmentConfig:
    """``levels``: which there are. ``queries``: of each Q-Former, with so many ``layers``, this ``width`` and so many
    ``heads``; ``inner``: width of its feed-forward networks, None for four times ``width``.
    """

    levels: tuple[Level, ...] = LEVELS
    queries: int = 32
    layers: int = 2
    width: int = 768
    heads: int = 12
    inner: int | None = None

    def __post_init__(self) -> None:
        if not self.levels or len(set(self.levels)) != len(self.levels) or not set(self.levels) <= set(LEVELS):
            raise RewardError(f"the levels are some of {', '.join(LEVELS)}, each once, not {list(self.levels)}")
        if self.width % self.heads:
            raise RewardError(f"{self.heads} heads do not share a width of {self.width}")

    def tokens(self, patches: int) -> dict[Level, int]:
        """How many tokens a picture of so many patches has on each level, in their order.

        >>> AlignmentConfig().tokens(256), sum(AlignmentConfig().tokens(576).values())
        ({'low': 32, 'middle': 32, 'high': 32, 'thematic': 256}, 672)
        """
        return {level: patches if level == "thematic" else self.queries for level in LEVELS if level in self.levels}


class QFormer(nn.Module):
    """Learned queries that look at the states of one depth."""

    def __init__(self, config: AlignmentConfig, tower: int, width: int):
        super().__init__()
        self.queries = nn.Parameter(0.02 * torch.randn(1, config.queries, config.width))
        self.looks = Blip2QFormerModel(
            Blip2QFormerConfig(
                hidden_size=config.width,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                intermediate_size=config.inner or 4 * config.width,
                encoder_hidden_size=tower,
                cross_attention_frequency=1,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            )
        )
        self.out = nn.Linear(config.width, width)

    def forward(self, states: Tensor) -> Tensor:
        """Tokens (n, Q, D) of states (n, N, E)."""
        queries = self.queries.expand(len(states), -1, -1)
        found = self.looks(query_embeds=queries, encoder_hidden_states=states).last_hidden_state  # (n, Q, width)
        tokens: Tensor = self.out(found)
        return tokens


class Alignment(nn.Module):
    """See the module's docstring. ``tower``: E. ``width``: D."""

    def __init__(self, config: AlignmentConfig, tower: int, width: int):
        super().__init__()
        self.config, self.tower, self.width = config, tower, width
        for level in LEVELS:
            if level in config.levels:
                part = nn.Linear(tower, width) if level == "thematic" else QFormer(config, tower, width)
                self.add_module(level, part)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Those there are, in the order of their tokens."""
        return tuple(level for level in LEVELS if level in self.config.levels)

    def forward(self, states: Tensor) -> Tensor:
        """Tokens (n, P, D) of states (n, L = 4, N, E), whose depths are in the order of :data:`LEVELS`."""
        return torch.cat([self.level(level, states) for level in self.levels], dim=1)

    def level(self, level: Level, states: Tensor) -> Tensor:
        """The tokens of one level alone."""
        tokens: Tensor = self.get_submodule(level)(states[:, LEVELS.index(level)])
        return tokens

    @torch.no_grad()
    def begin_among(self, words: Tensor) -> None:
        """Let tokens begin around the mean of the language model's ``words`` (V, D) and with their spread, as its
        frozen blocks hardly change tokens that are much longer.
        """
        centre, spread = words.float().mean(0), words.float().std(0).mean()
        for level in self.levels:
            part = self.get_submodule(level)
            last = part.out if isinstance(part, QFormer) else part
            assert isinstance(last, nn.Linear)
            last.weight.normal_(0, float(spread) / last.in_features**0.5)  # what it reads has a spread near 1
            last.bias.copy_(centre)

    def train_only(self, levels: Collection[str]) -> None:
        """Freeze every level but these. Raises RewardError for one that is not there."""
        if missing := sorted(set(levels) - set(self.levels)):
            raise RewardError(f"this alignment has no level '{missing[0]}'; it has {', '.join(self.levels)}")
        for level in self.levels:
            self.get_submodule(level).requires_grad_(level in levels)
