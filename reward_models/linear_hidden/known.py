"""The people a Linear-Hidden reward knows: what they rated, and a ridge each, fitted at the first question.

Shapes: n pictures, P rated pictures, D features, A attributes.
"""

from __future__ import annotations

import numpy as np

from reward_models.base import UnknownPerson
from reward_models.linear_hidden.people import FEW, Estimator, PersonModel
from reward_models.linear_hidden.population import Population
from reward_models.linear_hidden.ridge import Affine, Support
from reward_models.registry import not_found

SAMPLE = 400  # rated pictures on which people are compared


class KnownPeople:
    """``pictures`` (P, D) that were rated, by whom (``support``), and what is shared by all people.

    ``general_map``: everybody's mean liking from features, (D,) to 1; ``attributes``: to named attributes, or None;
    ``population``: how people differ, for somebody who has rated little.
    """

    def __init__(
        self,
        pictures: np.ndarray,
        support: Support,
        general: Affine,
        estimator: Estimator = "auto",
        alphas: str = "wide",
        attributes: Affine | None = None,
        population: Population | None = None,
    ):
        self.pictures, self.support, self.general_map = np.asarray(pictures, np.float64), support, general
        self.estimator, self.alphas, self.attributes, self.population = estimator, alphas, attributes, population
        self.trained = tuple(support.rows)
        self._models: dict[str, PersonModel] = {}

    def general(self, x: np.ndarray) -> np.ndarray:
        """Everybody's mean liking of features (m, D), unbounded."""
        return self.general_map(x)[:, 0]

    def ids(self) -> list[str]:
        """Trained and taught ids."""
        return list(dict.fromkeys([*self.trained, *self._models]))

    def model(self, person: str) -> PersonModel:
        """The person's estimator. Raises UnknownPerson."""
        if person not in self._models:
            self._models[person] = self._trained(person)
        return self._models[person]

    def fit(self, x: np.ndarray, y: np.ndarray) -> PersonModel:
        """An estimator of rows (n, D) and likings (n,)."""
        return PersonModel(
            x,
            y,
            self.general,
            self.estimator,
            self.alphas,
            self.attributes,
            self.general_map.scaler,
            self.population,
        )

    def add(self, person: str, model: PersonModel) -> None:
        """A person, new or known."""
        self._models[person] = model

    def rate(self, person: str, row: np.ndarray, liking: float) -> None:
        """One rating more of features (D,), within milliseconds: nothing is fitted from the start but where ``auto``
        changes its estimator.
        """
        model = self.model(person)
        model.add(row, liking)
        if len(model) == 2 or (model.asked == "auto" and len(model) == FEW):
            self._models[person] = self.fit(model.x, model.y)

    def sample(self) -> np.ndarray:
        """Rated pictures (m, D) on which people are compared."""
        return self.pictures[:: max(1, len(self.pictures) // SAMPLE)]

    def likeness(self, person: str) -> dict[str, float]:
        """Correlation over rated pictures of how this person differs from everybody and how each other one does."""
        x = self.sample()
        own = self._apart(self.model(person), x)
        others = (p for p in self.ids() if p != person)  # their models are not kept: all together they are large
        return {p: float(own @ self._apart(self._models.get(p) or self._trained(p), x)) for p in others}

    def _trained(self, person: str) -> PersonModel:
        if person not in self.support.rows:
            raise UnknownPerson(not_found("person", person, self.ids()))
        return self.fit(self.pictures[self.support.rows[person]], self.support.likings[person])

    def _apart(self, model: PersonModel, x: np.ndarray) -> np.ndarray:
        apart = model.raw(x) - self.general(x)
        apart = apart - apart.mean()
        return apart / max(float(np.linalg.norm(apart)), 1e-12)
