"""What a CALM model is made of, as YAML says it; what it is trained on is in :mod:`reward_models.calm.stages`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reward_models.calm.alignment import LEVELS, AlignmentConfig, Level
from reward_models.calm.numbers import NumberScale
from reward_models.ratings.settings import Packaged, Strict


class TowerSetting(Strict):
    """The frozen vision tower; see :class:`~reward_models.calm.tower.TappedTower`."""

    name: Packaged = "openai/clip-vit-large-patch14"
    """A folder or hub name of any ViT of transformers."""
    revision: str | None = None
    """Branch, tag or commit of a hub model."""
    taps: tuple[int, int, int, int] | None = None
    """Blocks, counted from 1, that low, middle, high and thematic read. null: 4, 12, 24 and 23 of 24, and the same
    share of other depths."""
    keep: float = Field(0.25, ge=0)
    """GiB of main memory for the states of the pictures looked at last."""


class AlignmentSetting(Strict):
    """See :class:`~reward_models.calm.alignment.AlignmentConfig`."""

    levels: tuple[Level, ...] = LEVELS
    """Which levels there are."""
    queries: int = Field(32, ge=1)
    """Tokens of each Q-Former."""
    layers: int = Field(2, ge=1)
    """Layers of each Q-Former."""
    width: int = Field(768, ge=1)
    """Width of the Q-Formers."""
    heads: int = Field(12, ge=1)
    """Heads that share the width."""
    inner: int | None = Field(None, ge=1)
    """Width of their feed-forward networks. null: four times the width."""

    def config(self) -> AlignmentConfig:
        """As the module takes it."""
        return AlignmentConfig(**self.model_dump())


class LoraSetting(Strict):
    """Low-rank adapters in place of all weights of the language model (Hu et al. 2021, arXiv 2106.09685)."""

    rank: int = Field(16, ge=1)
    """Rank of each adapter."""
    alpha: int = Field(32, ge=1)
    """The adapters' output is multiplied by alpha / rank."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Of their input, in training."""
    modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """Which linear maps get one, by the ends of their names."""


class LlmSetting(Strict):
    """The language model."""

    name: Packaged = "lmsys/vicuna-7b-v1.5"
    """A folder or hub name of any causal language model of transformers."""
    revision: str | None = None
    """Branch, tag or commit of a hub model."""
    lora: LoraSetting | None = None
    """Train adapters instead of all weights. null: all weights, in the stages that train it."""
    positions: int | None = Field(None, ge=16)
    """Longest sequence in tokens. null: what the model's config says."""


class ScoreSetting(Strict):
    """How scores are written; see :class:`~reward_models.calm.numbers.NumberScale`."""

    low: float = 1
    """The lowest score."""
    high: float = 5
    """The highest score."""
    decimals: int = Field(1, ge=0, le=2)
    """Digits after the point."""

    def scale(self) -> NumberScale:
        """As the read-out takes it."""
        return NumberScale(**self.model_dump())


class ModelSetting(Strict):
    """All parts of a model."""

    tower: TowerSetting = TowerSetting()
    """The vision tower."""
    alignment: AlignmentSetting = AlignmentSetting()
    """The module between tower and language model."""
    llm: LlmSetting = LlmSetting()
    """The language model."""
    score: ScoreSetting = ScoreSetting()
    """How scores are written."""
    seed: int = 0
    """Of the alignment's first weights."""
