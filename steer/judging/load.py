"""Which reward model a config means: the shipped ones, a folder, the hub, further scorers beside it."""

from __future__ import annotations

import reward_models
from reward_models import RewardModel
from steer.config import SteerConfig
from steer.devices import pick_device
from steer.errors import MissingWeights, SteerError
from steer.resources import MINIATURE_WEIGHTS, miniature_weights, shipped_reward


def load_reward(name: str, device: str = "auto") -> RewardModel:
    """``miniature``, another that ships (``miniature/held-out``), a folder or a hub name. Raises SteerError where it does not load."""
    shipped = shipped_reward(name)
    if shipped is not None:  # hashes checked
        for folder in (shipped.relative_to(MINIATURE_WEIGHTS).parts[0], "siglip"):
            miniature_weights(folder)
    try:
        return reward_models.load(shipped or name, pick_device(device))
    except reward_models.RewardError as error:
        if shipped is not None:
            raise MissingWeights(name, error) from error
        raise SteerError(f"{error}; see reward.model in the config") from error


def build_reward(config: SteerConfig) -> RewardModel:
    """The reward of a config, with the objective's further scorers beside it."""
    c = config.reward
    reward = load_reward(c.model, c.device)
    if c.members is not None:
        if not hasattr(reward, "keep"):
            raise SteerError(f"the reward '{reward.name}' has no members; leave reward.members")
        try:
            reward.keep(c.members)
        except reward_models.RewardError as error:
            raise SteerError(f"{error}; see reward.members in the config") from error
    return with_scorers(reward, config)


def with_scorers(reward: RewardModel, config: SteerConfig) -> RewardModel:
    """The reward as the personal part of the objective's mix; as it is where there are no further scorers."""
    asked = config.objective.scorers
    if not asked:
        return reward
    from reward_models.scorers.classifier import load_scorer
    from reward_models.scorers.scales import Gaussian, Linear, MixedReward

    scorers, device = {}, pick_device(config.reward.device)
    for name, s in asked.items():
        scale = Linear(*s.linear) if s.linear else Gaussian(*(s.gaussian or (0.0, 1.0)))
        settings = {"device": device, **s.settings} if s.kind == "classifier" else s.settings
        try:
            scorers[name] = load_scorer(s.kind, **settings), scale
        except reward_models.RewardError as error:
            raise SteerError(f"{error}; see objective.scorers in the config") from error
    return MixedReward(reward, scorers)
