"""Training the PAMELA predictor on cached features, and vectors for people it never saw."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor

from reward_models.base import RewardError
from reward_models.evaluation.metrics import evaluate
from reward_models.pamela.model import PamelaConfig, PamelaPredictor
from reward_models.ratings.arrays import RatingTable

NEIGHBOURS, TEMPERATURE = 5, 0.1  # (paper, Fig. 12)


@dataclass(frozen=True)
class TrainingSettings:
    """How a member is trained; see :func:`train_member`.

    ``feature_noise``: length of the noise added to a picture's features, whose length is 1; for ablations.
    """

    epochs: int = 14
    people_per_batch: int = 24
    ratings_each: int = 24
    lr: float = 1.5e-3
    weight_decay: float = 0.02
    id_dropout: float = 0.2
    demographics_dropout: float = 0.5
    metadata_dropout: float = 0.5
    rank_weight: float = 0.3
    patience: int | None = None
    feature_noise: float = 0.0


@dataclass(frozen=True)
class Told:
    """Who is told of a training: ``epoch`` gets the figures of each, ``step`` seed, epoch, step and the steps of an
    epoch.
    """

    epoch: Callable[[dict[str, float]], None] | None = None
    step: Callable[[int, int, int, int], None] | None = None


def train_member(  # noqa: PLR0913
    config: PamelaConfig,
    pictures: Tensor,
    prompts: Tensor,
    ratings: RatingTable,
    seed: int,
    settings: TrainingSettings = TrainingSettings(),
    val: RatingTable | None = None,
    checkpoint: Path | None = None,
    accelerator: Accelerator | None = None,
    told: Told = Told(),
    said: Mapping[str, Tensor] | None = None,
) -> PamelaPredictor:
    """One member on features (P, D) and (Q, D): smooth L1 plus a within-person pairwise ranking term.

    A batch is ``ratings_each`` ratings of each of ``people_per_batch`` people. With ``id_dropout`` a
    person's vector, with the other dropouts each row's demographics or metadata, are withheld, so
    that the model also answers without them.

    With ``val`` the weights of the epoch of best personal SROCC on it are returned, and training stops after
    ``patience`` epochs without a better one. With ``checkpoint`` the state is kept there after every epoch, and
    a killed training goes on from it to the same weights as an uninterrupted one. ``said``: features of each class of a
    demographic field in words, for ``demographics_by: text``.
    """
    accelerator = accelerator or Accelerator(cpu=True)
    torch.manual_seed(seed)
    state = _State(config, settings, ratings, seed, accelerator, said or {})
    state.identity["features"] = hashlib.sha256(pictures.numpy().tobytes() + prompts.numpy().tobytes()).hexdigest()[:16]
    state.member.see(pictures[np.unique(ratings.picture)])
    if checkpoint and checkpoint.exists():
        state.load(checkpoint)
    tables = pictures.to(accelerator.device), prompts.to(accelerator.device)
    while state.epoch < settings.epochs and not state.finished:
        on_step = None if told.step is None else partial(told.step, seed, state.epoch + 1)
        loss = state.run_epoch(*tables, on_step)
        row = {"seed": seed, "epoch": state.epoch, "loss": loss}
        if val is not None:
            member = state.member.eval()
            metrics = evaluate(predict([member], pictures, prompts, val), val.liking, val.person, 1)
            row |= {"val_srocc": metrics["srocc"], "val_plcc": metrics["plcc"]}
            state.consider(metrics["srocc"])
        if checkpoint:
            state.save(checkpoint)
        if told.epoch:
            told.epoch(row)
    return state.result()


class _State:
    """A member in training: model, optimiser, schedule, random states and the best weights so far."""

    def __init__(
        self,
        config: PamelaConfig,
        settings: TrainingSettings,
        ratings: RatingTable,
        seed: int,
        accelerator: Accelerator,
        said: Mapping[str, Tensor],
    ):
        self.settings, self.config, self.accelerator = settings, config, accelerator
        architecture = {k: v for k, v in asdict(config).items() if k != "noise"}
        self.identity = {**architecture, **asdict(settings), "seed": seed, "ratings": ratings.fingerprint()}
        self.batches = _Batches(config, settings, ratings, seed)
        model = PamelaPredictor(config)
        model.hear(said)
        optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
        total = max(settings.epochs * self.batches.steps, 2)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, total_steps=total, pct_start=0.1)
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        self.epoch, self.best, self.best_epoch = 0, -np.inf, 0
        self.best_weights: dict[str, Tensor] | None = None

    @property
    def member(self) -> PamelaPredictor:
        return self.accelerator.unwrap_model(self.model)

    @property
    def finished(self) -> bool:
        patience = self.settings.patience
        return patience is not None and self.best_weights is not None and self.epoch - self.best_epoch >= patience

    def run_epoch(self, pictures: Tensor, prompts: Tensor, on_step: Callable[[int, int], None] | None = None) -> float:
        """Mean loss of one pass."""
        self.model.train()
        device, total = self.accelerator.device, 0.0
        noise = self.settings.feature_noise / pictures.shape[1] ** 0.5
        for step in range(self.batches.steps):
            rows, who, fields = self.batches.draw()
            ratings = self.batches.ratings
            liking = self.batches.liking[rows].to(device)
            picture, prompt = ratings.picture[rows.numpy()], ratings.prompt[rows.numpy()]
            with self.accelerator.autocast():
                vectors = self.member.person(who.to(device))
                x = pictures[picture]
                if noise:
                    x = x + noise * torch.randn_like(x)
                predicted = self.model(x, prompts[prompt], vectors, fields.to(device)).float()
            value = F.smooth_l1_loss(predicted, liking, beta=0.1)
            value = value + self.settings.rank_weight * ranking_loss(predicted, liking, self.settings.ratings_each)
            self.optimizer.zero_grad()
            self.accelerator.backward(value)
            self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            total += float(value.detach()) / self.batches.steps
            if on_step:
                on_step(step + 1, self.batches.steps)
        self.epoch += 1
        return total

    def consider(self, score: float) -> None:
        """Keep the weights if ``score`` is the best so far."""
        if score > self.best:
            self.best, self.best_epoch = score, self.epoch
            self.best_weights = {k: v.detach().cpu().clone() for k, v in self.member.state_dict().items()}

    def result(self) -> PamelaPredictor:
        if self.best_weights is not None:
            self.member.load_state_dict(self.best_weights)
        return self.member.eval().cpu()

    def save(self, path: Path) -> None:
        cuda = torch.cuda.get_rng_state() if self.accelerator.device.type == "cuda" else None
        state = {
            "identity": self.identity,
            "model": self.member.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "torch": torch.get_rng_state(),
            "cuda": cuda,
            "numpy": self.batches.rng.bit_generator.state,
            "epoch": self.epoch,
            "best": float(self.best),
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
        }
        unfinished = path.with_suffix(".partial")
        torch.save(state, unfinished)
        os.replace(unfinished, path)

    def load(self, path: Path) -> None:
        """Go on from ``path``. Raises RewardError where it was begun with other settings or ratings."""
        state: dict[str, Any] = torch.load(path, weights_only=True)
        if differing := [k for k, v in self.identity.items() if state["identity"].get(k) != v]:
            raise RewardError(
                f"'{path}' was begun with other {', '.join(differing)}; "
                "choose another folder for the results or remove it"
            )
        self.member.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["torch"])
        if state["cuda"] is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["cuda"])
        self.batches.rng.bit_generator.state = state["numpy"]
        self.epoch, self.best, self.best_epoch = state["epoch"], state["best"], state["best_epoch"]
        self.best_weights = state["best_weights"]


class _Batches:
    """Draws ratings of a few people at a time, with ids and fields withheld at random."""

    def __init__(self, config: PamelaConfig, settings: TrainingSettings, ratings: RatingTable, seed: int):
        self.settings, self.ratings, self.rng = settings, ratings, np.random.default_rng(seed)
        self.n_demographics = len(config.demographics)
        self.ids, first = np.unique(ratings.person, return_index=True)
        weight = np.ones(len(self.ids)) if ratings.weight is None else ratings.weight[first]
        self.chance = weight / weight.sum()
        self.rows_of = {p: np.flatnonzero(ratings.person == p) for p in self.ids}
        self.who = torch.tensor([config.index("person", p) for p in ratings.person])
        self.fields = torch.from_numpy(ratings.fields)
        self.liking = torch.from_numpy(ratings.liking).float()
        self.steps = max(1, len(ratings) // (settings.people_per_batch * settings.ratings_each))

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Rows (B,) grouped by person, person table rows (B,) with 0 for withheld, and fields (B, F)."""
        s = self.settings
        chosen = self.rng.choice(
            self.ids, s.people_per_batch, replace=len(self.ids) < s.people_per_batch, p=self.chance
        )
        rows = torch.from_numpy(np.stack([self.rng.choice(self.rows_of[p], s.ratings_each) for p in chosen]).ravel())
        fields = self.fields[rows].clone()
        fields[torch.rand(len(rows)) < s.demographics_dropout, : self.n_demographics] = 0
        fields[torch.rand(len(rows)) < s.metadata_dropout, self.n_demographics :] = 0
        # withheld for whole people, so that ranking terms compare like with like
        nobody = (torch.rand(s.people_per_batch) < s.id_dropout).repeat_interleave(s.ratings_each)
        return rows, torch.where(nobody, 0, self.who[rows]), fields


