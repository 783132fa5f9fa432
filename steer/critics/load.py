"""The critic that a config names."""

from __future__ import annotations

from reward_models import RewardModel
from steer.config import CriticPlugin, NoCriticConfig, SteerConfig
from steer.critics.base import Critic
from steer.registry import CRITICS, call_plugin, load


def nobody(config: NoCriticConfig, whole: SteerConfig, reward: RewardModel) -> Critic | None:  # noqa: ARG001
    """No critic."""
    return None


def build_critic(config: SteerConfig, reward: RewardModel) -> Critic | None:
    """The critic of a config; None where nobody is to speak. ``reward``: the one whose critic may speak. Raises
    UsageError where it does not load.
    """
    critic = config.critic
    if isinstance(critic, CriticPlugin):
        made: Critic = call_plugin(CRITICS, critic.kind, critic.settings)
        return made
    found: Critic | None = load(CRITICS, critic.kind)(critic, config, reward)
    return found
