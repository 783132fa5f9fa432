"""The reward protocol: pictures, prompts and one person in; scores in [0, 1] out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

    from reward_models.encoders.base import Encoder


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
    ``uncertainty``  standard deviation of ``personal``: what ratings leave open about the person, and what members disagree on
    ``others``       further scorers by name, each (n,) in [0, 1]; see :mod:`reward_models.scorers.scales`
    """

    personal: np.ndarray
    population: np.ndarray
    fidelity: np.ndarray
    uncertainty: np.ndarray
    others: dict[str, np.ndarray] = field(default_factory=dict)

    def components(self) -> dict[str, np.ndarray]:
        """What can be mixed: personal, population, fidelity and the others."""
        return {"personal": self.personal, "population": self.population, "fidelity": self.fidelity, **self.others}

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


@runtime_checkable
class Teachable(RewardModel, Protocol):
    """A reward that learns new people from ratings: what ``steer user`` asks of one, beside scores.

    ``encoder`` reads texts, ``picture_encoder`` the pictures that people rate (features (n, D)); ``reads_prompts``: whether what
    they were drawn for counts; ``rating_noise`` is the standard deviation of a rating, of [0, 1]. What :meth:`fit` finds of a person is the reward's own: one object a member.
    """

    encoder: Encoder
    trained: tuple[str, ...]

    @property
    def picture_encoder(self) -> Encoder: ...

    @property
    def reads_prompts(self) -> bool: ...

    @property
    def rating_noise(self) -> float: ...

    @property
    def can_imagine(self) -> bool:
        """Whether texts can be judged before they are drawn."""
        ...

    def imagined(self, texts: Tensor) -> Tensor:
        """Features (n, D) of the pictures that texts with features (n, E) would give."""
        ...

    def vocabulary(self) -> dict[str, list[str]]:
        """What it knows of people besides their ratings: the values of each field."""
        ...

    def fit(
        self,
        pictures: Tensor,
        prompts: Tensor,
        liking: np.ndarray,
        demographics: Mapping[str, str] | None = None,
        noise: np.ndarray | None = None,
        choices: np.ndarray | None = None,
    ) -> Sequence[Any]:
        """What n ratings in [0, 1] (NaN where a picture was only chosen or passed over) and ``choices`` (C, 2), rows of better and
        worse pictures, say of a person."""
        ...

    def add_people(self, fitted: Mapping[str, Sequence[Any]], demographics: Mapping[str, dict[str, str]]) -> None:
        """People, new or known, as :meth:`fit` found them."""
        ...

    def open_share(self, person: str) -> float:
        """Share in [0, 1] of what people differ by that is not known of this one."""
        ...

    def slopes(
        self, fitted: Sequence[Any], pictures: Tensor, prompts: Tensor, demographics: Mapping[str, str] | None = None
    ) -> tuple[Tensor, Tensor]:
        """How predictions move with the person (M, n, K), and the covariance of the person (M, K, K)."""
        ...

    def draws(self, person: str, pictures: Tensor, prompts: Tensor, n: int = 400, seed: int = 0) -> Tensor:
        """Likings (``n``, pictures) of people that this person may be."""
        ...

    def likeness(self, person: str) -> dict[str, float]:
        """How alike everybody else's taste is, in [-1, 1]."""
        ...

    def predict(
        self, pictures: Tensor, texts: Tensor, people: Sequence[Person], posterior: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Liking and its standard deviation, (U, n) each, from features."""
        ...
