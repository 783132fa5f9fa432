"""The reward's own critic."""

from __future__ import annotations

from reward_models import RewardError, RewardModel
from reward_models.base import UnknownPerson
from steer.config import RewardCriticConfig, SteerConfig
from steer.critics.base import Critic, CriticFailed, View
from steer.errors import UsageError
from steer.types import Comment

MOST = 600  # characters that are listened to


class RewardCritic(Critic):
    """Speaks for one person alone, as rewards know one person at a time."""

    name = "reward's critic"
    alone = True

    def __init__(self, reward: RewardModel, weight: float = 0.0):
        self.reward, self.weight = reward, weight

    def comment(self, view: View) -> Comment:
        """What the reward's critic says of the picture."""
        if self.reward.critic is None or view.person is None:
            return Comment()
        try:
            return Comment(self.reward.critic.critique(view.picture, view.prompt, view.person)[:MOST])
        except UnknownPerson:
            raise
        except RewardError as error:
            raise CriticFailed(str(error)) from error


def build(config: RewardCriticConfig, whole: SteerConfig, reward: RewardModel) -> Critic | None:  # noqa: ARG001
    """The critic of a reward; None where it has none. Raises UsageError where the search is to heed one that is not
    there.
    """
    if reward.critic is None and config.weight:
        raise UsageError(f"critic.weight={config.weight:g}: the reward '{reward.name}' has no critic; use critic=vlm")
    return None if reward.critic is None else RewardCritic(reward, config.weight)
