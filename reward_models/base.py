"""The reward protocol: pictures, prompts and one person in; scores in [0, 1] out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image


class RewardError(Exception):
    """A systemic fault of a reward model; the message names the way out."""


class UnknownPerson(RewardError):
    """The model has no learned vector for this id."""


@dataclass(frozen=True)
class Person:
    """Who is scored for: an id known to the model, or demographics, or both.

    ``id=None`` asks for the model's answer without a learned vector: demographics alone, or
    the population's taste where these are empty too.
    """

    id: str | None = None
    demographics: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """One row a picture, in the order of the pictures; every array is (n,) float.

    ``personal``     the person's liking in [0, 1], (score - 1) / 4 of a 1-5 slider
    ``population``   the same model's answer for nobody in particular
    ``fidelity``     image-text similarity to the given prompt in [0, 1]
    ``uncertainty``  standard deviation of ``personal`` over the model's members
    """

    personal: np.ndarray
    population: np.ndarray
    fidelity: np.ndarray
    uncertainty: np.ndarray

    def __len__(self) -> int:
        return len(self.personal)


@runtime_checkable
class RewardModel(Protocol):
    """What the loop asks of a reward model.

    Higher is better. A picture's score does not depend on the pictures beside it (to 1e-5).
    An unknown person raises :class:`UnknownPerson`; a single bad picture gives NaN in its row.
    """

    name: str

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str], person: Person) -> Scores: ...

    def fingerprint(self) -> str:
        """Changes whenever weights do."""
        ...

    def people(self) -> list[str]:
        """Ids the model has a learned vector for."""
        ...


def load(folder: str | Path, device: str = "cpu") -> RewardModel:
    """The reward model saved in ``folder``; its config.json says which family it is of.

    Raises RewardError when it does not load or its encoder is not the one it was trained on.
    """
    path = Path(folder)
    config = path / "config.json"
    if not config.is_file():
        raise RewardError(f"no reward model in '{path}': config.json is missing")
    family = json.loads(config.read_text()).get("family")
    if family == "pamela":
        from reward_models.pamela import PamelaReward

        return PamelaReward.from_folder(path, device=device)
    raise RewardError(f"'{config}' names the unknown reward family {family!r}; known: pamela")
