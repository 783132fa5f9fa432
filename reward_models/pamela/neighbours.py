"""New people by those of most alike taste, as the paper has it (Fig. 12), in place of a fit.

Shapes: n pictures, P trained people, D features, W model width.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reward_models.pamela.ensemble import Ensemble
from reward_models.pamela.people import FittedPerson
from reward_models.pamela.training import NEIGHBOURS, TEMPERATURE, neighbour_weights, profile
from reward_models.ratings.arrays import RatingTable

LEAST = 2  # ratings: of one alone, nothing is liked more than the rest


def profiles_of(people: list[str], pictures: Tensor, train: RatingTable) -> Tensor:
    """The profile of each person (P, D): the features of what they rated, weighted by how much more than usual."""
    features = pictures.numpy()
    each = [train.where(train.person == p) for p in people]
    return torch.from_numpy(np.stack([profile(features[t.picture], t.liking) for t in each])).float()


def by_neighbours(ensemble: Ensemble, profiles: Tensor, pictures: Tensor, likings: np.ndarray) -> list[FittedPerson]:
    """The vector in every member (M,) of who gave ``likings`` (n,) to pictures (n, D): the mean of the nearest
    people's.

    Its covariance is the prior's, as this says nothing of how sure it is. With fewer than ``LEAST`` ratings, or all
    alike, it is nobody's vector.
    """
    spread = [torch.eye(len(prior.axes)) for prior in ensemble.priors]
    if len(likings) < LEAST or np.ptp(likings) == 0:
        return [FittedPerson(p.mean, c) for p, c in zip(ensemble.priors, spread, strict=True)]
    own = profile(pictures.numpy(), likings)
    nearest, weights = neighbour_weights(own, profiles.numpy(), NEIGHBOURS, TEMPERATURE)
    rows = [ensemble.config.index("person", ensemble.trained[i]) for i in nearest]
    mix = torch.from_numpy(weights).float()
    return [FittedPerson(mix @ m.person.weight[rows], c) for m, c in zip(ensemble.members, spread, strict=True)]
