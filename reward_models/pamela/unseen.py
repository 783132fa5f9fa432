"""Decades that nobody in training is in: their vectors, and what the prior expects, lie between their neighbours'.

A learned table says nothing of a class without people. Ages are ordered, so such a class is interpolated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from reward_models.pamela.model import PamelaConfig, PamelaPredictor
from reward_models.pamela.people import PersonPrior
from reward_models.ratings.arrays import RatingTable
from reward_models.ratings.classes import mixed


@torch.no_grad()
def fill_unseen(member: PamelaPredictor, train: RatingTable) -> None:
    """Fill the rows of unseen decades in the member's tables of demographics."""
    for column, row, weights in _unseen(member.config, train):
        table = member.fields[column]
        if isinstance(table, nn.Embedding):
            table.weight[row + 1] = sum(share * table.weight[near + 1] for near, share in weights)


def prior_of_unseen(prior: PersonPrior, config: PamelaConfig, train: RatingTable) -> PersonPrior:
    """The prior with what it expects of unseen decades."""
    table = prior.table.clone()
    begin = np.cumsum([0, *(len(config.vocabularies[f]) for f in config.demographics)])
    for column, row, weights in _unseen(config, train):
        table[begin[column] + row] = sum(share * table[begin[column] + near] for near, share in weights)
    return replace(prior, table=table)


def _unseen(config: PamelaConfig, train: RatingTable) -> Iterator[tuple[int, int, list[tuple[int, float]]]]:
    """Field, class and the seen classes near it with their shares, of every unseen decade."""
    for column, name in enumerate(config.demographics):
        classes = config.vocabularies[name]
        seen = [classes[row - 1] for row in np.unique(train.fields[:, column]) if row > 0]
        for value, near in mixed(classes, seen).items():
            yield column, classes.index(value), [(classes.index(n), share) for n, share in near]
