"""What Linear-Hidden says in words: why a picture is liked, and what to change. Shapes: n pictures, A attributes, m
sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from PIL import Image

from reward_models.base import Person
from reward_models.encoders.base import Encoder, encode_readable
from reward_models.linear_hidden.known import KnownPeople
from reward_models.linear_hidden.reading import HiddenReading
from reward_models.protocols import Critic, Reading, Words
from reward_models.taste.ridge import Affine, Scaler

MOST = 3  # attributes in a critique


class AttributeWords(Words, Critic):
    """``names`` (A,) and a map from features to ``attributes``.

    The words are of the regression of the person's *score* on what can be named, not of their few ratings.
    """

    def __init__(self, known: KnownPeople, encoder: Encoder, names: Sequence[str], attributes: Affine):
        self.known, self.encoder, self.names, self.attributes = known, encoder, list(names), attributes

    def reasons(self, reading: Reading, person: Person) -> list[dict[str, float]]:
        """What each attribute adds to the person's score, above that of the mean rated picture; in [0, 1] units, the
        largest first. An attribute that the picture has less of than the mean one is "little NAME". Empty for nobody
        and for a picture that does not open.
        """
        assert isinstance(reading, HiddenReading)
        if person.id is None:
            return [{} for _ in range(len(reading))]
        weights = self._weights(person.id)
        found = []
        for level, readable in zip(self._levels(reading.x), reading.readable, strict=True):
            said = [n if there > 0 else f"little {n}" for n, there in zip(self.names, level, strict=True)]
            found.append(_largest_first(said, level * weights) if readable else {})
        return found

    def effects(self, reading: HiddenReading, person: str) -> list[dict[str, float]]:
        """As :meth:`reasons`, by the attributes' own names."""
        weights = self._weights(person)
        return [_largest_first(self.names, level * weights) for level in self._levels(reading.x)]

    def critique(self, image: Image.Image, prompt: str, person: Person) -> str:  # noqa: ARG002
        """What a picture has too much of for this person, and too little: "more evening light, less photo". For nobody
        in particular by what everybody likes on average.
        """
        weights = self._general if person.id is None else self._weights(person.id)
        features, readable = encode_readable(self.encoder, [image])
        if not readable[0]:
            return ""
        level = self._levels(features.cpu().double().numpy())[0]
        added = level * weights
        worst = [i for i in np.argsort(added) if added[i] < 0][:MOST]
        return ", ".join(f"{'more' if weights[i] > 0 else 'less'} {self.names[i]}" for i in worst)

    def tastes(self, person: str) -> dict[str, tuple[float, float]]:
        """By named attribute: how a person's score moves with one standard deviation of it, and how unsure that is."""
        words, _ = self._map
        model, x = self.known.model(person), self.known.sample()
        slopes = words @ model.slopes(x)  # (A, K)
        spread = np.sqrt(np.einsum("ak,kl,al->a", slopes, model.covariance(), slopes))
        found = zip(self.names, words @ model.raw(x), spread, strict=True)
        return {n: (float(c), float(s)) for n, c, s in found}

    def _levels(self, x: np.ndarray) -> np.ndarray:
        """How many standard deviations above the mean each attribute of features (n, D) is, (n, A)."""
        _, scaler = self._map
        return scaler(self.attributes(x))

    def _weights(self, person: str) -> np.ndarray:
        """How the person's score moves with each attribute, (A,)."""
        words, _ = self._map
        found: np.ndarray = words @ self.known.model(person).raw(self.known.sample())
        return found

    @cached_property
    def _general(self) -> np.ndarray:
        """How everybody's mean score moves with each attribute, (A,)."""
        words, _ = self._map
        found: np.ndarray = words @ self.known.general(self.known.sample())
        return found

    @cached_property
    def _map(self) -> tuple[np.ndarray, Scaler]:
        """From a person's scores of the sample to weights of scaled attributes, (A, m), and their scaler. Hardly
        penalised; it only keeps attributes apart that always go together.
        """
        levels = self.attributes(self.known.sample())
        scaler = Scaler.of(levels)
        scaled = scaler(levels)
        return np.linalg.solve(scaled.T @ scaled + np.eye(len(self.names)), scaled.T), scaler


def _largest_first(names: Sequence[str], added: np.ndarray) -> dict[str, float]:
    return {names[i]: float(added[i]) for i in np.argsort(-np.abs(added))}
