"""Everybody who can be steered for, and the people of a run."""

from __future__ import annotations

from reward_models import Person, RewardModel
from steer.errors import unknown
from steer.judging.audience import Audience, People
from steer.users.enrolment import Enrolled, enrol, trained_people
from steer.users.ids import AVERAGE
from steer.users.store import UserStore


class Roster:
    """The people of the store, whom the reward learns when they are first asked for, and those it was trained on."""

    def __init__(self, store: UserStore, reward: RewardModel):
        self.store, self.reward = store, reward
        self._trained = frozenset(trained_people(reward))
        self._bases: dict[str, str] = {}  # of people of the store: what their lessons were learned from

    def ids(self) -> list[str]:
        """All ids; besides these, "average" is nobody in particular."""
        return list(dict.fromkeys([*self.store.ids(), *self.reward.people()]))

    def person(self, user: str) -> Person:
        """The reward model's person for an id. Raises UsageError when unknown."""
        if user == AVERAGE:
            return Person()
        if user not in self._trained and user not in self._bases:
            if self.store.get(user) is None:
                raise unknown("user", user[:80], self.ids())
            self.learn(user)
        return Person(id=user)

    def people(self, text: str) -> People:
        """Who "me,you,!him" are. Raises UsageError for someone unknown."""
        audience = Audience.parse(text)
        towards, away = ([self.person(u) for u in users] for users in (audience.towards, audience.away))
        return People(audience, tuple(towards), tuple(away))

    def learn(self, user: str) -> Enrolled:
        """Teach the reward a person of the store, from all that they rated and said until now."""
        found = enrol(self.store, self.reward, user)
        self._bases[user] = found.basis
        return found

    def bases(self, people: People) -> dict[str, str]:
        """Of the people of the store among these, what their lessons were learned from."""
        return {u: self._bases[u] for u in people.audience.everyone if u in self._bases}
