"""How a PAMELA ensemble learns new people, and what to ask them. Shapes: n pictures, M members, W model width, K
axes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from reward_models.base import Person
from reward_models.encoders.base import Encoder
from reward_models.encoders.imagination import TextToPicture
from reward_models.encoders.kept import keep_features, kept_features, prompt_features
from reward_models.pamela.ensemble import Ensemble
from reward_models.pamela.neighbours import by_neighbours
from reward_models.pamela.people import FittedPerson, sensitivity
from reward_models.pamela.reading import PamelaReading
from reward_models.profile import SAID_NOISE, as_ratings
from reward_models.protocols import Evidence, Lesson, Questions, Reading, Seen, Teacher
from reward_models.questions import gains, open_variance, pair_gains

log = logging.getLogger(__name__)


class PamelaTeacher(Teacher):
    """Finds a person's vector in every member by Laplace's approximation; see :mod:`reward_models.pamela.people`.

    A profile is read as statements ("no neon"), each a rating of the picture that ``imagined`` makes of it. With
    ``profiles`` (P, D) of the trained people, people are found by their neighbours instead, from ratings alone.
    """

    unit = True
    same_draws = True

    def __init__(
        self, ensemble: Ensemble, encoder: Encoder, imagined: TextToPicture | None, profiles: Tensor | None = None
    ):
        self.ensemble, self.encoder, self.imagined, self.profiles = ensemble, encoder, imagined, profiles
        self.trained = ensemble.trained
        known = ensemble.config.vocabularies
        self.fields = {d: known[d] for d in ensemble.config.demographics if known[d]}  # some had no value in training
        self.any_value = ensemble.config.demographics_by == "text"
        self.noise = ensemble.config.noise

    @property
    def key(self) -> str:
        """The encoder's fingerprint."""
        return self.encoder.fingerprint()

    def keep(self, images: Sequence[Image.Image]) -> list[bytes]:
        """Features of each picture in half precision."""
        return keep_features(self.encoder, images)

    def learn(self, person: str, evidence: Evidence) -> Lesson:
        """Fit the person's vectors to ratings, choices and the profile, from what demographics let expect."""
        self.ensemble.hear([Person(None, dict(evidence.demographics))], self.encoder)
        pictures, texts = self._features(evidence.pictures)
        liking, noise = list(evidence.likings), [self.noise] * len(pictures)
        if self.profiles is not None:
            return self._by_neighbours(person, pictures, np.array(liking, dtype=float), evidence)
        rated = len(pictures)
        phrases, said = as_ratings(evidence.profile)
        if phrases and self.imagined is None:
            log.warning("the reward reads no texts, so the profile of '%s' says nothing to it", person)
        elif phrases and self.imagined is not None:
            words = self.encoder.texts(phrases).float().cpu()
            pictures = torch.cat([pictures, self.imagined.pictures(words)])
            texts = torch.cat([texts, words])
            liking, noise = liking + said, noise + [SAID_NOISE] * len(phrases)
        owner: np.ndarray = np.zeros(len(liking), dtype=int)
        fitted = self.ensemble.fit_people(
            pictures,
            texts,
            np.array(liking, dtype=float),
            owner,
            [evidence.demographics],
            np.array(noise),
            np.array(evidence.choices, dtype=int).reshape(-1, 2),
            np.arange(len(liking)) >= rated,
        )
        found = [each[0] for each in fitted]
        self.ensemble.add_person(person, found, evidence.demographics)
        return Lesson(_packed(found), self.open_share(person))

    def _by_neighbours(self, person: str, pictures: Tensor, liking: np.ndarray, evidence: Evidence) -> Lesson:
        assert self.profiles is not None
        if len(evidence.choices) or evidence.profile:
            log.warning(
                "people are enrolled by neighbours, who are found by ratings: other answers of '%s' say nothing", person
            )
        rated = ~np.isnan(liking)
        found = by_neighbours(self.ensemble, self.profiles, pictures[torch.from_numpy(rated)], liking[rated])
        self.ensemble.add_person(person, found, evidence.demographics)
        return Lesson(_packed(found), self.open_share(person))

    def recall(self, person: str, lesson: bytes, demographics: Mapping[str, str]) -> None:
        """Give the person the vectors of an earlier lesson. Raises ValueError for bytes that do not fit this
        ensemble.
        """
        self.ensemble.add_person(person, self._unpacked(lesson), demographics)

    def open_share(self, person: str) -> float:
        """Variance left of the prior's, mean over members."""
        return self.ensemble.open_share(person)

    def reading(self, seen: Sequence[Seen]) -> PamelaReading:
        """The reading of kept pictures; their fidelity is not known."""
        pictures, texts = self._features(seen)
        return PamelaReading(pictures, texts, np.ones(len(seen), dtype=bool), np.full(len(seen), np.nan))

    def ask(self, person: str, candidates: Sequence[Seen]) -> Questions:
        """Expected reduction of variance by each answer; see :mod:`reward_models.questions`."""
        pictures, texts = self._features(candidates)
        slope = self._slopes(person, pictures, texts)
        covariance = torch.stack([f.covariance for f in self.ensemble.person(person)])
        return Questions(
            gains(slope, covariance, self.noise).numpy(),
            open_variance(slope, covariance) * len(candidates),
            lambda pairs: pair_gains(slope, covariance, self.noise, torch.as_tensor(pairs)).numpy(),
        )

    def draws(self, person: str, reading: Reading, n: int = 400, seed: int = 0) -> np.ndarray:
        """Likings (``n``, pictures) of people that this person may be: of members in turn, linear in the person's
        vector.
        """
        assert isinstance(reading, PamelaReading)
        ensemble = self.ensemble
        generator, found = torch.Generator().manual_seed(seed), []
        known = ensemble.demographics.get(person, {})
        shift = torch.from_numpy(ensemble.shift(reading.pictures, reading.texts)).float()
        each = zip(ensemble.members, ensemble.priors, ensemble.person(person), strict=True)
        for member, prior, own in each:
            answer, slope = self._sensitivity(member, own.vector, reading.pictures, reading.texts, known)
            root = torch.linalg.cholesky(own.covariance + 1e-6 * torch.eye(len(prior.axes)))
            z = torch.randn(-(-n // len(ensemble.members)), len(prior.axes), generator=generator) @ root.T
            found.append(answer + shift + own.level + z @ (slope @ prior.axes.T).T)
        return torch.cat(found)[:n].numpy()

    def likeness(self, person: str) -> dict[str, float]:
        """Cosine of this person's vector to everybody's, each less nobody's, on the axes that people differ along; mean
        over members.
        """
        ensemble = self.ensemble
        row = ensemble.config.index("person", person)
        total = torch.zeros(len(ensemble.config.people))
        for member, prior in zip(ensemble.members, ensemble.priors, strict=True):
            own_length = prior.axes.norm(dim=1, keepdim=True)
            along = (member.person.weight[1:] - prior.mean) @ (prior.axes / own_length).T  # (P, K)
            unit = torch.nn.functional.normalize(along, dim=1)
            total += unit @ unit[row - 1] / len(ensemble.members)
        return {p: float(v) for p, v in zip(ensemble.config.people, total, strict=True) if p != person}

    def _features(self, seen: Sequence[Seen]) -> tuple[Tensor, Tensor]:
        return kept_features(seen, self.encoder.width), prompt_features(self.encoder, seen)

    def _slopes(self, person: str, pictures: Tensor, texts: Tensor) -> Tensor:
        """How the prediction of each picture moves with the person, (M, n, K)."""
        ensemble = self.ensemble
        known = ensemble.demographics.get(person, {})
        each = []
        for member, prior, own in zip(ensemble.members, ensemble.priors, ensemble.person(person), strict=True):
            _, slope = self._sensitivity(member, own.vector, pictures, texts, known)
            each.append(slope @ prior.axes.T)
        return torch.stack(each)

    def _sensitivity(
        self, member: torch.nn.Module, vector: Tensor, pictures: Tensor, texts: Tensor, demographics: Mapping[str, str]
    ) -> tuple[Tensor, Tensor]:
        """Answers (n,) of one member and their slopes (n, W) in the person's vector; metadata is withheld."""
        config = self.ensemble.config
        known = config.row({k: v for k, v in demographics.items() if k in config.demographics})
        fields = torch.tensor([known]).expand(len(pictures), -1)
        x, q = pictures.cpu().clone(), texts.cpu().clone()
        return sensitivity(member, x, q, vector.expand(len(x), -1), fields)  # type: ignore[arg-type]

    def _unpacked(self, lesson: bytes) -> list[FittedPerson]:
        ensemble = self.ensemble
        try:
            tensors = load(lesson)
            levels = tensors["levels"]
            found = [
                FittedPerson(tensors[f"{k}.vector"].float(), tensors[f"{k}.covariance"].float(), float(levels[k]))
                for k in range(len(ensemble.members))
            ]
        except (SafetensorError, KeyError, IndexError, ValueError) as error:
            raise ValueError(f"the lesson does not open: {error}") from error
        for own, prior in zip(found, ensemble.priors, strict=True):
            axes = len(prior.axes)
            fits = own.vector.shape == prior.mean.shape and own.covariance.shape == (axes, axes)
            finite = own.vector.isfinite().all() and own.covariance.isfinite().all() and np.isfinite(own.level)
            if not fits or not finite:
                raise ValueError("the lesson is not one of this reward")
        return found


def _packed(fitted: Sequence[FittedPerson]) -> bytes:
    tensors = {"levels": torch.tensor([own.level for own in fitted])}
    for k, own in enumerate(fitted):
        tensors[f"{k}.vector"] = own.vector.contiguous()
        tensors[f"{k}.covariance"] = own.covariance.contiguous()
    return bytes(save(tensors))