@torch.inference_mode()
def predict(
    members: list[PamelaPredictor],
    pictures: Tensor,
    prompts: Tensor,
    table: RatingTable,
    personal: bool = True,
    demographics: bool = True,
    metadata: bool = False,
    batch: int = 8192,
) -> np.ndarray:
    """Mean prediction (R,) of the members.

    What is not ``personal`` is answered without the person's vector; ``demographics`` and ``metadata`` say whether
    these are shown. Metadata is unknown when steering, so it is withheld unless asked for.
    """
    config = members[0].config
    device = next(members[0].parameters()).device
    who = torch.tensor([config.index("person", p) if personal else 0 for p in table.person], device=device)
    shown = torch.from_numpy(table.fields).clone()
    shown[:, : len(config.demographics)] *= int(demographics)
    shown[:, len(config.demographics) :] *= int(metadata)
    rows = []
    for start in range(0, len(table), batch):
        part = slice(start, start + batch)
        x, q = pictures[table.picture[part]].to(device), prompts[table.prompt[part]].to(device)
        each = [m(x, q, m.person.weight[who[part]], shown[part].to(device)) for m in members]
        rows.append(torch.stack(each).mean(0).cpu())
    return torch.cat(rows).numpy() if rows else np.zeros(0)


def ranking_loss(predicted: Tensor, liking: Tensor, each: int) -> Tensor:
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
    profile_new: np.ndarray, profiles: np.ndarray, k: int = NEIGHBOURS, temperature: float = TEMPERATURE
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and softmax weights of the ``k`` nearest profiles by cosine (paper, Fig. 12)."""
    norms = np.linalg.norm(profiles, axis=1) * np.linalg.norm(profile_new) + 1e-9
    cosine = profiles @ profile_new / norms
    nearest = np.argsort(-cosine)[:k]
    weight = np.exp((cosine[nearest] - cosine[nearest].max()) / temperature)
    return nearest, weight / weight.sum()
