"""The critic of a reward: of the one that steers, or of another."""

from __future__ import annotations

from reward_models import Person, RewardError, RewardModel
from reward_models.base import UnknownPerson
from steer.config import RewardCriticConfig, SteerConfig
from steer.critics.base import Asked, Critic, CriticFailed, View
from steer.errors import UsageError
from steer.types import Comment

MOST = 600  # characters that are listened to


class RewardCritic(Critic):
    """Speaks for one person alone, as rewards know one person at a time; or for nobody in particular, the same for
    everybody.

    ``apart``: it is not the critic of the reward that steers.
    """

    def __init__(self, reward: RewardModel, config: RewardCriticConfig | None = None, apart: bool = False):
        self.reward, self.config, self.apart = reward, config or RewardCriticConfig(), apart
        self.weight, self.about, self.alone = self.config.weight, self.config.about, self.config.personal
        self.meter = self._asked = Asked()
        whose = f"critic of the reward '{reward.name}'" if apart else "reward's critic"
        self.name = whose if self.alone else f"{whose}, the same for everybody"

    def comment(self, view: View) -> Comment:
        """What the reward's critic says of the picture."""
        person = view.person if self.alone else Person()
        if self.reward.critic is None or person is None or (self.alone and person.id is None):
            return Comment()
        try:
            with self._asked.one():
                return Comment(self.reward.critic.critique(view.picture, view.prompt, person)[:MOST])
        except UnknownPerson:
            raise
        except RewardError as error:
            raise CriticFailed(str(error)) from error

    def check(self, person: Person | None) -> None:
        """Another reward than the one that steers knows only the people it was trained on."""
        if self.apart and self.alone and person and person.id is not None and person.id not in self.reward.people():
            raise UsageError(
                f"critic.model: the reward '{self.reward.name}' does not know '{person.id}', only those it was "
                "trained on; steer by it, or leave critic.model out"
            )

    def fork(self) -> RewardCritic:
        """The same critic with a meter of its own."""
        return RewardCritic(self.reward, self.config, self.apart)

    def fingerprint(self) -> str:
        """Of the reward, where it is not the one that steers."""
        return self.reward.fingerprint() if self.apart else ""


def build(config: RewardCriticConfig, whole: SteerConfig, reward: RewardModel) -> Critic | None:  # noqa: ARG001
    """The critic of ``reward``, which is the config's own ``model`` where it names one; None where it has none. Raises
    UsageError where one that is not there was asked for.
    """
    if reward.critic is not None:
        return RewardCritic(reward, config, config.model is not None)
    asked = {"model": config.model, "about": config.about, "personal=false": not config.personal or None}
    if config.weight:
        raise UsageError(f"critic.weight={config.weight:g}: the reward '{reward.name}' has no critic; use critic=vlm")
    if given := [name for name, value in asked.items() if value is not None]:
        raise UsageError(f"critic.{given[0]}: the reward '{reward.name}' has no critic; use critic=vlm")
    return None
