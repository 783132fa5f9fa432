"""The people a Linear-Hidden reward knows: what they rated, and a ridge each, fitted at the first question.

Shapes: n pictures, P rated pictures, D features, A attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reward_models.base import UnknownPerson
from reward_models.linear_hidden.people import Estimator, PersonModel
from reward_models.registry import not_found
from reward_models.taste.crowd import Crowd
from reward_models.taste.known import NONE, KnownPictures, PictureMeans
from reward_models.taste.prior import TastePrior
from reward_models.taste.ridge import Affine, Scaler, Support

SAMPLE = 400  # rated pictures on which people are compared


@dataclass(frozen=True)
class Shared:
    """What all people share: ``general``, everybody's mean liking from features, the features' ``scaler``, and
    ``population``, how people differ, where there were enough of them to say.
    """

    general: Crowd
    scaler: Scaler
    population: TastePrior | None = None


class KnownPeople:
    """``pictures`` (P, D) that were rated, by whom (``support``), and what is shared by all people.

    ``attributes``: a map to named attributes, or None.
    """

    def __init__(
        self,
        pictures: np.ndarray,
        support: Support,
        shared: Shared,
        estimator: Estimator = "auto",
        alphas: str = "wide",
        attributes: Affine | None = None,
    ):
        self.pictures, self.support, self.general = np.asarray(pictures, np.float64), support, shared.general
        self.scaler, self.population = shared.scaler, shared.population
        self.estimator, self.alphas, self.attributes = estimator, alphas, attributes
        self.trained = tuple(support.rows)
        self._models: dict[str, PersonModel] = {}
        self._found = KnownPictures(self.pictures)
        rated = [p for p in support.rows if len(support.rows[p])]
        counts = [len(support.rows[p]) for p in rated]
        joined = [np.concatenate([of[p] for p in rated]) if rated else np.zeros(0) for of in vars(support).values()]
        self._means = PictureMeans.of(
            len(self.pictures), joined[0].astype(int), np.repeat(np.arange(len(rated)), counts), joined[1]
        )

    @cached_property
    def _effect(self) -> float:
        return self._means.effect(self.general(self.pictures)) if self._means.count.any() else 0.0

    @cached_property
    def even(self) -> TastePrior:
        """Taste where nobody else tells."""
        return TastePrior.even(self.pictures)

    def expected(self, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """What others make of rows (n, D): their mean of pictures that they rated, else the general score, (n,). ``y``
        (n,): a person's own likings, which are in the means and are taken out of them.
        """
        answers, at = self.general(x), self._found.find(x)
        known = at != NONE
        if known.any() and self._means.count.any():
            own = None if y is None else (y - y.mean() + self._means.level)[known]
            answers[known] = self._means.expected(answers[known], at[known], self._effect, own)
        return answers

    def ids(self) -> list[str]:
        """Trained and taught ids."""
        return list(dict.fromkeys([*self.trained, *self._models]))

    def model(self, person: str) -> PersonModel:
        """The person's estimator. Raises UnknownPerson."""
        if person not in self._models:
            self._models[person] = self._trained(person)
        return self._models[person]

    def fit(self, x: np.ndarray, y: np.ndarray, among: bool = False) -> PersonModel:
        """An estimator of rows (n, D) and likings (n,). ``among``: these ratings are among the others' means."""
        return PersonModel(
            x,
            y,
            self.general,
            self.estimator,
            self.alphas,
            self.attributes,
            self.scaler,
            self.population,
            self.even,
            self.expected(x, y if among else None),
        )

    def add(self, person: str, model: PersonModel) -> None:
        """A person, new or known."""
        self._models[person] = model

    def rate(self, person: str, row: np.ndarray, liking: float) -> None:
        """One rating more of features (D,), within milliseconds: nothing is fitted from the start but where the number
        of ratings changes the estimator.
        """
        model = self.model(person)
        if not model.add(row, liking, float(self.expected(row[None])[0])):
            self._models[person] = self.fit(model.x, model.y)

    def sample(self) -> np.ndarray:
        """Rated pictures (m, D) on which people are compared."""
        return self.pictures[:: max(1, len(self.pictures) // SAMPLE)]

    def likeness(self, person: str) -> dict[str, float]:
        """Correlation over rated pictures of how this person differs from everybody and how each other one does."""
        x = self.sample()
        general = self.general(x)  # once: with 160 people it is half of the work
        own = _apart(self.model(person), x, general)
        others = (p for p in self.ids() if p != person)  # their models are not kept: all together they are large
        return {p: float(own @ _apart(self._models.get(p) or self._trained(p), x, general)) for p in others}

    def _trained(self, person: str) -> PersonModel:
        if person not in self.support.rows:
            raise UnknownPerson(not_found("person", person, self.ids()))
        return self.fit(self.pictures[self.support.rows[person]], self.support.likings[person], among=True)


def _apart(model: PersonModel, x: np.ndarray, general: np.ndarray) -> np.ndarray:
    """How a person differs from the ``general`` score (m,) of rows (m, D): of mean 0 and length 1, or 0."""
    apart = model.apart(x, general)
    apart = apart - apart.mean()
    return apart / max(float(np.linalg.norm(apart)), 1e-12)
