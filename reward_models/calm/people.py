"""A person as CALM knows them: sets of pictures that they scored, shown to the model before each question.

The paper's: five examples in context, drawn at random; seven of ten rated pictures as examples for the other three.
Ours: the mean over several draws, whose spread is the uncertainty; how far the answer in context is heeded beside
everybody's score, settled by ratings of the person that were held out: three of ten behind the seven others, and of
fewer each one behind the rest. Shapes: n ratings, m queries, S sets, P tokens, D width of the language model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, tensor

LEAST = 5  # ratings, below which a person is scored as everybody
SHOWN, CONTEXT, PREDICTED = 5, 7, 3  # pictures in context; of ten, those before and those after
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # how far the answer in context may be heeded
BEFORE, BY = 0.5, 0.5  # what is taken of the share before any rating, and a standard deviation around it
NOISE = 0.16  # standard deviation of a rating in [0, 1]
STRENGTH = 4.0  # ratings that it takes to believe half of how far a person lies above or below the answers


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture by its tokens (P, D), and the person's liking in [0, 1]."""

    tokens: Tensor
    liking: float


@dataclass(frozen=True, eq=False)
class Known:
    """``sets``: of examples, none before there are :data:`LEAST` ratings. ``share`` of the answer in context against
    everybody's, ``level``: added to both. ``rated``: how many ratings there are.
    """

    sets: list[list[Shot]] = field(default_factory=list)
    share: float = 0.0
    level: float = 0.0
    rated: int = 0

    @property
    def open(self) -> float:
        """Share in [0, 1] of the person's taste that is unknown: a rough guess, by the number of ratings and by how far
        answers in context are heeded.
        """
        return 1 - self.share * self.rated / (self.rated + 10)

    def likings(self, general: np.ndarray, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Likings (m,) and the part of their uncertainty (m,) that comes from the draw, of everybody's (m,) and of the
        answers behind each set (m, S).
        """
        if not shown.shape[1]:
            return general, np.zeros(len(general))
        mean = general + self.share * (shown.mean(axis=1) - general) + self.level
        return np.clip(mean, 0, 1), self.share * shown.std(axis=1)


def draws(n: int, sets: int, seed: int) -> list[list[int]]:
    """``sets`` draws of five of n pictures, in an order drawn too. The same for the same n and seed.

    >>> [len(set(d)) for d in draws(8, 2, 0)], draws(4, 2, 0)
    ([5, 5], [])
    """
    if n < LEAST:
        return []
    rng = np.random.default_rng([seed, n])
    return [rng.permutation(n)[:SHOWN].tolist() for _ in range(sets)]


def held_out(n: int, times: int, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """(examples, predicted) of n ratings: seven and three, drawn ``times`` times; below ten all but one, and that one.

    >>> [(len(a), len(b)) for a, b in held_out(12, 2, 0)], len(list(held_out(6, 2, 0)))
    ([(7, 3), (7, 3)], 6)
    """
    if n >= CONTEXT + PREDICTED:
        rng = np.random.default_rng([seed, n, 1])
        for _ in range(times):
            order = rng.permutation(n).tolist()
            yield order[:CONTEXT], order[CONTEXT : CONTEXT + PREDICTED]
    elif n >= LEAST:
        for one in range(n):
            yield [i for i in range(n) if i != one], [one]


def settled(general: np.ndarray, shown: np.ndarray, rated: np.ndarray) -> tuple[float, float]:
    """Share and level that explain held-out ratings (n,) best, from everybody's likings (n,) and those in context (n,).

    A maximum a posteriori on a grid: errors of a standard deviation of :data:`NOISE`, the share around
    :data:`BEFORE`, the level as the mean error, shrunk.
    """
    best, found = math.inf, (BEFORE, 0.0)
    for share in SHARES:
        errors = rated - (general + share * (shown - general))
        level = float(errors.sum() / (len(errors) + STRENGTH))
        cost = float(((errors - level) ** 2).sum()) / (2 * NOISE**2) + (share - BEFORE) ** 2 / (2 * BY**2)
        if cost < best:
            best, found = cost, (share, level)
    return found


def packed(known: Known) -> bytes:
    """A person as bytes; pictures that are in several sets are kept once."""
    shots = {id(shot): shot for drawn in known.sets for shot in drawn}
    at = {key: i for i, key in enumerate(shots)}
    rows: dict[str, Tensor] = {f"tokens.{i}": shot.tokens.contiguous() for i, shot in enumerate(shots.values())}
    rows["likings"] = tensor([shot.liking for shot in shots.values()]).double()
    rows["sets"] = tensor([[at[id(shot)] for shot in drawn] for drawn in known.sets]).long()
    rows["told"] = tensor([known.share, known.level, known.rated]).double()
    return bytes(save(rows))


def unpacked(data: bytes, shape: Sequence[int]) -> Known:
    """The reverse of :func:`packed`; ``shape``: of a picture's tokens. Raises ValueError."""
    try:
        rows = load(data)
        likings, share_level_rated = rows["likings"].tolist(), rows["told"].tolist()
        shots = [Shot(rows[f"tokens.{i}"], liking) for i, liking in enumerate(likings)]
        sets = [[shots[i] for i in drawn] for drawn in rows["sets"].tolist()]
        share, level, rated = share_level_rated
    except (SafetensorError, KeyError, IndexError, ValueError) as error:
        raise ValueError(f"the lesson does not open: {error}") from error
    wrong = [s for s in shots if tuple(s.tokens.shape) != tuple(shape) or not bool(s.tokens.isfinite().all())]
    if wrong or not all(map(math.isfinite, (share, level, *likings))):
        raise ValueError("the lesson is not one of this reward")
    return Known(sets, share, level, int(rated))
