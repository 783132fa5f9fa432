"""A vector for a person the predictor never saw, from a few ratings, with its uncertainty.

The person is not fitted in the model's full width, where a handful of ratings means nothing, but
in the space that other people's vectors span: their principal axes, with their spread as the prior.
What demographics say of those axes (a ridge over the seen people) is the prior's mean, so with no
ratings at all the vector is the best guess from demographics, and with none of these either it is the
population's. The posterior is Laplace's: a few Gauss-Newton steps on

    sum_i (g_i - y_i)^2 / noise^2 - 2 sum_(b,w) log Phi((g_b - g_w) / (sqrt(2) noise)) + |z - z0|^2 / s^2 + (l / l0)^2

    g_i = f(x_i; m + A z) + o_i + l

with A the axes scaled to unit prior variance (Bishop 2006, 4.4), the second sum over choices of b before w (Thurstone
1927, Mosteller 1951: two noisy likings are compared). ``o`` brings the member's common answer to what everybody makes
of the picture (:mod:`reward_models.pamela.anchor`). The level ``l``, how high a person rates everything, is a
coordinate of its own, so that it is not taken for taste. The spread ``s`` is what was worth most for other people with
as many ratings (:mod:`reward_models.pamela.amounts`). All on the CPU: Apple's GPUs have no log_ndtr.

Shapes: N people, n ratings, W model width, K axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from reward_models.pamela.model import PamelaPredictor
from reward_models.ratings.arrays import RatingTable
from reward_models.taste.prior import Amount

AXES = 24
STEPS = 12
ENOUGH = 1e-2  # of the energy, whose unit is half a nat: a step that gains less is the last
PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0, 1e4)
LEAST = 0.02  # of a person's spread: less is not told from the crowd
STATEMENT = 4  # ratings that a statement of a profile counts as: twelve true ones order pictures as 40 to 50 ratings do


@dataclass(frozen=True)
class PersonPrior:
    """Where people's vectors lie: ``mean`` (W,), which stands for nobody in particular, ``axes`` (K, W) of unit prior
    variance, the ridge from demographics, ``table`` (classes, K), and how common each class is, ``frequency``
    (classes,).

    ``level``: standard deviation of how high people rate everything; 0: no level of its own. ``amounts``: by number of
    ratings, how far a new person's vector may lie from the others' (``strength``, a factor on the axes); none: as far
    as theirs do.
    """

    mean: Tensor
    axes: Tensor
    table: Tensor
    frequency: Tensor
    sizes: tuple[int, ...]
    level: float = 0.0
    amounts: tuple[Amount, ...] = ()

    def at(self, z: Tensor) -> Tensor:
        """The vector (W,) of coordinates (K,)."""
        return self.mean + z @ self.axes

    def spread(self, ratings: int) -> float:
        """The factor on the axes for somebody with so many ratings."""
        found = [a.strength for a in self.amounts if a.ratings <= ratings]
        if not self.amounts:
            return 1.0
        return max(found[-1], LEAST) if found else LEAST

    def without_demographics(self) -> PersonPrior:
        """The same, demographics saying nothing."""
        return replace(self, table=torch.zeros_like(self.table))

    def guess(self, demographics: Sequence[int]) -> Tensor:
        """Coordinates (K,) expected of these demographics; rows as in ``PamelaConfig.index``, 0 for missing.

        With nothing known they are 0: the vector of nobody in particular. A class heard of after training says nothing.
        """
        rows = np.asarray([[r if r <= n else 0 for r, n in zip(demographics, self.sizes, strict=True)]], dtype=int)
        return _effects(rows, self.sizes, self.frequency)[0] @ self.table


@dataclass(frozen=True)
class Rows:
    """What is told of R ratings beside them. ``offset`` (R,): added to the member's answers; ``said`` (R,): which are
    statements, of which a person's level is no part.
    """

    offset: Tensor | None = None
    said: Tensor | None = None


@dataclass(frozen=True)
class FittedPerson:
    """A fitted vector (W,), the covariance (K, K) of its coordinates on the prior's axes, where people lie as far apart
    as they do, and the ``level`` that is added to every answer.
    """

    vector: Tensor
    covariance: Tensor
    level: float = 0.0


def _effects(rows: np.ndarray, sizes: Sequence[int], frequency: Tensor) -> Tensor:
    """Table rows (N, fields), 0 for missing, to (N, classes): one-hot less how common a class is, 0 where missing."""
    parts = [torch.zeros(len(rows), 0)]
    for k, (size, common) in enumerate(zip(sizes, frequency.split(list(sizes)), strict=True)):
        row = torch.as_tensor(rows[:, k])
        parts.append((torch.eye(size + 1)[row][:, 1:] - common) * (row > 0)[:, None])
    return torch.cat(parts, dim=1)


def person_prior(
    vectors: Tensor, nobody: Tensor, demographics: np.ndarray, sizes: Sequence[int], axes: int = AXES
) -> PersonPrior:
    """The prior from seen people's vectors (N, W), the vector (W,) that stands for a withheld one, and their
    demographics as table rows (N, fields) of fields with ``sizes`` classes.
    """
    centred = vectors - vectors.mean(0)
    _, singular, directions = torch.linalg.svd(centred, full_matrices=False)
    k = min(axes, int((singular > 1e-6 * singular[0]).sum()))
    spread = singular[:k] / len(vectors) ** 0.5
    coordinates = centred @ directions[:k].T / spread  # (N, K), unit variance
    counts = [np.bincount(demographics[:, f], minlength=size + 1)[1:] for f, size in enumerate(sizes)]
    shares = [c / max(c.sum(), 1) for c in counts]
    frequency = torch.from_numpy(np.concatenate(shares) if shares else np.zeros(0)).float()
    x = _effects(demographics, sizes, frequency)
    table = _ridge(x, coordinates)
    left = (coordinates - x @ table).std(0).clamp(min=0.3)  # what demographics leave open
    return PersonPrior(nobody, directions[:k] * (spread * left)[:, None], table / left, frequency, tuple(sizes))


def _ridge(x: Tensor, y: Tensor) -> Tensor:
    """Ridge (classes, K) of y (N, K) on x (N, classes), each column with its penalty of least leave-one-out error."""
    from sklearn.linear_model import RidgeCV

    if not (x.shape[1] and y.shape[1]):  # people without demographics, or all alike
        return torch.zeros(x.shape[1], y.shape[1])
    ridge = RidgeCV(PENALTIES, fit_intercept=False, alpha_per_target=True)
    ridge.fit(x.double().numpy(), y.double().numpy())
    return torch.from_numpy(ridge.coef_).reshape(y.shape[1], -1).T.float()


def fit_person(
    member: PamelaPredictor,
    prior: PersonPrior,
    pictures: Tensor,
    prompts: Tensor,
    liking: Tensor,
    demographics: Sequence[int] | None = None,
    noise: float = 0.16,
) -> FittedPerson:
    """The person who gave ``liking`` (n,) to pictures and prompts (n, D); n may be 0."""
    known = list(demographics) if demographics is not None else [0] * len(member.config.demographics)
    owner = torch.zeros(len(liking), dtype=torch.long)
    return fit_people(member, prior, pictures, prompts, liking, owner, [known], noise)[0]


def fit_people(
    member: PamelaPredictor,
    prior: PersonPrior,
    pictures: Tensor,
    prompts: Tensor,
    liking: Tensor,
    owner: Tensor,
    demographics: Sequence[Sequence[int]],
    noise: float | Tensor = 0.16,
    choices: Tensor | None = None,
    rows: Rows = Rows(),
) -> list[FittedPerson]:
    """U people at once, each fitted to their own of R ratings: ``liking`` (R,) of pictures and prompts (R, D), NaN for
    pictures that were only chosen between.

    ``owner``: whose rating it is (R,), below U; ``demographics``: table rows, one list a person; ``noise``: standard
    deviation of a rating around the model, in [0, 1], or one each (R,); ``choices`` (C, 2): rows of the better and the
    worse picture of a choice, both of one person. Everything of the member stays frozen; metadata is withheld, as when
    steering. Nobody's fit depends on who is fitted beside them.
    """
    config = member.config
    start = torch.stack([prior.guess(known) for known in demographics])  # (U, K)
    n, axes = start.shape
    hidden = [0] * len(config.metadata)
    fields = torch.tensor([[*known, *hidden] for known in demographics])[owner]
    offset = torch.zeros(len(liking)) if rows.offset is None else rows.offset
    said = torch.zeros(len(liking), dtype=torch.bool) if rows.said is None else rows.said
    counts = torch.bincount(owner, torch.where(said, float(STATEMENT), 1.0), minlength=n)
    spreads = torch.tensor([prior.spread(int(count)) for count in counts])
    rated = (~said).float()
    # coordinates and the level, in units of their prior deviation: (U, K + 1)
    start = torch.cat([start / spreads[:, None], torch.zeros(n, 1)], 1)
    unit_of = torch.cat([spreads[:, None].expand(-1, axes), torch.full((n, 1), prior.level)], 1)

    def summed(values: Tensor) -> Tensor:
        """Over each person's ratings: (R, ...) to (U, ...)."""
        return values.new_zeros(n, *values.shape[1:]).index_add_(0, owner, values)

    spread = torch.as_tensor(noise, dtype=torch.float32).expand(len(liking))
    weight = torch.where(liking.isnan(), 0.0, 1 / spread**2)  # of a rating
    liking = liking.nan_to_num()
    won, lost = choices.T if choices is not None and len(choices) else torch.zeros(2, 0, dtype=torch.long)
    unit = (spread[won] ** 2 + spread[lost] ** 2).sqrt()  # of a difference

    def summed_choices(values: Tensor) -> Tensor:
        return values.new_zeros(n, *values.shape[1:]).index_add_(0, owner[won], values)

    def split(z: Tensor) -> tuple[Tensor, Tensor]:  # to vectors (U, W) and levels (U,)
        own = z * unit_of
        return prior.at(own[:, :axes]), own[:, axes]

    @torch.no_grad()
    def energy(z: Tensor) -> Tensor:  # (U, K + 1) to (U,)
        vectors, levels = split(z)
        predicted = member(pictures, prompts, vectors[owner], fields) + offset + rated * levels[owner]
        chosen = -2 * torch.special.log_ndtr((predicted[won] - predicted[lost]) / unit)
        return summed(weight * (predicted - liking) ** 2) + summed_choices(chosen) + ((z - start) ** 2).sum(-1)

    def told(z: Tensor) -> tuple[Tensor, Tensor]:
        """What the ratings tell, in units of the axes: curvature (U, K + 1, K + 1) and slope (U, K + 1)."""
        vectors, levels = split(z)
        predicted, slope = sensitivity(member, pictures, prompts, vectors[owner], fields)
        predicted = predicted + offset + rated * levels[owner]
        jacobian = torch.cat([slope @ prior.axes.T, rated[:, None]], 1)  # (R, K + 1)
        curvature = summed(weight[:, None, None] * jacobian[:, :, None] * jacobian[:, None, :])
        pull = summed(jacobian * (weight * (predicted - liking))[:, None])
        if len(won):
            apart = (jacobian[won] - jacobian[lost]) / unit[:, None]  # (C, K + 1)
            t = (predicted[won] - predicted[lost]) / unit
            hazard = torch.exp(-(t**2) / 2 - 0.5 * math.log(2 * math.pi) - torch.special.log_ndtr(t))  # phi / Phi
            bend = (hazard * (hazard + t))[:, None, None]
            curvature = curvature + summed_choices(bend * apart[:, :, None] * apart[:, None, :])
            pull = pull - summed_choices(hazard[:, None] * apart)
        return curvature, pull

    z = start
    now = energy(z) if len(liking) else torch.zeros(n)
    going = torch.ones(n, dtype=torch.bool)  # each stops by itself, so nobody depends on the others
    for _ in range(STEPS if len(liking) else 0):
        curvature, pull = told(z)
        precision = unit_of[:, :, None] * curvature * unit_of[:, None, :] + torch.eye(axes + 1)
        step = torch.linalg.solve(precision, unit_of * pull + (z - start)) * going[:, None]
        size = torch.ones(n, 1)
        then = energy(z - size * step)
        while (worse := (then > now) & (size[:, 0] > 1e-2)).any():
            size = torch.where(worse[:, None], size / 2, size)
            then = energy(z - size * step)
        better = then < now
        z = torch.where(better[:, None], z - size * step, z)
        going &= now - then >= ENOUGH
        now = torch.minimum(now, then)
        if not going.any():
            break
    vectors, levels = split(z)
    curvature = told(z)[0] if len(liking) else torch.zeros(n, axes + 1, axes + 1)
    own = torch.ones(axes + 1)
    own[axes] = 1 / max(prior.level, 1e-4) ** 2
    covariances = torch.linalg.inv((curvature + own.diag()).double())[:, :axes, :axes].float()
    found = zip(vectors, covariances, levels.tolist(), strict=True)
    return [FittedPerson(*each) for each in found]


