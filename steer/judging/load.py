"""Loads the reward model that a config names, and the scorers beside it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import reward_models
from reward_models import RewardModel
from reward_models.families import is_hub_name
from reward_models.prior_mean import WithPrior
from reward_models.quiet import quietly
from reward_models.scorers.base import load_scorer, takes_device
from reward_models.scorers.panel import Panel
from reward_models.scorers.scales import Gaussian, Linear
from steer.config import ObjectiveConfig, RewardConfig, RewardPlugin, TrainedConfig
from steer.devices import pick_device
from steer.errors import MissingWeights, SteerError, UsageError, unknown
from steer.registry import REWARDS, call_plugin, load
from steer.resources import MINIATURE_WEIGHTS, miniature_weights, shipped_reward
from steer.resources import REWARDS as SHIPPED

TRAINED = Path("outputs/rewards")  # where `steer reward train` writes


def load_reward(name: str, device: str = "auto", members: int | None = None, enrol: str = "fit") -> RewardModel:
    """Load a reward model: one that ships (see :data:`steer.resources.REWARDS`), a folder, or a name on the hub.

    ``members``: use only this many members of an ensemble. ``enrol``: how it learns people, where it is not by the
    fit. Raises UsageError for a name that is none of these,
    MissingWeights or SteerError if it cannot be loaded.
    """
    shipped = shipped_reward(name)
    if shipped is None:
        name = trained_here(name)
    if shipped is not None:  # hashes checked
        for folder in (shipped.relative_to(MINIATURE_WEIGHTS).parts[0], "siglip"):
            miniature_weights(folder)
    options: dict[str, Any] = {} if members is None else {"members": members}
    options |= {} if enrol == "fit" else {"enrol": enrol}
    try:
        with quietly("transformers") if shipped else nullcontext():
            return reward_models.load(shipped or name, pick_device(device), options=options)
    except reward_models.RewardError as error:
        if shipped is not None and not options:
            raise MissingWeights(name, error) from error
        raise SteerError(f"{error}; see reward.model, reward.members and reward.enrol in the config") from error


def trained_here(name: str) -> str:
    """The folder of a trained reward that is called by its bare ``name``, where training writes it; a path or a hub's
    owner/name as it is. Raises UsageError, with how to train it, for what is neither here nor on the hub.
    """
    folder = Path(name)
    if folder.exists() or is_hub_name(name):
        return name
    if len(folder.parts) == 1 and (TRAINED / name).is_dir():
        return str(TRAINED / name)
    looked = f"'{TRAINED / name}'" if len(folder.parts) == 1 else f"'{name}'"
    recipe = {"pamela": "pamela", "linear-hidden": "linear-hidden-vlm", "calm": "calm"}.get(folder.name)
    if recipe:
        raise UsageError(
            f"there is no reward in {looked}; train it: steer reward train -c {recipe}, or use one that needs no "
            "training: --set reward=prompted"
        )
    if len(folder.parts) == 1:
        raise unknown("reward", name, [*SHIPPED, *_trained_names(), "prompted"])
    raise UsageError(f"there is no reward in {looked}; 'steer reward train' makes one")


def _trained_names() -> list[str]:
    return sorted(path.parent.name for path in TRAINED.glob("*/config.json"))


def build_trained(config: TrainedConfig) -> RewardModel:
    """The trained reward of a config, with its prior where it names one. Raises as :func:`load_reward`."""
    reward = load_reward(config.model, config.device, config.members, config.enrol)
    if config.prior is None:
        return reward
    try:
        return WithPrior(reward, load_reward(config.prior, config.device))
    except reward_models.RewardError as error:
        raise UsageError(f"{error}; see reward.prior in the config") from error


def build_reward(config: RewardConfig) -> RewardModel:
    """The reward model of a config. Raises UsageError or SteerError where it does not load."""
    if isinstance(config, RewardPlugin):
        found: RewardModel = call_plugin(REWARDS, config.kind, config.settings)
        return found
    built: RewardModel = load(REWARDS, config.kind)(config)
    return built


def build_panel(reward: RewardModel, objective: ObjectiveConfig, device: str = "auto") -> Panel:
    """The reward model together with the objective's other scorers. Raises SteerError if one cannot be loaded."""
    scorers, where = {}, pick_device(device)
    for name, s in objective.scorers.items():
        scale = Linear(*s.linear) if s.linear else Gaussian(*(s.gaussian or (0.0, 1.0)))
        settings = {"device": where, **s.settings} if takes_device(s.kind) else s.settings
        try:
            scorers[name] = load_scorer(s.kind, **settings), scale
        except reward_models.RewardError as error:
            raise SteerError(f"{error}; see objective.scorers in the config") from error
    try:
        return Panel(reward, scorers)
    except reward_models.RewardError as error:
        raise SteerError(f"{error}; see objective.scorers in the config") from error
