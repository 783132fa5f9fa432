"""All sections together."""

from __future__ import annotations

from typing import Any

from steer.config import critic, proposer, renderer, reward
from steer.config.critic import CriticConfig, RewardCriticConfig
from steer.config.objective import ObjectiveConfig
from steer.config.proposer import LexicalConfig, ProposerConfig
from steer.config.renderer import DiffusersConfig, RendererConfig
from steer.config.reward import RewardConfig, TrainedConfig
from steer.config.search import SearchConfig
from steer.config.section import Kinds, Section

DEFAULT = "miniature"
KINDS: dict[str, Kinds] = {
    "renderer": renderer.KINDS,
    "proposer": proposer.KINDS,
    "reward": reward.KINDS,
    "critic": critic.KINDS,
}


def spelled_out(section: str, value: Any) -> Any:
    """``painter`` as ``{kind: painter}``, and the name of a trained reward as ``{kind: trained, model: NAME}``."""
    if section not in KINDS or not isinstance(value, str):
        return value
    return reward.spelled_out(value) if section == "reward" else {"kind": value}


class SteerConfig(Section):
    """Everything that a run depends on besides prompt, user and seed."""

    name: str = DEFAULT
    """Name of the preset."""
    about: str = ""
    """What the preset is, in a few words."""
    renderer: RendererConfig = DiffusersConfig()
    """What draws the pictures."""
    reward: RewardConfig = TrainedConfig()
    """The personal reward model, which predicts how much a user likes a picture."""
    critic: CriticConfig = RewardCriticConfig()
    """What says after each round what to change in the leading picture, for whoever writes the next texts."""
    proposer: ProposerConfig = LexicalConfig()
    """What writes the rewrites."""
    search: SearchConfig = SearchConfig()
    """How the budget of pictures is spent."""
    objective: ObjectiveConfig = ObjectiveConfig()
    """What the search maximises."""
