"""Everyone a run can be steered for: people of the store, and people the reward model was trained on."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Collection, Iterable

from reward_models import Person, RewardModel
from reward_models.cards import LEVELS, card
from steer.errors import UsageError
from steer.judging.audience import Audience, People
from steer.users.enrolment import Enrolled, enrol, trained_people
from steer.users.group import is_group, person_of
from steer.users.ids import AVERAGE, unknown_user
from steer.users.store import UserStore

log = logging.getLogger(__name__)


class Roster:
    """Looks people up by id; a person of the store is taught to the reward model when first asked for.

    The people the reward model was trained on always keep their ids: an imported person with the same id is not used,
    which is said once, and a user of one's own with the same id is an error.
    """

    def __init__(self, store: UserStore, reward: RewardModel):
        self.store, self.reward = store, reward
        self._trained = frozenset(trained_people(reward))
        self._learned: dict[str, Enrolled] = {}  # by person of the store
        self._said: set[str] = set()

    def ids(self) -> list[str]:
        """All ids. "average", which is nobody in particular, is not among them."""
        trained = (p for p in self.reward.people() if p in self._trained)  # not who was taught, and deleted since
        return list(dict.fromkeys([*self.store.ids(), *trained]))

    @property
    def trained(self) -> frozenset[str]:
        """Ids of the people the reward model was trained on, without those it was taught since."""
        return self._trained

    def person(self, user: str) -> Person:
        """The reward model's person with this id, or nobody of a group such as "age_binned=40-49". Raises UsageError if
        there is none.
        """
        if user == AVERAGE:
            return Person()
        if is_group(user):
            return person_of(user, self.reward)
        if user in self._trained:
            self._check_hidden(user)
        elif user not in self._learned:
            if self.store.get(user) is None:
                raise unknown_user(user, self.ids(), create=True)
            self.learn(user)
        return Person(id=user)

    def people(self, text: str) -> People:
        """The people of an audience such as "me,you,!him". Raises UsageError for an unknown id."""
        audience = Audience.parse(text)
        towards, away = ([self.person(u) for u in users] for users in (audience.towards, audience.away))
        return People(audience, tuple(towards), tuple(away))

    def learn(self, user: str) -> Enrolled:
        """Teach the reward model a person of the store, from everything they told so far.

        Raises UsageError for a person the reward model was trained on.
        """
        found = enrol(self.store, self.reward, user)
        self._learned[user] = found
        return found

    def refresh(self, users: Iterable[str]) -> None:
        """Learn anew who of these has told more since, and forget who is gone; between runs, as what they are liked for
        changes with it.
        """
        for user in users:
            if user in self._learned and self.store.get(user) is None:
                del self._learned[user]
            elif user in self._learned and self.store.told(user).digest() != self._learned[user].basis:
                self.learn(user)

    def bases(self, people: People) -> dict[str, str]:
        """By id, for the people of the store among these: the digest of what they were learned from."""
        return {u: self._learned[u].basis for u in people.audience.everyone if u in self._learned}

    def learned(self, people: People) -> dict[str, Enrolled]:
        """By id, for the people of the store among these: what the reward learned of them."""
        return {u: self._learned[u] for u in people.audience.everyone if u in self._learned}

    def taste(self, people: People, about: bool = False) -> str:
        """What a language model may be told of the people to please: their own words, without ids; "" for none.

        ``about``: their demographics too. People to steer away from are left out.
        """
        parts = LEVELS["words"] if about else ("words",)
        cards = [self._card(user, parts) for user in people.audience.towards]
        if len(cards) == 1:
            return cards[0]
        return "\n".join(f"Person {i} of {len(cards)}:\n{each}" for i, each in enumerate(cards, 1) if each)

    def _card(self, user: str, parts: Collection[str]) -> str:
        """The card of a person of the store, as they were learned; "" for anybody else."""
        if user not in self._learned:
            return ""
        told = self._learned[user].told.user
        return card(told.demographics, told.profile, parts)

    def _check_hidden(self, user: str) -> None:
        stored = self.store.get(user)
        if stored is None:
            return
        if not stored.source:
            raise UsageError(
                f"'{user}' is both one of your users and a person the reward was trained on; rename yours: "
                f"steer user rename {user} NEW"
            )
        if user not in self._said:
            self._said.add(user)
            log.warning(
                "'%s' is the person the reward was trained on, not the one imported from '%s'; to remove that import: "
                "steer user delete --import %s",
                user,
                stored.source,
                shlex.quote(stored.source),
            )
