"""How a PAMELA ensemble learns new people, and what it knows of those it has. Shapes: n pictures, U people, M members, K axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from reward_models import questions as elicitation
from reward_models.base import RewardError
from reward_models.encoders.base import Encoder, encode_readable
from reward_models.encoders.imagination import Imagination
from reward_models.pamela.model import PamelaConfig, PamelaPredictor
from reward_models.pamela.people import FittedPerson, PersonPrior, fit_people


class LearnsPeople:
    """The half of :class:`~reward_models.pamela.reward.PamelaReward` that is about people; see
    :class:`~reward_models.base.Teachable`."""

    config: PamelaConfig
    encoder: Encoder
    members: list[PamelaPredictor]
    priors: list[PersonPrior]
    covariances: list[Tensor]
    demographics: dict[str, dict[str, str]]
    device: torch.device
    imagination: Imagination | None

    if TYPE_CHECKING:

        def fingerprint(self) -> str: ...

    @property
    def picture_encoder(self) -> Encoder:
        """Whose features of rated pictures it learns from."""
        return self.encoder

    @property
    def reads_prompts(self) -> bool:
        """Whether a rating depends on what the picture was drawn for."""
        return self.encoder.has_text

    @property
    def rating_noise(self) -> float:
        """Standard deviation of a rating, of [0, 1]."""
        return self.config.noise

    @property
    def can_imagine(self) -> bool:
        """Whether texts can be judged before they are drawn."""
        return self.imagination is not None and self.encoder.has_text

    def imagined(self, texts: Tensor) -> Tensor:
        """Features (n, D) of the pictures that texts with features (n, D) would give."""
        if self.imagination is None:
            raise RewardError("this reward was trained without prompts and cannot imagine pictures of texts")
        return self.imagination.pictures(texts.to(self.device))

    def vocabulary(self) -> dict[str, list[str]]:
        """What it knows of people besides their ratings: the values of each field."""
        return {d: self.config.vocabularies[d] for d in self.config.demographics}

    def enrol(
        self,
        person: str,
        images: Sequence[Image.Image],
        prompts: Sequence[str],
        ratings: Sequence[float],
        demographics: Mapping[str, str] | None = None,
    ) -> None:
        """Make a new person known from n rated pictures (n may be 0), ``ratings`` in [0, 1]; again to correct them.

        Raises RewardError for ratings that are no numbers in [0, 1], or a picture that does not open.
        """
        liking = np.asarray(ratings, dtype=float)
        if not (len(images) == len(prompts) == len(liking)):
            raise RewardError(f"{len(images)} pictures, {len(prompts)} prompts and {len(liking)} ratings do not match")
        if bad := [r for r in liking if not 0 <= r <= 1]:
            raise RewardError(f"{len(bad)} ratings are not in [0, 1], the first is {bad[0]}")
        pictures, readable = encode_readable(self.encoder, images)
        if not readable.all():
            raise RewardError(f"rated picture {int(np.flatnonzero(~readable)[0])} does not open")
        self.enrol_features(person, pictures, self.encoder.texts(prompts), liking, demographics)

    def enrol_features(
        self,
        person: str,
        pictures: Tensor,
        prompts: Tensor,
        liking: np.ndarray,
        demographics: Mapping[str, str] | None = None,
    ) -> None:
        """:meth:`enrol` from features (n, D) each."""
        self.add_people({person: self.fit(pictures, prompts, liking, demographics)}, {person: dict(demographics or {})})

    def fit(
        self,
        pictures: Tensor,
        prompts: Tensor,
        liking: np.ndarray,
        demographics: Mapping[str, str] | None = None,
        noise: np.ndarray | None = None,
        choices: np.ndarray | None = None,
    ) -> list[FittedPerson]:
        """What each member makes of a person's ratings of pictures and prompts (n, D); ``noise`` (n,) where ratings are not
        equally sure, ``choices`` (C, 2) of rows of better and worse pictures."""
        owner: np.ndarray = np.zeros(len(liking), dtype=int)
        fitted = self.fit_people(pictures, prompts, liking, owner, [demographics or {}], noise, choices)
        return [each[0] for each in fitted]

    def fit_people(
        self,
        pictures: Tensor,
        prompts: Tensor,
        liking: np.ndarray,
        owner: np.ndarray,
        demographics: Sequence[Mapping[str, str]],
        noise: np.ndarray | None = None,
        choices: np.ndarray | None = None,
    ) -> list[list[FittedPerson]]:
        """What each member makes of U people's ratings, (M, U); see :func:`reward_models.pamela.people.fit_people`."""
        known = [self.config.row(d)[: len(self.config.demographics)] for d in demographics]
        x, q = pictures.to(self.device).clone(), prompts.to(self.device).clone()
        y = torch.as_tensor(liking, dtype=torch.float32, device=self.device)
        whose = torch.as_tensor(owner, dtype=torch.long, device=self.device)
        spread = self.config.noise if noise is None else torch.as_tensor(noise, dtype=torch.float32, device=self.device)
        pairs = None if choices is None else torch.as_tensor(choices, dtype=torch.long, device=self.device)
        return [
            fit_people(m, p, x, q, y, whose, known, spread, pairs)
            for m, p in zip(self.members, self.priors, strict=True)
        ]

    def add_people(
        self, fitted: Mapping[str, Sequence[FittedPerson]], demographics: Mapping[str, dict[str, str]]
    ) -> None:
        """Give people, new or known, the vectors and covariances that :meth:`fit` found."""
        self.fingerprint()
        self.config.people += [p for p in fitted if p not in self.config.people]
        for k, member in enumerate(self.members):
            table, covariance = member.person.weight.detach(), self.covariances[k]
            rows = len(self.config.people) + 1
            vectors, spreads = table.new_zeros(rows, table.shape[1]), covariance.new_zeros(rows, *covariance.shape[1:])
            vectors[: len(table)], spreads[: len(table)] = table, covariance
            for person, each in fitted.items():
                row = self.config.index("person", person)
                vectors[row], spreads[row] = each[k].vector, each[k].covariance
            member.person, self.covariances[k] = nn.Embedding.from_pretrained(vectors), spreads
        self.demographics |= {person: demographics.get(person, {}) for person in fitted}

    def open_share(self, person: str) -> float:
        """Share in [0, 1] of what people differ by that is not known of this one: variance left of the prior's, mean over members."""
        row, shares = self.config.index("person", person), []
        for prior, covariance in zip(self.priors, self.covariances, strict=True):
            size = prior.axes.pow(2).sum(1)
            shares.append(float((covariance[row].diagonal() * size).sum() / size.sum()))
        return float(np.mean(shares))

    def slopes(
        self,
        fitted: Sequence[FittedPerson],
        pictures: Tensor,
        prompts: Tensor,
        demographics: Mapping[str, str] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """How predictions move with the person (M, n, K), and the covariance of the person (M, K, K)."""
        slope = elicitation.slopes(self, fitted, pictures, prompts, demographics)
        return slope, torch.stack([f.covariance for f in fitted]).to(slope.device)

    def draws(self, person: str, pictures: Tensor, prompts: Tensor, n: int = 400, seed: int = 0) -> Tensor:
        """Likings (``n``, pictures) of people that this person may be."""
        return elicitation.draws(self, person, pictures, prompts, n, seed)

    def likeness(self, person: str) -> dict[str, float]:
        """How alike everybody else's taste is, in [-1, 1]."""
        return elicitation.likeness(self, person)
