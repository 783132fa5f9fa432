"""Which picture a person should rate next: the one whose rating would tell most about their taste.

With Laplace's posterior N(z, C) of a person on the prior's axes, a rating of picture i with noise s changes the
variance of what is predicted of picture j by

    (a_j' C a_i)^2 / (s^2 + a_i' C a_i)        a: slope of the prediction in z (K,)

(Bayesian experimental design, A-optimal: Chaloner and Verdinelli 1995; as active learning: Cohn, Ghahramani and Jordan
1996). The gain of i is its sum over all pictures j, whose slopes are taken around their mean: a shift of everything
ranks nothing. What was asked before has narrowed C where its pictures lie, so the next question is about something else
by itself. Shapes: U people, n pictures, M members, K axes.
"""

from __future__ import annotations

import torch
from torch import Tensor


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
    """As :func:`gains`, of being told which of two pictures is better: ``pairs`` (C, 2) of rows; of an even choice, a
    probit's information of 2 / pi of a rating of the difference.
    """
    target = slope - slope.mean(1, keepdim=True)
    apart = slope[:, pairs[:, 0]] - slope[:, pairs[:, 1]]  # (M, C, K)
    shared = target @ covariance @ apart.transpose(1, 2)
    own = torch.einsum("mik,mkl,mil->mi", apart, covariance, apart)
    return (shared.pow(2).sum(1) / (noise**2 * torch.pi + own)).mean(0)
