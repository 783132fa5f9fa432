"""How Linear-Hidden learns new people and what it knows of those it has: a ridge each, refitted within milliseconds.

Shapes: n pictures, D features, K coefficients of a person, A attributes. Lists of one stand where a PAMELA ensemble has one a member.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reward_models.base import RewardError, UnknownPerson
from reward_models.encoders.base import Encoder, encode_readable
from reward_models.encoders.hidden_states import HiddenPools
from reward_models.encoders.imagination import Imagination
from reward_models.linear_hidden.people import FEW, Estimator, PersonModel
from reward_models.linear_hidden.population import Population
from reward_models.linear_hidden.ridge import Affine, Scaler, Support

NOISE = 0.15  # of a rating, of [0, 1], where no other people tell
APART = 0.28  # of [0, 1], between a picture that was chosen and one that was passed over: 2 s / sqrt(pi), likings with a spread s of .25
SAMPLE = 400  # rated pictures on which people are compared


class LearnsPeople:
    """The half of :class:`~reward_models.linear_hidden.reward.LinearHiddenReward` that is about people; see
    :class:`~reward_models.base.Teachable`."""

    hidden: HiddenPools
    encoder: Encoder
    pictures: np.ndarray
    support: Support
    general: Callable[[np.ndarray], np.ndarray]
    named: tuple[list[str], Affine] | None
    estimator: Estimator
    alphas: str
    scaler: Scaler
    population: Population | None
    imagination: Imagination | None
    trained: tuple[str, ...]
    _models: dict[str, PersonModel]

    def people(self) -> list[str]:
        return list(dict.fromkeys([*self.trained, *self._models]))

    def model(self, person: str) -> PersonModel:
        """The person's estimator, fitted at the first question. Raises UnknownPerson."""
        if person not in self._models:
            self._models[person] = self._trained(person)
        return self._models[person]

    def _trained(self, person: str) -> PersonModel:
        if person not in self.support.rows:
            raise UnknownPerson(f"the reward model has no ratings of '{person}'")
        return self._fitted(self.pictures[self.support.rows[person]], self.support.likings[person])

    def _fitted(self, x: np.ndarray, y: np.ndarray) -> PersonModel:
        attributes = self.named[1] if self.named else None
        return PersonModel(x, y, self.general, self.estimator, self.alphas, attributes, self.scaler, self.population)

    # learning

    def fit(
        self,
        pictures: Tensor,
        prompts: Tensor,
        liking: np.ndarray,
        demographics: Mapping[str, str] | None = None,
        noise: np.ndarray | None = None,
        choices: np.ndarray | None = None,
    ) -> list[PersonModel]:
        """A person from features (n, D) and ratings (n,) in [0, 1], NaN where there is none. Of a choice (rows of the better and the worse
        picture) the two are taken as ``APART``, around what everybody makes of them. Prompts, demographics and the ratings' noise say nothing here."""
        x, y = pictures.double().cpu().numpy(), np.asarray(liking, dtype=np.float64)
        rated = ~np.isnan(y)
        rows, likings = [x[rated]], [y[rated]]
        if choices is not None and len(choices):
            everybody = self.general(x)
            level = float((y - everybody)[rated].mean()) if rated.any() else 0.0
            middle = everybody[choices].mean(axis=1) + level
            for side, step in ((0, APART / 2), (1, -APART / 2)):
                rows.append(x[choices[:, side]])
                likings.append(np.clip(middle + step, 0, 1))
        return [self._fitted(np.vstack(rows), np.concatenate(likings))]

    def add_people(
        self, fitted: Mapping[str, Sequence[PersonModel]], demographics: Mapping[str, dict[str, str]]
    ) -> None:
        """People, new or known, as :meth:`fit` found them. Demographics say nothing here."""
        self._models |= {person: each[0] for person, each in fitted.items()}

    def enrol(
        self,
        person: str,
        images: Sequence[Image.Image],
        prompts: Sequence[str],
        ratings: Sequence[float],
        demographics: Mapping[str, str] | None = None,
    ) -> None:
        """Make a person known from rated pictures, ``ratings`` in [0, 1]; again to correct them. Prompts and demographics say nothing here."""
        likings = np.asarray(ratings, dtype=np.float64)
        if len(images) != len(likings) or ((likings < 0) | (likings > 1)).any():
            raise RewardError(f"{len(images)} pictures need as many ratings in [0, 1]")
        features, readable = encode_readable(self.hidden, images)
        if not readable.all():
            raise RewardError(f"rated picture {int(np.flatnonzero(~readable)[0])} does not open")
        self.add_people({person: self.fit(features, features[:, :0], likings)}, {})

    def rate(self, person: str, image: Image.Image, liking: float) -> None:
        """One rating more, in [0, 1], within milliseconds: nothing is fitted from the start but where ``auto`` changes its estimator."""
        row = self.hidden.images([image]).double().cpu().numpy()[0]
        model = self.model(person)
        model.add(row, liking)
        if len(model) == 2 or (model.asked == "auto" and len(model) == FEW):
            self._models[person] = self._fitted(model.x, model.y)

    # what is known

    @property
    def picture_encoder(self) -> HiddenPools:
        """Whose features of rated pictures it learns from."""
        return self.hidden

    @property
    def reads_prompts(self) -> bool:
        """Whether a rating depends on what the picture was drawn for: no."""
        return False

    @property
    def rating_noise(self) -> float:
        """Standard deviation of a rating, of [0, 1]."""
        return self.population.noise if self.population else NOISE

    @property
    def can_imagine(self) -> bool:
        """Whether texts can be judged before they are drawn: with an image-text encoder and a data set of prompts."""
        return self.imagination is not None

    def imagined(self, texts: Tensor) -> Tensor:
        """Features (n, D) of the pictures that texts with features (n, E) of the image-text encoder would give."""
        if self.imagination is None:
            raise RewardError("this reward was made without an image-text encoder and cannot imagine pictures of texts")
        weight, bias = self.imagination.weight.double(), self.imagination.bias.double()
        return texts.double().to(weight.device) @ weight.T + bias

    def vocabulary(self) -> dict[str, list[str]]:
        """Nothing: ratings alone count."""
        return {}

    def open_share(self, person: str) -> float:
        """Share in [0, 1] of the variance over pictures, as it was before any rating, that is left."""
        return self.model(person).open_share(self._sample())

    def slopes(
        self,
        fitted: Sequence[PersonModel],
        pictures: Tensor,
        prompts: Tensor,
        demographics: Mapping[str, str] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """How predictions move with the person's coefficients (1, n, K), and their covariance (1, K, K)."""
        slopes = [m.slopes(pictures.double().cpu().numpy()) for m in fitted]
        return torch.from_numpy(np.stack(slopes)), torch.from_numpy(np.stack([m.covariance() for m in fitted]))

    def draws(self, person: str, pictures: Tensor, prompts: Tensor, n: int = 400, seed: int = 0) -> Tensor:
        """Likings (``n``, pictures) of people that this person may be, not cut to [0, 1]."""
        model, x = self.model(person), pictures.double().cpu().numpy()
        slopes = model.slopes(x)
        values, vectors = np.linalg.eigh(slopes @ model.covariance() @ slopes.T)
        root = vectors * np.sqrt(np.clip(values, 0, None))
        z = np.random.default_rng(seed).standard_normal((n, len(x)))
        return torch.from_numpy(model.raw(x) + z @ root.T)

    def likeness(self, person: str) -> dict[str, float]:
        """Correlation over rated pictures of how this person differs from everybody and how each other one does."""
        x = self._sample()
        own = self._personal(self.model(person), x)
        others = (p for p in self.people() if p != person)  # their models are not kept: all together they are large
        return {p: float(own @ self._personal(self._models.get(p) or self._trained(p), x)) for p in others}

    def _personal(self, model: PersonModel, x: np.ndarray) -> np.ndarray:
        apart = model.raw(x) - self.general(x)
        apart = apart - apart.mean()
        return apart / max(float(np.linalg.norm(apart)), 1e-12)  # type: ignore[no-any-return]

    def _sample(self) -> np.ndarray:
        return self.pictures[:: max(1, len(self.pictures) // SAMPLE)]

    # why

    @property
    def explains(self) -> bool:
        """Whether it has words for what it likes: a table of attributes."""
        return self.named is not None

    def explain(self, image: Image.Image, person: str) -> dict[str, float]:
        """What each named attribute adds to the person's score of a picture, above that of the mean rated picture; in [0, 1] units, the
        largest first. Raises RewardError without a map to attributes."""
        names, level, weights = self._in_words(image, person)
        return _largest_first(names, level * weights)

    def reasons(self, image: Image.Image, person: str) -> dict[str, float]:
        """:meth:`explain` for reading: an attribute that the picture has less of than the mean one is "little NAME"."""
        names, level, weights = self._in_words(image, person)
        told = [n if there > 0 else f"little {n}" for n, there in zip(names, level, strict=True)]
        return _largest_first(told, level * weights)

    def wishes(self, image: Image.Image, person: str, most: int = 3) -> str:
        """The same for a writer of prompts: what the picture has too much of for this person, and too little; "" without a map."""
        if self.named is None:
            return ""
        names, level, weights = self._in_words(image, person)
        added = level * weights
        worst = [i for i in np.argsort(added) if added[i] < 0][:most]
        return ", ".join(f"{'more' if weights[i] > 0 else 'less'} {names[i]}" for i in worst)

    def tastes(self, person: str) -> dict[str, tuple[float, float]]:
        """By named attribute: how a person's score moves with one standard deviation of it, and how unsure that is."""
        names, words, _ = self._words
        model, x = self.model(person), self._sample()
        slopes = words @ model.slopes(x)  # (A, K)
        spread = np.sqrt(np.einsum("ak,kl,al->a", slopes, model.covariance(), slopes))
        return {n: (float(c), float(s)) for n, c, s in zip(names, words @ model.raw(x), spread, strict=True)}

    def _in_words(self, image: Image.Image, person: str) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Names of the attributes, how many standard deviations above the mean this picture's are (A,), and the person's weights (A,)."""
        names, words, scaler = self._words
        assert self.named is not None
        level = scaler(self.named[1](self.hidden.images([image]).double().cpu().numpy()))[0]
        return names, level, words @ self.model(person).raw(self._sample())

    @cached_property
    def _words(self) -> tuple[list[str], np.ndarray, Scaler]:
        """From a person's scores of the sample to weights of scaled attributes, (A, m): the regression of the score itself on what can be named,
        not of the few ratings. Hardly penalised; it only keeps attributes apart that always go together."""
        if self.named is None:
            raise RewardError("this reward was made without a table of attributes; it cannot explain itself in words")
        names, attributes = self.named
        levels = attributes(self._sample())
        scaler = Scaler.of(levels)
        scaled = scaler(levels)
        return names, np.linalg.solve(scaled.T @ scaled + np.eye(len(names)), scaled.T), scaler


def _largest_first(names: Sequence[str], added: np.ndarray) -> dict[str, float]:
    return {names[i]: float(added[i]) for i in np.argsort(-np.abs(added))}
