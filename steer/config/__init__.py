"""Configuration: defaults, then a preset or file, then ``--set`` flags; checked once, then fixed."""

from steer.config.loading import find_config, load_config, parse_config, presets, read_values
from steer.config.sections import (
    DEFAULT,
    DraftConfig,
    LoraConfig,
    ObjectiveConfig,
    PreviewConfig,
    ProposerConfig,
    RendererConfig,
    RewardConfig,
    ScorerConfig,
    SearchConfig,
    SteerConfig,
)

__all__ = [
    "DEFAULT",
    "DraftConfig",
    "LoraConfig",
    "ObjectiveConfig",
    "PreviewConfig",
    "ProposerConfig",
    "RendererConfig",
    "RewardConfig",
    "ScorerConfig",
    "SearchConfig",
    "SteerConfig",
    "find_config",
    "load_config",
    "parse_config",
    "presets",
    "read_values",
]
