"""What the commands of ``steer user`` work with: a store, and the reward model that learns its people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from steer.errors import UsageError

if TYPE_CHECKING:
    from reward_models import RewardModel
    from reward_models.protocols import Teacher
    from steer.config import SteerConfig
    from steer.parts import Parts
    from steer.users.records import User
    from steer.users.store import UserStore


@dataclass(frozen=True)
class Teaching:
    """The users of a store, and the config whose reward model learns them. Models are loaded on first use."""

    store: UserStore
    config: SteerConfig

    @classmethod
    def open(cls, store: Path | None, config: str, settings: Sequence[str] | None) -> Teaching:
        """From the options of a command. Raises UsageError for a wrong config, StorageError for a broken store."""
        from steer.config import load_config
        from steer.users.store import UserStore

        loaded = load_config(config, settings or (), typed_as="--set")
        return cls(UserStore(store), loaded)

    @cached_property
    def parts(self) -> Parts:
        """The parts of the config, with this store."""
        from steer.cli.progress import no_library_bars

        no_library_bars()
        from steer.parts import Parts

        return Parts(self.config, store=self.store)

    @property
    def reward(self) -> RewardModel:
        """The reward model."""
        return self.parts.reward

    def teacher(self, name: str) -> Teacher:
        """The reward model's teacher. Raises UsageError if it cannot learn new people such as ``name``."""
        from steer.users.enrolment import teacher_of

        return teacher_of(self.reward, name)

    @cached_property
    def trained(self) -> list[str]:
        """Ids of the people the reward model was trained on, read from its folder without loading it.

        Empty if it has none, or is not on disk yet.
        """
        from steer.users.known import trained_ids

        return trained_ids(self.config.reward) or []

    def stored(self, name: str) -> User:
        """A user of the store. Raises UsageError if there is none with this id."""
        if name in self.trained and self.store.get(name) is None:
            raise UsageError(f"'{name}' is a person of the reward '{self.config.reward.model}', not one of your users")
        return self.store.user(name)

    def check_free(self, name: str) -> None:
        """Raise UsageError if the reward model was trained on a person with this id, in any case."""
        if name.lower() in {person.lower() for person in self.trained}:
            raise UsageError(f"'{name}' is a person of the reward '{self.config.reward.model}'; choose another id")

    def demographics(self, name: str, about: Sequence[str] | None) -> dict[str, str]:
        """``--about key=value`` as a mapping. Raises UsageError for facts the reward model does not know."""
        facts = dict(_fact(text) for text in about or ())
        if not facts or self.teacher(name).any_field:
            return facts
        known = self.teacher(name).fields
        for key, value in facts.items():
            if key not in known:
                fields = f"it knows {', '.join(known)}" if known else "it learns from ratings only"
                raise UsageError(f"--about '{key}={value}': the reward does not know '{key}'; {fields}")
            if value not in known[key] and not self.teacher(name).any_value:
                values = ", ".join(known[key])
                raise UsageError(f"--about '{key}={value}': the reward does not know this {key}; it knows {values}")
        return facts


def _fact(text: str) -> tuple[str, str]:
    key, _, value = (part.strip() for part in text.partition("="))
    if not key or not value:
        raise UsageError(f"--about '{text}' has no value; write it like age_binned=30-39")
    return key, value
