"""Which picture a person should rate next: the one whose rating would tell most about their taste.

With Laplace's posterior N(z, C) of a person on the prior's axes, a rating of picture i with noise s changes the variance of what is
predicted of picture j by

    (a_j' C a_i)^2 / (s^2 + a_i' C a_i)        a: slope of the prediction in z (K,)

(Bayesian experimental design, A-optimal: Chaloner and Verdinelli 1995; as active learning: Cohn, Ghahramani and Jordan 1996).
The gain of i is its sum over all pictures j, whose slopes are taken around their mean: a shift of everything ranks nothing.
What was asked before has narrowed C where its pictures lie, so the next question is about something else by itself.
Shapes: U people, n pictures, M members, K axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from reward_models.pamela.people import FittedPerson, sensitivity

if TYPE_CHECKING:
    from reward_models.pamela.teacher import LearnsPeople


def slopes(
    reward: LearnsPeople,
    fitted: Sequence[FittedPerson],
    pictures: Tensor,
    prompts: Tensor,
    demographics: Mapping[str, str] | None = None,
) -> Tensor:
    """How the prediction of each picture moves with the person, (M, n, K); ``fitted`` one a member."""
    known = reward.config.row(dict(demographics or {}))[: len(reward.config.demographics)]
    fields = torch.tensor([[*known, *[0] * len(reward.config.metadata)]], device=reward.device).expand(
        len(pictures), -1
    )
    x, q = pictures.to(reward.device).clone(), prompts.to(reward.device).clone()
    each = []
    for member, prior, person in zip(reward.members, reward.priors, fitted, strict=True):
        _, slope = sensitivity(member, x, q, person.vector.expand(len(x), -1), fields)
        each.append(slope @ prior.axes.T)
    return torch.stack(each)


def gains(slope: Tensor, covariance: Tensor, noise: float) -> Tensor:
    """Variance (n,) that a rating of each picture takes away, summed over all pictures; mean over members.

    ``slope`` (M, n, K), ``covariance`` (M, K, K), ``noise`` standard deviation of a rating.
    """
    target = slope - slope.mean(1, keepdim=True)
    shared = target @ covariance @ slope.transpose(1, 2)  # (M, j, i)
    own = torch.einsum("mik,mkl,mil->mi", slope, covariance, slope)
    return (shared.pow(2).sum(1) / (noise**2 + own)).mean(0)


def open_variance(slope: Tensor, covariance: Tensor) -> float:
    """What is not known yet: variance of the predictions around their mean, averaged over pictures and members."""
    target = slope - slope.mean(1, keepdim=True)
    return float(torch.einsum("mik,mkl,mil->mi", target, covariance, target).mean())


def pair_gains(slope: Tensor, covariance: Tensor, noise: float, pairs: Tensor) -> Tensor:
    """As :func:`gains`, of being told which of two pictures is better: ``pairs`` (C, 2) of rows; of an even choice, a probit's
    information of 2 / pi of a rating of the difference."""
    target = slope - slope.mean(1, keepdim=True)
    apart = slope[:, pairs[:, 0]] - slope[:, pairs[:, 1]]  # (M, C, K)
    shared = target @ covariance @ apart.transpose(1, 2)
    own = torch.einsum("mik,mkl,mil->mi", apart, covariance, apart)
    return (shared.pow(2).sum(1) / (noise**2 * torch.pi + own)).mean(0)


def draws(reward: LearnsPeople, person: str, pictures: Tensor, prompts: Tensor, n: int = 400, seed: int = 0) -> Tensor:
    """Likings (``n``, pictures) of people that this person may be: of members in turn, linear in the person's vector."""
    row = reward.config.index("person", person)
    demographics = reward.demographics.get(person, {})
    fields = torch.tensor([reward.config.row(demographics)], device=reward.device).expand(len(pictures), -1)
    x, q = pictures.to(reward.device).clone(), prompts.to(reward.device).clone()
    generator = torch.Generator().manual_seed(seed)
    found = []
    for member, prior, covariance in zip(reward.members, reward.priors, reward.covariances, strict=True):
        answer, slope = sensitivity(member, x, q, member.person.weight[row].expand(len(x), -1), fields)
        root = torch.linalg.cholesky(covariance[row].cpu() + 1e-6 * torch.eye(len(prior.axes)))
        z = torch.randn(-(-n // len(reward.members)), len(prior.axes), generator=generator) @ root.T
        found.append(answer.cpu() + z @ (slope @ prior.axes.T).cpu().T)
    return torch.cat(found)[:n]


def likeness(reward: LearnsPeople, person: str) -> dict[str, float]:
    """Cosine of this person's vector to everybody's, each less nobody's, on the axes that people differ along; mean over members."""
    row = reward.config.index("person", person)
    total = torch.zeros(len(reward.config.people))
    for member, prior in zip(reward.members, reward.priors, strict=True):
        own_length = prior.axes.norm(dim=1, keepdim=True)
        along = (member.person.weight[1:] - prior.mean) @ (prior.axes / own_length).T  # (P, K)
        unit = torch.nn.functional.normalize(along, dim=1)
        total += (unit @ unit[row - 1]).cpu() / len(reward.members)
    return {p: float(v) for p, v in zip(reward.config.people, total, strict=True) if p != person}
