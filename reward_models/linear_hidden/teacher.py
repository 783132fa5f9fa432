"""How Linear-Hidden learns new people: a ridge each, refitted within milliseconds. Shapes: n pictures, D features, K
coefficients.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load, save

from reward_models.encoders.hidden_states import HiddenPools
from reward_models.encoders.kept import keep_features, kept_features
from reward_models.linear_hidden.imagination import HiddenImagination
from reward_models.linear_hidden.known import KnownPeople
from reward_models.linear_hidden.reading import HiddenReading
from reward_models.profile import as_ratings
from reward_models.protocols import Evidence, Lesson, Questions, Reading, Seen, Teacher
from reward_models.questions import gains, open_variance, pair_gains

log = logging.getLogger(__name__)

NOISE = 0.15  # of a rating, of [0, 1], where no other people tell
# of [0, 1], between a picture that was chosen and one that was passed over: 2 s / sqrt(pi), likings with a spread s of
# .25
APART = 0.28


class RidgeTeacher(Teacher):
    """Fits a person's ridge on what they rated. Prompts and demographics say nothing here; a profile's statements are
    ratings of imagined pictures where there is an ``imagination``.
    """

    def __init__(self, known: KnownPeople, encoder: HiddenPools, imagination: HiddenImagination | None):
        self.known, self.encoder, self.imagination = known, encoder, imagination
        self.trained = known.trained
        self.noise = known.population.rated if known.population else NOISE

    @property
    def key(self) -> str:
        """The fingerprint of the VLM and its pools."""
        return self.encoder.fingerprint()

    def keep(self, images: Sequence[Image.Image]) -> list[bytes]:
        """Hidden states of each picture in half precision."""
        return keep_features(self.encoder, images)

    def learn(self, person: str, evidence: Evidence) -> Lesson:
        """Fit the person's ridge. Of a choice the two pictures are taken as ``APART``, around what everybody makes of
        them.
        """
        x = kept_features(evidence.pictures, self.encoder.width).double().numpy()
        y = np.array(evidence.likings, dtype=np.float64)
        phrases, said = as_ratings(evidence.profile)
        if phrases and self.imagination is None:
            log.warning("the reward reads no texts, so the profile of '%s' says nothing to it", person)
        elif phrases and self.imagination is not None:
            imagined: np.ndarray = self.imagination.read(phrases).x.astype(np.float32).astype(np.float64)
            x, y = np.vstack([x, imagined]), np.append(y, said)
        rated = ~np.isnan(y)
        rows, likings = [x[rated]], [y[rated]]
        if evidence.choices:
            choices = np.array(evidence.choices, dtype=int)
            everybody = self.known.general(x)
            level = float((y - everybody)[rated].mean()) if rated.any() else 0.0
            middle = everybody[choices].mean(axis=1) + level
            for side, step in ((0, APART / 2), (1, -APART / 2)):
                rows.append(x[choices[:, side]])
                likings.append(np.clip(middle + step, 0, 1))
        return self._learned(person, np.vstack(rows), np.concatenate(likings))

    def recall(self, person: str, lesson: bytes, demographics: Mapping[str, str]) -> None:  # noqa: ARG002
        """Fit the person's ridge on the rows of an earlier lesson. Raises ValueError for bytes that do not fit this
        reward.
        """
        try:
            tensors = load(lesson)
            x, y = tensors["x"].double().numpy(), tensors["y"].double().numpy()
        except (SafetensorError, KeyError, ValueError) as error:
            raise ValueError(f"the lesson does not open: {error}") from error
        fits = y.ndim == 1 and x.shape == (len(y), self.encoder.width)
        if not fits or not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise ValueError("the lesson is not one of this reward")
        self._learned(person, x, y)

    def open_share(self, person: str) -> float:
        """Share in [0, 1] of the variance over pictures, as it was before any rating, that is left."""
        return self.known.model(person).open_share(self.known.sample())

    def reading(self, seen: Sequence[Seen]) -> HiddenReading:
        """The reading of kept pictures; their fidelity is not known."""
        x = kept_features(seen, self.encoder.width).double().numpy()
        readable: np.ndarray = np.ones(len(seen), dtype=bool)
        return HiddenReading(x, readable, np.full(len(seen), np.nan))

    def ask(self, person: str, candidates: Sequence[Seen]) -> Questions:
        """Expected reduction of variance by each answer; see :mod:`reward_models.questions`."""
        model = self.known.model(person)
        x = kept_features(candidates, self.encoder.width).double().numpy()
        slopes = torch.from_numpy(model.slopes(x))[None]  # (1, n, K)
        covariance = torch.from_numpy(model.covariance())[None]
        return Questions(
            gains(slopes, covariance, self.noise).numpy(),
            open_variance(slopes, covariance) * len(candidates),
            lambda pairs: pair_gains(slopes, covariance, self.noise, torch.as_tensor(pairs)).numpy(),
        )

    def draws(self, person: str, reading: Reading, n: int = 400, seed: int = 0) -> np.ndarray:
        """Likings (``n``, pictures) of people that this person may be, not cut to [0, 1]."""
        assert isinstance(reading, HiddenReading)
        model = self.known.model(person)
        slopes = model.slopes(reading.x)
        values, vectors = np.linalg.eigh(slopes @ model.covariance() @ slopes.T)
        root = vectors * np.sqrt(np.clip(values, 0, None))
        z = np.random.default_rng(seed).standard_normal((n, len(reading)))
        found: np.ndarray = model.raw(reading.x) + z @ root.T
        return found

    def likeness(self, person: str) -> dict[str, float]:
        """Correlation over rated pictures of how this person and each other one differ from everybody."""
        return self.known.likeness(person)

    def _learned(self, person: str, x: np.ndarray, y: np.ndarray) -> Lesson:
        self.known.add(person, self.known.fit(x, y))
        rows = {"x": torch.from_numpy(x).float().contiguous(), "y": torch.from_numpy(y).contiguous()}
        return Lesson(bytes(save(rows)), self.open_share(person))
