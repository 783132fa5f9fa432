"""Training the PAMELA predictor on cached features, and vectors for people it never saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from reward_models.pamela import DEMOGRAPHICS, PamelaConfig, PamelaPredictor


@dataclass
class RatingTable:
    """Ratings as arrays; R ratings of P pictures.

    ``picture``: row of each rating in the feature tables (R,); ``person``: ids (R,);
    ``liking``: (score - 1) / 4 (R,); ``fields``: table rows (R, 6), see ``PamelaPredictor``.
    """

    picture: np.ndarray
    person: np.ndarray
    liking: np.ndarray
    fields: np.ndarray

    def __len__(self) -> int:
        return len(self.liking)

    def where(self, mask: np.ndarray) -> RatingTable:
        """The rows chosen by a boolean mask or an index array."""
        return RatingTable(self.picture[mask], self.person[mask], self.liking[mask], self.fields[mask])


def train_member(
    config: PamelaConfig, pictures: torch.Tensor, prompts: torch.Tensor, ratings: RatingTable, seed: int,
    epochs: int = 14, people_per_batch: int = 24, ratings_each: int = 24, lr: float = 1.5e-3,
    id_dropout: float = 0.2, field_dropout: float = 0.5, rank_weight: float = 0.3, bf16: bool = False,
    on_epoch: Callable[[int, PamelaPredictor, float], None] | None = None,
) -> PamelaPredictor:  # fmt: skip
    """One member on features (P, D): smooth L1 plus a within-person pairwise ranking term.

    With ``id_dropout`` the person's vector, with ``field_dropout`` each of demographics and
    metadata, is withheld, so that the model also answers without them. ``bf16`` computes in bfloat16
    where the processor is fast at it.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = PamelaPredictor(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.02)
    ids = np.unique(ratings.person)
    rows_of = {p: np.flatnonzero(ratings.person == p) for p in ids}
    who = torch.tensor([config.index("person", p) for p in ratings.person])
    fields, liking = torch.from_numpy(ratings.fields), torch.from_numpy(ratings.liking).float()
    steps = len(ratings) // (people_per_batch * ratings_each)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * steps, pct_start=0.1)
    n_demographics = len(DEMOGRAPHICS)
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for _ in range(steps):
            chosen = rng.choice(ids, people_per_batch, replace=len(ids) < people_per_batch)
            rows = torch.from_numpy(np.stack([rng.choice(rows_of[p], ratings_each) for p in chosen]).ravel())
            batch = len(rows)
            row_fields = fields[rows].clone()
            row_fields[torch.rand(batch) < field_dropout, :n_demographics] = 0
            row_fields[torch.rand(batch) < field_dropout, n_demographics:] = 0
            # withheld for whole people, so that ranking terms compare like with like
            nobody = (torch.rand(people_per_batch) < id_dropout).repeat_interleave(ratings_each)
            person = model.person(torch.where(nobody, 0, who[rows]))
            picture = ratings.picture[rows.numpy()]
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                predicted = model(pictures[picture], prompts[picture], person, row_fields).float()
            value = F.smooth_l1_loss(predicted, liking[rows], beta=0.1)
            value = value + rank_weight * ranking_loss(predicted, liking[rows], ratings_each)
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(value.detach()) / steps
        if on_epoch:
            on_epoch(epoch, model.eval(), total)
    return model.eval()


def ranking_loss(predicted: torch.Tensor, liking: torch.Tensor, each: int) -> torch.Tensor:
    """Logistic loss over pairs of one person's ratings that differ; rows grouped by ``each``."""
    p, y = predicted.view(-1, each), liking.view(-1, each)
    difference = y[:, :, None] - y[:, None, :]
    margin = (p[:, :, None] - p[:, None, :]) * torch.sign(difference)
    pairs = difference.abs() > 0.04
    return (F.softplus(-8 * margin) * pairs).sum() / pairs.sum().clamp(min=1) / 8


def profile(features: np.ndarray, liking: np.ndarray, centred: bool = True) -> np.ndarray:
    """A person as rating-weighted picture features (D,): sum w s(x) / sum |w|.

    With raw positive weights all profiles look alike; ``centred`` weights, liking minus the
    person's mean, separate people.
    """
    weight = liking - liking.mean() if centred else liking
    return (weight[:, None] * features).sum(0) / (np.abs(weight).sum() + 1e-9)


def neighbour_weights(
    profile_new: np.ndarray, profiles: np.ndarray, k: int = 5, temperature: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and softmax weights of the ``k`` nearest profiles by cosine (paper, Fig. 12)."""
    norms = np.linalg.norm(profiles, axis=1) * np.linalg.norm(profile_new) + 1e-9
    cosine = profiles @ profile_new / norms
    nearest = np.argsort(-cosine)[:k]
    weight = np.exp((cosine[nearest] - cosine[nearest].max()) / temperature)
    return nearest, weight / weight.sum()