def sensitivity(
    member: PamelaPredictor, pictures: Tensor, prompts: Tensor, people: Tensor, fields: Tensor
) -> tuple[Tensor, Tensor]:
    """Liking (B,) and its slope (B, W) in each row's own person vector; arguments as in the predictor's ``forward``."""
    vectors = people.detach().clone().requires_grad_()
    with torch.enable_grad():
        predicted = member(pictures, prompts, vectors, fields)
        (slope,) = torch.autograd.grad(predicted.sum(), vectors)
    return predicted.detach(), slope


def trained_covariances(
    member: PamelaPredictor,
    prior: PersonPrior,
    pictures: Tensor,
    prompts: Tensor,
    ratings: RatingTable,
    noise: float,
    batch: int = 4096,
) -> Tensor:
    """Laplace's posterior (P + 1, K, K) of every trained person at the vector training found, from their own ratings.

    Row 0, of nobody in particular, is the prior: how much people differ.
    """
    config = member.config
    who = torch.tensor([config.index("person", p) for p in ratings.person])
    precision = torch.eye(len(prior.axes)).repeat(len(config.people) + 1, 1, 1)
    fields = torch.from_numpy(ratings.fields).clone()
    fields[:, len(config.demographics) :] = 0
    for rows in torch.arange(len(ratings)).split(batch):
        x, q = pictures[ratings.picture[rows.numpy()]], prompts[ratings.prompt[rows.numpy()]]
        own = who[rows]
        vectors = member.person.weight[own]
        _, slope = sensitivity(member, x, q, vectors, fields[rows])
        jacobian = slope @ prior.axes.T / noise  # (rows, K)
        precision.index_add_(0, own, jacobian[:, :, None] * jacobian[:, None, :])
    return torch.linalg.inv(precision)


def priors(members: Sequence[PamelaPredictor], train: RatingTable, axes: int = AXES) -> list[PersonPrior]:
    """Where the people of ``train`` lie, a prior a member."""
    config = members[0].config
    sizes = [len(config.vocabularies[f]) for f in config.demographics]
    ids, first = np.unique(train.person, return_index=True)
    demographics = train.fields[first, : len(config.demographics)]
    rows = [config.index("person", p) for p in ids]
    tables = [m.person.weight.detach() for m in members]
    return [person_prior(table[rows], table[0], demographics, sizes, axes) for table in tables]
