"""A vector for a person the predictor never saw, from a few ratings, with its uncertainty.

The person is not fitted in the model's full width, where a handful of ratings means nothing, but
in the space that other people's vectors span: their principal axes, with their spread as the prior.
What demographics say of those axes (a ridge over the seen people) is the prior's mean, so with no
ratings at all the vector is the best guess from demographics. The posterior is Laplace's: a few
Gauss-Newton steps on

    sum_i (f(x_i; m + A z) - y_i)^2 / noise^2 + |z - z0|^2

with A the axes scaled to unit prior variance (Bishop 2006, 4.4). Shapes: N people, n ratings,
W model width, K axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reward_models.pamela import PamelaPredictor

AXES = 24
STEPS = 8
PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0, 1e4)


@dataclass(frozen=True)
class PersonPrior:
    """Where people's vectors lie: ``mean`` (W,), ``axes`` (K, W) of unit prior variance, and the
    ridge from demographics, ``table`` (classes + 1, K), whose first row is the intercept."""

    mean: Tensor
    axes: Tensor
    table: Tensor
    sizes: tuple[int, ...]

    def guess(self, demographics: Sequence[int]) -> Tensor:
        """Coordinates (K,) expected of these demographics; rows as in ``PamelaConfig.index``, 0 for missing."""
        return _one_hot(np.asarray([demographics]), self.sizes)[0] @ self.table


@dataclass(frozen=True)
class FittedPerson:
    """A fitted vector (W,) and the covariance (K, K) of its coordinates on ``axes`` (K, W)."""

    vector: Tensor
    covariance: Tensor
    axes: Tensor


def _one_hot(rows: np.ndarray, sizes: Sequence[int]) -> Tensor:
    """Table rows (N, fields), 0 for missing, to (N, 1 + classes) with a leading one."""
    parts = [torch.ones(len(rows), 1)]
    for k, size in enumerate(sizes):
        parts.append(torch.eye(size + 1)[torch.as_tensor(rows[:, k])][:, 1:])
    return torch.cat(parts, dim=1)


def person_prior(vectors: Tensor, demographics: np.ndarray, sizes: Sequence[int], axes: int = AXES) -> PersonPrior:
    """The prior from seen people's vectors (N, W) and their demographics as table rows (N, fields)."""
    mean = vectors.mean(0)
    centred = vectors - mean
    _, singular, directions = torch.linalg.svd(centred, full_matrices=False)
    k = min(axes, int((singular > 1e-6 * singular[0]).sum()))
    spread = singular[:k] / len(vectors) ** 0.5
    coordinates = centred @ directions[:k].T / spread  # (N, K), unit variance
    x = _one_hot(demographics, sizes)
    table = _ridge(x, coordinates)
    left = (coordinates - x @ table).std(0).clamp(min=0.3)  # what demographics leave open
    return PersonPrior(mean, directions[:k] * (spread * left)[:, None], table / left, tuple(sizes))


def _ridge(x: Tensor, y: Tensor) -> Tensor:
    """Ridge (the intercept, column 0, free), each column of y with its penalty of least leave-one-out error."""
    tables, errors = [], []
    for penalty in PENALTIES:
        weight = torch.full((x.shape[1],), penalty)
        weight[0] = 1e-6
        inverse = torch.linalg.inv(x.T @ x + torch.diag(weight))
        leverage = (x @ inverse * x).sum(1)
        tables.append(inverse @ x.T @ y)
        errors.append((((y - x @ tables[-1]) / (1 - leverage).clamp(min=1e-3)[:, None]) ** 2).mean(0))
    best = torch.stack(errors).argmin(0)  # (K,)
    return torch.stack(tables)[best, :, torch.arange(y.shape[1])].T


def fit_person(
    member: PamelaPredictor, prior: PersonPrior, pictures: Tensor, prompts: Tensor, liking: Tensor,
    demographics: Sequence[int] | None = None, noise: float = 0.16,
) -> FittedPerson:  # fmt: skip
    """The person who gave ``liking`` (n,) to pictures and prompts (n, D); n may be 0.

    ``noise``: standard deviation of a rating around the model, in [0, 1]. Everything of the
    member stays frozen; metadata is withheld, as when steering.
    """
    config = member.config
    known = list(demographics) if demographics is not None else [0] * len(config.demographics)
    start = prior.guess(known)
    eye = torch.eye(len(start))
    n = len(liking)
    if n == 0:
        return FittedPerson(prior.mean + start @ prior.axes, eye, prior.axes)
    row = torch.tensor(known + [0] * len(config.metadata)).expand(n, -1)

    def predict(z: Tensor) -> Tensor:  # (n, K) to (n,); each rating depends on its own row alone
        result: Tensor = member(pictures, prompts, prior.mean + z @ prior.axes, row)
        return result

    def energy(z: Tensor) -> float:
        return float(((predict(z.expand(n, -1)) - liking) ** 2).sum() / noise**2 + ((z - start) ** 2).sum())

    z, precision = start, eye
    for _ in range(STEPS):
        rows = z.repeat(n, 1).requires_grad_()
        with torch.enable_grad():
            predicted = predict(rows)
            (jacobian,) = torch.autograd.grad(predicted.sum(), rows)  # (n, K)
        with torch.no_grad():
            precision = jacobian.T @ jacobian / noise**2 + eye
            gradient = jacobian.T @ (predicted - liking) / noise**2 + (z - start)
            step = torch.linalg.solve(precision, gradient)
            now, size = energy(z), 1.0
            while energy(z - size * step) > now and size > 1e-2:
                size /= 2
            z = z - size * step
        if float((size * step).norm()) < 1e-3:
            break
    return FittedPerson(prior.mean + z @ prior.axes, torch.linalg.inv(precision), prior.axes)
