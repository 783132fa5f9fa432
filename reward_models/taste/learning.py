"""A crowd and a prior of taste from many people's ratings. Every choice is made on pictures AND people that the choice
was not learnt from: what generalises is what counts when a person is new and so are the pictures.

Shapes: P pictures, R ratings, D features, F directions, N people, S strengths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from reward_models.taste.axes import axes_of
from reward_models.taste.crowd import Crowd, folds
from reward_models.taste.known import PictureMeans
from reward_models.taste.prior import CAREFUL, Amount, TastePrior, leading, unit
from reward_models.taste.scale import Scale

COUNTS = (2, 5, 10, 15, 25, 50, 100)
STRENGTHS = np.array([0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56])
# Part of the directions in which people are known to differ, the rest being even; and how many times the people count
# the even prior under which those axes are learnt.
KINDS = ((0.0, 1.0), (0.5, 1.0), (0.9, 1.0), (0.98, 0.02))
FOLDS = 4  # of pictures
REPEATED = 600  # pictures below which they are split more than once, as which picture falls where is chance
AXES_FROM = 64  # leading directions in which axes are looked for
PEOPLE, PICTURES = 240, 3000  # at most, to choose by
LEAST_PEOPLE = 5
TESTED = 4  # ratings of a person, at least, to judge by
SURE = 1.0  # standard errors, over people and over splits of pictures, that are taken off a gain
ENOUGH = 0.75  # of the surest gain
SEED = 0


@dataclass(frozen=True)
class Rated:
    """Ratings: ``x`` (P, D) features, ``picture`` and ``person`` (R,) as numbers, ``liking`` (R,) in [0, 1], ``group``
    (P,): pictures that are nearly the same.
    """

    x: np.ndarray
    picture: np.ndarray
    person: np.ndarray
    liking: np.ndarray
    group: np.ndarray

    def where(self, rows: np.ndarray) -> Rated:
        """Some of the ratings."""
        return replace(self, picture=self.picture[rows], person=self.person[rows], liking=self.liking[rows])


@dataclass(frozen=True)
class Everybody:
    """What all share: ``crowd``, its ``answers`` (P,), the ``means`` of pictures that were rated, and ``effect``,
    standard deviation of what the crowd misses of a picture.
    """

    crowd: Crowd
    answers: np.ndarray
    means: PictureMeans
    effect: float

    @classmethod
    def of(cls, rated: Rated) -> Everybody:
        """From ratings; people's levels are taken off."""
        means = PictureMeans.of(len(rated.x), rated.picture, rated.person, rated.liking)
        at = means.rated
        crowd = Crowd.fit(rated.x[at], means.mean[at], means.count[at], means.noise, rated.group[at])
        missed = float(np.var(means.mean[at]) * (1 - crowd.r2) - np.mean(means.noise**2 / means.count[at]))
        return cls(crowd, crowd(rated.x), means, float(np.sqrt(max(missed, 1e-6))))

    def others(self, picture: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """See :meth:`PictureMeans.expected`; (n,)."""
        return self.means.expected(self.answers[picture], picture, self.effect, own)


Kind = tuple[float, float]


@dataclass
class Worth:
    """What taste was worth for people left out, on pictures left out: gains in correlation (people, S) by kind of prior
    and number of ratings, and their means by split of the pictures (splits, S). ``kind`` and ``amounts`` are what was
    chosen.
    """

    gains: dict[Kind, dict[int, np.ndarray]] = field(default_factory=dict)
    splits: dict[Kind, dict[int, np.ndarray]] = field(default_factory=dict)
    kind: Kind = KINDS[0]
    amounts: tuple[Amount, ...] = CAREFUL

    def choose(self) -> None:
        """The kind with which a careful choice of strengths gains most."""
        best = -np.inf
        for kind, by_count in self.gains.items():
            amounts, total = careful(by_count, self.splits[kind], STRENGTHS)
            if amounts and total > best:
                best, self.kind, self.amounts = total, kind, amounts


def careful(
    gains: Mapping[int, np.ndarray], splits: Mapping[int, np.ndarray], strengths: np.ndarray, smallest: bool = True
) -> tuple[tuple[Amount, ...], float]:
    """A strength for each number of ratings, from gains by person (people, S) and by split (splits, S), and the sum of
    its sure gains. Strengths never fall as ratings come in.

    The surest gain is the one that is largest with a standard error taken off. The ``smallest`` strength that has most
    of it is taken, as the best of many flatters; or else the largest that surely does not hurt and is not surely worse,
    person by person (the rule of one standard error, Breiman and others 1984, 3.4.3).
    """
    picked, total, least = [], 0.0, 0
    for n, each in sorted(gains.items()):
        sure = each.mean(axis=0) - SURE * _error(each, splits[n])
        best = int(sure.argmax())
        behind = each[:, best : best + 1] - each
        lost = behind.mean(axis=0) - SURE * _error(behind, splits[n][:, best : best + 1] - splits[n])
        able = np.flatnonzero(sure >= ENOUGH * sure.max() if smallest else (lost <= 0) & (sure >= 0))
        at = max(least, int(able[0 if smallest else -1]))
        least, total = at, total + float(sure[at])
        picked.append(Amount(n, float(strengths[at])))
    return tuple(picked), total


def _error(people: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Standard error of the mean, over people and over splits of the pictures, (S,)."""
    found: np.ndarray = people.std(axis=0, ddof=1) / np.sqrt(len(people))
    return np.hypot(found, splits.std(axis=0, ddof=1) / np.sqrt(len(splits))) if len(splits) > 1 else found


def learn(rated: Rated, counts: Sequence[int] = COUNTS) -> tuple[Everybody, TastePrior, Worth]:
    """Crowd, prior and what it was worth. With fewer than 10 people, or 8 pictures, strengths are the careful ones."""
    everybody = Everybody.of(rated)
    rated = _fewer(rated)
    splits = _splits(rated)
    worth = _worth(rated, splits, counts)
    priors = _priors(rated, everybody, np.unique(rated.person))
    prior = replace(priors.get(worth.kind, priors[KINDS[0]]), amounts=worth.amounts)
    return everybody, _calibrated(rated, splits, worth, prior, counts), worth


def _fewer(rated: Rated) -> Rated:
    """Of many pictures some, drawn at random by their groups."""
    used = np.unique(rated.picture)
    if len(used) <= PICTURES:
        return rated
    order = np.random.default_rng(SEED).permutation(np.unique(rated.group[used]))
    sizes = np.cumsum([np.isin(rated.group[used], g).sum() for g in order[:PICTURES]])
    kept = order[: max(1, int((sizes <= PICTURES).sum()))]
    return rated.where(np.isin(rated.group[rated.picture], kept))


def _priors(rated: Rated, everybody: Everybody, people: np.ndarray) -> dict[Kind, TastePrior]:
    """A prior of every kind, axes learnt from ``people``."""
    pictures = np.unique(rated.picture)
    scale = Scale.of(rated.x[pictures])
    z = scale(rated.x[pictures])
    even = unit(leading(z), z)
    basis = unit(leading(z, min(AXES_FROM, max(1, len(pictures) // 2))), z)
    along = scale(rated.x) @ basis.T
    given = []
    for p in people:
        rows = np.flatnonzero(rated.person == p)
        own = rated.liking[rows] - rated.liking[rows].mean() + everybody.means.level
        given.append((along[rated.picture[rows]], own - everybody.others(rated.picture[rows], own)))
    found = {KINDS[0]: TastePrior(scale, even)}
    axes = {strength: axes_of(given, strength) for strength in {s for _, s in KINDS[1:]}}
    for share, strength in KINDS[1:]:
        if (own := axes[strength]) is not None:
            directed = unit(own @ basis, z)
            found[share, strength] = TastePrior(
                scale, np.vstack([np.sqrt(share) * directed, np.sqrt(1 - share) * even])
            )
    return found


@dataclass(frozen=True)
class _Trial:
    """One person's ratings in one split of pictures, as rows of the ratings, in random order."""

    person: int
    given: np.ndarray
    tested: np.ndarray


@dataclass(frozen=True)
class _Split:
    """A crowd and priors, one a kind, learnt without some pictures and without the taste of the people tried."""

    everybody: Everybody
    priors: dict[Kind, TastePrior]
    trials: list[_Trial]


def _splits(rated: Rated) -> list[_Split]:
    people, pictures = np.unique(rated.person), np.unique(rated.picture)
    if len(people) < 2 * LEAST_PEOPLE or len(pictures) < 2 * FOLDS:
        return []
    repeats = min(4, max(1, round(REPEATED / len(pictures))))
    return [s for k in range(repeats) for s in _once(rated, people, SEED + k)]


def _once(rated: Rated, people: np.ndarray, seed: int) -> list[_Split]:
    rng = np.random.default_rng(seed)
    part = folds(rated.group, FOLDS, seed)[rated.picture]
    found = []
    for k in range(FOLDS):
        train = rated.where(np.flatnonzero(part != k))
        everybody = Everybody.of(train)
        half = rng.permutation(len(people)) % 2
        for side in range(2):
            trials = []
            for p in people[half == side][: PEOPLE // 2]:
                rows = rng.permutation(np.flatnonzero(rated.person == p))
                tested = rows[part[rows] == k]
                if len(tested) >= TESTED and np.ptp(rated.liking[tested]) > 0:
                    trials.append(_Trial(int(p), rows[part[rows] != k], tested))
            found.append(_Split(everybody, _priors(train, everybody, people[half != side]), trials))
    return found


def _worth(rated: Rated, splits: Sequence[_Split], counts: Sequence[int]) -> Worth:
    worth = Worth()
    for kind in KINDS:
        each: dict[int, dict[int, list[np.ndarray]]] = {n: {} for n in counts}
        by_split: dict[int, list[np.ndarray]] = {n: [] for n in counts}
        for split in (s for s in splits if kind in s.priors):
            along = split.priors[kind](rated.x)
            for n in counts:
                found = [(t, _gains(rated, split, along, t, n)) for t in split.trials if n <= len(t.given)]
                for trial, gains in found:
                    each[n].setdefault(trial.person, []).append(gains)
                if found:
                    by_split[n].append(np.mean([g for _, g in found], axis=0))
        enough = [n for n in counts if len(each[n]) >= LEAST_PEOPLE and len(by_split[n]) > 1]
        worth.gains[kind] = {n: np.stack([np.mean(g, axis=0) for g in each[n].values()]) for n in enough}
        worth.splits[kind] = {n: np.stack(by_split[n]) for n in enough}
    worth.choose()
    return worth


def _gains(rated: Rated, split: _Split, along: np.ndarray, trial: _Trial, n: int) -> np.ndarray:
    """Correlation with the tested ratings above the crowd's, by strength (S,)."""
    given, tested = trial.given[:n], trial.tested
    new = rated.picture[tested]
    deviation, y = _deviations(rated, split, trial, given), rated.liking[tested]
    return taste_gains(along[rated.picture[given]], deviation, along[new], split.everybody.answers[new], y, STRENGTHS)


def taste_gains(
    x: np.ndarray, deviation: np.ndarray, new: np.ndarray, base: np.ndarray, y: np.ndarray, strengths: np.ndarray
) -> np.ndarray:
    """Correlation with the likings ``y`` (m,) of pictures ``new`` (m, F) above that of ``base`` (m,), by the variance
    of taste over that of noise (S,). Taste is learnt from n pictures (n, F) and ``deviation`` (n,), the level left
    free.
    """
    centre = x.mean(axis=0)
    x = x - centre
    values, vectors = np.linalg.eigh(x @ x.T)
    parts = ((new - centre) @ x.T) @ vectors  # (m, n)
    own = (vectors.T @ (deviation - deviation.mean()))[:, None]
    taste = parts @ (own / (np.clip(values, 0, None)[:, None] + 1 / np.maximum(strengths, 1e-9)))  # (m, S)
    predicted = base[:, None] + taste
    y, predicted = y - y.mean(), predicted - predicted.mean(axis=0)
    found: np.ndarray = (y @ predicted) / (np.linalg.norm(y) * np.maximum(np.linalg.norm(predicted, axis=0), 1e-12))
    return found - found[0]


def _deviations(rated: Rated, split: _Split, trial: _Trial, given: np.ndarray) -> np.ndarray:
    """Of given ratings from the others' means, out of which the person's own are taken."""
    own = rated.liking[given] - rated.liking[trial.given].mean() + split.everybody.means.level
    return rated.liking[given] - split.everybody.others(rated.picture[given], own)


def _calibrated(
    rated: Rated, splits: Sequence[_Split], worth: Worth, prior: TastePrior, counts: Sequence[int]
) -> TastePrior:
    """The prior with the noise at which 95 % of ratings of new pictures by new people lie within 1.96 deviations."""
    found: dict[int, list[tuple[float, np.ndarray]]] = {}  # own noise, and residuals in units of 1 + leverage
    for split in splits:
        known = replace(split.priors.get(worth.kind, split.priors[KINDS[0]]), amounts=worth.amounts)
        for trial in split.trials:
            new = rated.picture[trial.tested]
            along = known(rated.x[new])
            for n in (c for c in counts if 2 <= c <= len(trial.given)):
                given = trial.given[:n]
                ridge = known.ridge(rated.x[rated.picture[given]], _deviations(rated, split, trial, given))
                residual = rated.liking[trial.tested] - split.everybody.answers[new] - ridge(along)
                found.setdefault(n, []).append((ridge.own_noise, residual / np.sqrt(1 + ridge.leverage(along))))
    if not found:
        return prior
    own = [o**2 * n / (n - 1) for n, each in found.items() for o, _ in each]
    prior = replace(prior, rated=float(np.sqrt(np.mean(own))))
    noises = {}
    for n, each in found.items():
        relative = np.concatenate([np.abs(r) / prior.relative_noise(o, n) for o, r in each])
        noises[n] = float(np.quantile(relative, 0.95)) / 1.96
    amounts = tuple(replace(a, noise=noises.get(a.ratings, a.noise)) for a in prior.amounts)
    return replace(prior, amounts=amounts)
