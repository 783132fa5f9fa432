"""What a study compares, as its YAML says it."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reward_models import yaml12
from reward_models.doors import read_text
from steer.config import ScorerConfig
from steer.errors import UsageError
from steer.miniature.world import WORLD
from steer.resources import data_folder
from steer.users.group import group_name


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class Sampled(_Section):
    """``count`` people drawn from the first ``of`` that the steering reward was trained on (None: from all of them).

    ``dataset``: of a reward that was trained on several data sets, whose people; None: of the first.
    """

    count: int = Field(ge=1)
    dataset: str | None = None
    of: int | None = Field(None, ge=1)
    seed: int = 0


class Condition(_Section):
    """One way to come to a picture.

    ``steer``   a run with ``settings`` on top of the study's, for the user, or for ``user`` whoever judges, or for
                nobody in particular of the group ``as``, such as {age_binned: 40-49}; with ``scorer``, one of the
                study's, that scorer alone steers, for nobody in particular
    ``prompt``  the unchanged prompt on fresh seeds
    ``other``   what condition ``of`` found for the other users, judged by this one
    """

    kind: Literal["steer", "prompt", "other"] = "steer"
    settings: list[str] = Field(default_factory=list)
    user: str | None = None
    scorer: str | None = None
    as_: dict[str, str] = Field(default_factory=dict, alias="as")
    of: str = "own"
    users: int | None = Field(None, ge=2)  # the first so many of the study's; None: all
    again: str | None = None  # the condition that this one repeats with other draws; reported as consistency
    guard: bool = False  # reported against own, as what it costs and what it saves
    critic_of: Literal["other"] | None = None  # its critic is told about another of its users: the next one

    model_config = ConfigDict(populate_by_name=True)

    @model_validator(mode="after")
    def _for_one(self) -> Condition:
        if self.as_ and self.user is not None:
            raise ValueError("a condition is for a user or as a group, not both")
        if self.critic_of and (self.kind != "steer" or self.fixed is not None):
            raise ValueError("critic_of: only a condition that steers for each user can have another's critic")
        return self

    @property
    def fixed(self) -> str | None:
        """Whom it steers for whoever judges; None: for each user."""
        if self.as_:
            return group_name(self.as_)
        return self.user or ("average" if self.scorer else None)  # a scorer knows nobody


class JudgeConfig(_Section):
    """``simulated``: the miniature's people, looking through the second eye; ``reward``: a personal reward by folder or
    name.

    ``world``: of the simulated people; it must be the one whose ratings taught the reward that steers.
    """

    kind: Literal["simulated", "reward"]
    model: str = ""
    world: Literal[1, 2] = WORLD


class FidelityConfig(_Section):
    """``eye``: the share of what the prompt says that the second eye reads in the picture; ``encoder``: agreement of
    picture and prompt by an encoder that did not steer.
    """

    kind: Literal["eye", "encoder"] = "eye"
    model: str = ""


class StudyConfig(_Section):
    """A study: every condition for every user, prompt and seed with the same budget of pictures."""

    name: str
    about: str = ""
    config: str = "miniature"
    settings: list[str] = Field(default_factory=list)
    users: Sampled | list[str]
    prompts: list[str] = Field(min_length=1)
    seeds: list[int] = Field(default=[0], min_length=1)
    budget: int = Field(ge=1)
    looks: int = Field(4, ge=1, le=64)  # pictures of each found text on seeds that nothing was chosen on
    scorers: dict[str, ScorerConfig] = Field(default_factory=dict)  # what conditions may steer by
    conditions: dict[str, Condition] = Field(min_length=2)
    baseline: str = "unoptimised"
    compare: list[tuple[str, str]] = Field(default_factory=list)  # pairs that are reported beside those with own
    judges: dict[str, JudgeConfig] = Field(min_length=1)  # the first is the one that counts
    fidelity: FidelityConfig = FidelityConfig()
    choice_noise: float = Field(
        0.45, gt=0
    )  # standard deviation of one rating, in points of 1-5, behind a choice of two

    @model_validator(mode="after")
    def _names_are_there(self) -> StudyConfig:
        for name, condition in self.conditions.items():
            if condition.scorer is not None and (condition.kind != "steer" or condition.scorer not in self.scorers):
                known = ", ".join(self.scorers) or "none"
                raise ValueError(f"conditions: '{name}' steers by '{condition.scorer}'; scorers of this study: {known}")
            if condition.kind == "other":
                of = self.conditions.get(condition.of)
                if of is None or of.kind != "steer" or of.fixed is not None:
                    raise ValueError(f"conditions: '{name}' is of '{condition.of}', which is no steering for users")
            if condition.again is not None:
                first = self.conditions.get(condition.again)
                if first is None or {first.kind, condition.kind} != {"steer"} or first.fixed or condition.fixed:
                    raise ValueError(
                        f"conditions: '{name}' runs '{condition.again}' again, which is no steering for users"
                    )
        for pair in self.compare:
            if unknown := [name for name in pair if name not in self.conditions]:
                raise ValueError(f"compare: there is no condition '{unknown[0]}'")
        if self.baseline not in self.conditions or self.conditions[self.baseline].kind != "prompt":
            raise ValueError(f"baseline: '{self.baseline}' is no condition of kind prompt")
        return self

    @property
    def everyone(self) -> list[str]:
        """The users, in a fixed order. Raises UsageError before they are :meth:`drawn`."""
        if not isinstance(self.users, list):
            raise UsageError("the users are not drawn yet")
        return self.users

    def drawn(self, people: Sequence[str]) -> StudyConfig:
        """The study with its users drawn from ``people``, whom the steering reward knows. Raises UsageError for too few
        or unknown ones.
        """
        if isinstance(self.users, list):
            if strangers := [u for u in self.users if u not in people]:
                raise UsageError(f"the steering reward does not know '{strangers[0]}'")
            return self
        among = list(people)[: self.users.of]
        if len(among) < self.users.count:
            raise UsageError(f"users: {self.users.count} are asked for, and the reward knows {len(among)}")
        return self.model_copy(update={"users": random.Random(self.users.seed).sample(among, self.users.count)})

    def users_of(self, condition: str) -> list[str]:
        """Whom a condition is tried for."""
        return self.everyone[: self.conditions[condition].users]

    def critic_about(self, condition: str, user: str) -> str | None:
        """Whom the critic of a condition is told about instead of ``user``: the next of its users, so that each is
        somebody's other once. None: about ``user``. Raises UsageError where there is nobody else.
        """
        if self.conditions[condition].critic_of is None:
            return None
        users = self.users_of(condition)
        if len(users) < 2:
            raise UsageError(f"conditions: '{condition}' needs two users, one of whom the other's critic is told about")
        return users[(users.index(user) + 1) % len(users)]

    def settings_of(self, condition: str) -> list[str]:
        """The settings of a condition on top of the study's, with what its scorer means: it is the whole objective,
        and no text is left out because the personal reward expects little of it.
        """
        found = self.conditions[condition]
        if found.scorer is None:
            return found.settings
        scorer = self.scorers[found.scorer].model_dump(mode="json", exclude_none=True)
        return [
            f"objective.scorers={json.dumps({found.scorer: scorer})}",
            f"objective.weights={json.dumps({found.scorer: 1})}",
            "search.screen=1",
            *found.settings,
        ]

    def steered(self) -> dict[str, Condition]:
        """The conditions that are runs."""
        return {n: c for n, c in self.conditions.items() if c.kind == "steer"}


def load_study(path: str | Path) -> StudyConfig:
    """The study in a YAML file, or a shipped one by name. Raises UsageError with the key that is wrong."""
    file = Path(path)
    if not os.path.isfile(file) and file.suffix == "" and len(file.parts) == 1:
        file = data_folder("configs") / "study" / f"{path}.yaml"
    try:
        values: Any = yaml12.load(read_text(file, yaml12.MOST_CHARACTERS))
    except (FileNotFoundError, NotADirectoryError) as error:
        known = ", ".join(sorted(p.stem for p in (data_folder("configs") / "study").glob("*.yaml")))
        raise UsageError(f"there is no study '{path}'; shipped: {known}") from error
    except (yaml12.YAMLError, OSError, ValueError) as error:
        raise UsageError(f"'{path}' is not YAML: {' '.join(str(error).split())}") from error
    return parse_study(values, str(path))


def parse_study(values: Any, source: str) -> StudyConfig:
    """A checked study from plain values."""
    if not isinstance(values, dict):
        raise UsageError(f"'{source}' must be a mapping")
    try:
        return StudyConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"{source}: {f'{key}: ' if key else ''}{first['msg'].removeprefix('Value error, ')}"
        ) from error
