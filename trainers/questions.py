"""The pictures that ship for people to rate: of the data set's training pictures those that together tell most of
anybody's taste."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import reward_models
from reward_models.pamela.ensemble import Ensemble
from reward_models.pamela.people import sensitivity
from reward_models.pamela.reward import PamelaReward
from reward_models.questions import gains
from steer.miniature.dataset import N_PICTURES, SHARES, plan
from steer.resources import miniature_weights

CANDIDATES = 600


def write_questions(dataset: Path, target: Path, n: int = 60) -> None:
    """``n`` lossless WebP files and prompts.json in ``target``, by greedy A-optimal design for a person of the
    prior."""
    reward = reward_models.load(miniature_weights("reward"))
    assert isinstance(reward, PamelaReward)
    # painted ones: their subjects are plain to see
    planned = [p for p in plan(N_PICTURES)[: round(SHARES["train"] * N_PICTURES)] if not p.generated]
    rows = np.random.default_rng(1).choice(len(planned), CANDIDATES, replace=False)
    images = [Image.open(dataset / planned[i].file).convert("RGB") for i in rows]
    pictures, prompts = reward.encoder.images(images), reward.encoder.texts([planned[i].prompt for i in rows])
    chosen = design(reward.ensemble, pictures, prompts, n)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    names = {}
    for k, i in enumerate(chosen):
        name = f"{k:02d}.webp"
        images[i].save(target / name, lossless=True, quality=100, method=6)
        names[name] = planned[rows[i]].prompt
    (target / "prompts.json").write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")


def design(ensemble: Ensemble, pictures: torch.Tensor, prompts: torch.Tensor, n: int) -> list[int]:
    """Rows of the ``n`` pictures that a person of the prior should rate, one after another."""
    fields = torch.tensor([ensemble.config.row({})]).expand(len(pictures), -1)
    each = []
    for member, prior in zip(ensemble.members, ensemble.priors, strict=True):
        _, along_vector = sensitivity(member, pictures, prompts, prior.mean.expand(len(pictures), -1), fields)
        each.append(along_vector @ prior.axes.T)
    slope = torch.stack(each)  # (M, n, K)
    noise, covariance = ensemble.config.noise, torch.eye(slope.shape[2]).expand(len(each), -1, -1)
    chosen: list[int] = []
    for _ in range(n):
        gain = gains(slope, covariance, noise)
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        along = slope[:, best]  # (M, K)
        seen = torch.einsum("mkl,ml->mk", covariance, along)
        scale = noise**2 + (along * seen).sum(1)
        covariance = covariance - seen[:, :, None] * seen[:, None, :] / scale[:, None, None]
    return chosen
