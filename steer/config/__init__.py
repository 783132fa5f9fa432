"""Configuration: defaults, then a preset or file, then ``--set`` flags; checked once, then fixed."""

from steer.config.critic import (
    CalmCriticConfig,
    CriticConfig,
    CriticPlugin,
    NoCriticConfig,
    RewardCriticConfig,
    VlmCriticConfig,
)
from steer.config.loading import find_config, load_config, override, parse_config, presets, read_values, values_of
from steer.config.objective import ObjectiveConfig, ScorerConfig
from steer.config.proposer import (
    ChatConfig,
    LexicalConfig,
    LocalConfig,
    ProposerConfig,
    ProposerPlugin,
    ScriptedConfig,
    SmolLMConfig,
    WriterConfig,
)
from steer.config.renderer import (
    CacheKind,
    CacheSettings,
    DiffusersConfig,
    DraftConfig,
    LoraConfig,
    PainterConfig,
    PreviewConfig,
    RemoteConfig,
    RendererConfig,
    RendererPlugin,
)
from steer.config.reward import PromptedConfig, RewardConfig, RewardPlugin, TrainedConfig
from steer.config.search import SearchConfig
from steer.config.sections import DEFAULT, SteerConfig

__all__ = [
    "DEFAULT",
    "CacheKind",
    "CacheSettings",
    "CalmCriticConfig",
    "ChatConfig",
    "CriticConfig",
    "CriticPlugin",
    "DiffusersConfig",
    "DraftConfig",
    "LexicalConfig",
    "LocalConfig",
    "LoraConfig",
    "NoCriticConfig",
    "ObjectiveConfig",
    "PainterConfig",
    "PreviewConfig",
    "PromptedConfig",
    "ProposerConfig",
    "ProposerPlugin",
    "RemoteConfig",
    "RendererConfig",
    "RendererPlugin",
    "RewardConfig",
    "RewardCriticConfig",
    "RewardPlugin",
    "ScorerConfig",
    "ScriptedConfig",
    "SearchConfig",
    "SmolLMConfig",
    "SteerConfig",
    "TrainedConfig",
    "VlmCriticConfig",
    "WriterConfig",
    "find_config",
    "load_config",
    "override",
    "parse_config",
    "presets",
    "read_values",
    "values_of",
]
