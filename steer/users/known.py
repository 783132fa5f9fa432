"""Which users there are, before any model is loaded."""

from __future__ import annotations

from pathlib import Path

from reward_models.doors import read_object
from steer.config import RewardConfig, TrainedConfig
from steer.judging.audience import Audience
from steer.judging.load import trained_here
from steer.resources import shipped_reward
from steer.users.group import is_group
from steer.users.ids import AVERAGE, unknown_user
from steer.users.store import UserStore


def trained_ids(config: RewardConfig) -> list[str] | None:
    """Ids of the people that a reward was trained on, read from its folder without loading it; None where it is not on
    this disk, or a plug-in's. Raises UsageError for a reward that is nowhere.
    """
    if not isinstance(config, TrainedConfig):
        return [] if config.kind == "prompted" else None
    folder = shipped_reward(config.model) or Path(trained_here(config.model))
    try:
        saved = read_object(folder / "config.json")
        people = saved.get("architecture", saved)["people"]
        return [person for person in people if isinstance(person, str)]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def check_users(store: UserStore, config: RewardConfig, audience: str) -> None:
    """Raises UsageError for a user that neither the store nor the reward knows, as far as that can be told before the
    reward is loaded.
    """
    trained = trained_ids(config)
    if trained is None:
        return
    known = list(dict.fromkeys([*store.ids(), *trained]))
    for user in Audience.parse(audience).everyone:
        if user != AVERAGE and not is_group(user) and user not in known:
            raise unknown_user(user, known, create=True)
