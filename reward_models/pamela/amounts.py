"""How far a new person may lie from everybody, by how many ratings they gave: what was worth most for other new people,
on pictures that neither the member nor the crowd had seen. One choice on seen pictures is a lottery: what a member
remembers of a picture looks like taste.

Shapes: P pictures, n ratings given, m tested, K axes, S spreads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from reward_models.evaluation.metrics import person_metrics
from reward_models.evaluation.statistics import bootstrap
from reward_models.pamela.anchor import NO_FOLD, Anchor
from reward_models.pamela.model import PamelaPredictor
from reward_models.pamela.people import PersonPrior, sensitivity
from reward_models.ratings.arrays import RatingTable
from reward_models.ratings.corpus import Corpus
from reward_models.taste.crowd import Crowd, folds
from reward_models.taste.known import PictureMeans
from reward_models.taste.learning import LEAST_PEOPLE, TESTED, careful, taste_gains
from reward_models.taste.prior import Amount

COUNTS = (2, 5, 10, 15, 25, 50, 100)
SPREADS = np.array([0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0])
CAREFUL = (Amount(2, 0.2), Amount(15, 0.35), Amount(50, 0.5), Amount(150, 0.7))  # where there is nobody to judge by
LEAST_GROUPS = 12  # of pictures, to hold some out
COVERED, DEVIATIONS = 0.95, 1.96


def held_out(corpus: Corpus, share: float, members: int) -> list[np.ndarray]:
    """Masks (P,) of the pictures that each member does not see; near-duplicates together. Where those of val_seen are
    mostly new, they are all that are not in training; none are held out of data sets with fewer than ``LEAST_GROUPS``.
    """
    used, val = np.unique(corpus.tables["train"].picture), np.unique(corpus.tables["val_seen"].picture)
    masks = [np.zeros(len(corpus.pictures), dtype=bool) for _ in range(members)]
    if len(val) and np.isin(val, used).mean() < 0.5:  # the data set itself holds pictures out
        return [~np.isin(np.arange(len(mask)), used) for mask in masks]
    if not share or len(np.unique(corpus.groups[used])) < LEAST_GROUPS:
        return masks
    n = max(2, round(1 / share))
    part = folds(corpus.groups[used], n)
    for k, mask in enumerate(masks):
        mask[used[part == k % n]] = True
    return masks


@dataclass(frozen=True)
class View:
    """What one member makes of pictures as new ones: ``base`` (P,), everybody's, from what is known without those
    ``held`` out (P,), and ``head`` (P,), its own common answer.
    """

    member: PamelaPredictor
    prior: PersonPrior
    held: np.ndarray
    head: np.ndarray
    base: np.ndarray


def fit_anchor(
    corpus: Corpus, members: Sequence[PamelaPredictor], priors: Sequence[PersonPrior], held: Sequence[np.ndarray]
) -> tuple[Anchor, list[View]]:
    """The anchor, and each member's view of the pictures held out of it.

    The crowd's share is that of least squared error on pictures held out, weighted by how many rated them, and the
    effect of a picture is what is then missed; without such pictures the share is 0.
    """
    train, x = corpus.tables["train"], corpus.pictures.double().numpy()
    means = PictureMeans.of(len(x), train.picture, train.person, train.liking)
    rated = means.rated
    prompts = _prompts(corpus)
    heads = [_head(m, corpus, prompts) for m in members]
    crowds = [_crowd(corpus, x, means, rated[~mask[rated]]) if mask.any() else None for mask in held]
    unseen = []  # of pictures held out: what crowd and mean are above the head, and how many rated them
    for head, crowd, mask in zip(heads, crowds, held, strict=True):
        at = rated[mask[rated]]
        if crowd is not None:
            unseen.append(np.stack([crowd(x[at]) - head[at], means.mean[at] - head[at], means.count[at]]))
    crowd, head = _crowd(corpus, x, means, rated), np.mean(heads, axis=0)
    share, effect = 0.0, means.effect(head)
    if unseen and np.hstack(unseen).size:
        apart, missed, count = np.hstack(unseen)
        share = round(float(np.clip(count @ (apart * missed) / max(count @ apart**2, 1e-12), 0, 1)), 3)
        left = np.mean((missed - share * apart) ** 2) - np.mean(means.noise**2 / count)
        effect = float(np.sqrt(max(left, 1e-6)))
    fold = np.full(len(rated), NO_FOLD)
    views = []
    for k, mask in enumerate(held):
        fold[mask[rated]] = k
        views.append(_view(members[k], priors[k], mask, heads[k], crowds[k], share, x, means, effect))
    known = PictureMeans(means.mean[rated], means.count[rated], means.level, means.noise)
    return Anchor(crowd, share, x[rated], known, effect, fold), views


def views_of(
    corpus: Corpus, members: Sequence[PamelaPredictor], priors: Sequence[PersonPrior], anchor: Anchor
) -> list[View]:
    """The views of a trained reward on another corpus, whose pictures it may or may not know."""
    x = corpus.pictures.double().numpy()
    at = anchor.find(x)
    fold = np.where(at >= 0, anchor.fold[at], NO_FOLD)
    known = PictureMeans(
        np.where(at >= 0, anchor.means.mean[at], anchor.means.level),
        np.where(at >= 0, anchor.means.count[at], 0),
        anchor.means.level,
        anchor.means.noise,
    )
    prompts, found = _prompts(corpus), []
    for k, (member, prior) in enumerate(zip(members, priors, strict=True)):
        held = (fold == k) | (at < 0)
        visible = np.flatnonzero(anchor.fold != k)
        own = _fitted(anchor.pictures[visible], anchor.means, visible) if (fold == k).any() else anchor.crowd
        head = _head(member, corpus, prompts)
        found.append(_view(member, prior, held, head, own, anchor.share, x, known, anchor.effect))
    return found


def learn_amounts(corpus: Corpus, views: Sequence[View], noise: float) -> tuple[tuple[Amount, ...], bool]:
    """How far new people may lie from everybody, by number of ratings, and whether demographics help; from
    ``val_unseen``, or with fewer than ``LEAST_PEOPLE`` there the ``CAREFUL`` amounts.
    """
    trials = _trials(corpus, views, "val_unseen")
    if len({t.person for t in trials}) < LEAST_PEOPLE:
        return CAREFUL, True
    helped: dict[str, list[float]] = {}
    for t in trials:
        helped.setdefault(t.person, []).append(t.correlation(t.start) - t.correlation(t.base))
    demographics = float(np.mean([np.mean(h) for h in helped.values()])) >= 0
    trials = trials if demographics else [t.without_demographics() for t in trials]
    gains: dict[int, np.ndarray] = {}
    splits: dict[int, np.ndarray] = {}
    strengths = (SPREADS / noise) ** 2
    for n in COUNTS:
        each: dict[str, list[np.ndarray]] = {}
        by_view: dict[int, list[np.ndarray]] = {}
        for t in (t for t in trials if len(t.deviation) >= n):
            found = taste_gains(t.given[:n], t.deviation[:n], t.tested, t.start, t.liking, strengths)
            each.setdefault(t.person, []).append(found)
            by_view.setdefault(t.view, []).append(found)
        if len(each) >= LEAST_PEOPLE:
            gains[n] = np.stack([np.mean(v, axis=0) for v in each.values()])
            splits[n] = np.stack([np.mean(v, axis=0) for v in by_view.values()])
    # a spread of 1 is how far people are known to lie apart, so less has to show that it is better
    amounts, _ = careful(gains, splits, SPREADS, smallest=False)
    if not amounts:
        return CAREFUL, demographics
    return tuple(replace(a, noise=_noise(trials, a, noise)) for a in amounts), demographics


def new_pictures(
    corpus: Corpus, views: Sequence[View], split: str, noise: float, counts: Sequence[int] = (1, *COUNTS)
) -> dict[int, dict[str, float]]:
    """What a person's part is worth on new pictures, for new people of ``split``: by number of ratings SROCC of the
    crowd and of the person's model, the paired gain with its 95 % interval over people, and the share of ratings inside
    95 % intervals. Empty where nobody rated enough new pictures.
    """
    trials = _trials(corpus, views, split)
    found: dict[int, dict[str, float]] = {}
    for n in counts:
        scores: dict[str, list[tuple[float, float, float]]] = {}
        for t in (t for t in trials if len(t.deviation) >= n):
            spread = views[t.view].prior.spread(n)
            own, deviation = t.predicted(n, spread, noise)
            inside = np.abs(t.liking - own) < DEVIATIONS * np.hypot(deviation, _noise_of(views[t.view].prior, n, noise))
            scores.setdefault(t.person, []).append((t.correlation(t.base), t.correlation(own), float(inside.mean())))
        if len(scores) < LEAST_PEOPLE:
            continue
        each = np.array([np.mean(s, axis=0) for s in scores.values()])
        gain, low, high = bootstrap(each[:, 1] - each[:, 0])
        found[n] = {
            "people": len(each),
            "crowd": round(float(each[:, 0].mean()), 4),
            "personal": round(float(each[:, 1].mean()), 4),
            "gain": round(gain, 4),
            "gain_low": round(low, 4),
            "gain_high": round(high, 4),
            "covered": round(float(each[:, 2].mean()), 4),
        }
    return found


def level_of(table: RatingTable, base: np.ndarray, noise: float) -> float:
    """Standard deviation of how high people rate everything, beyond what ``noise`` (of one rating) makes of it."""
    _, who = np.unique(table.person, return_inverse=True)
    count = np.bincount(who)
    mean = np.bincount(who, table.liking - base) / count
    return float(np.sqrt(max(float(np.var(mean) - np.mean(noise**2 / count)), 1e-4)))


@dataclass(frozen=True)
class _Trial:
    """A person seen by a member: slopes of ``given`` (n, K) and ``tested`` (m, K) pictures, in random order, and
    ``deviation`` (n,) of the ratings from ``start``, what is expected of the person before any rating.
    """

    person: str
    view: int
    given: np.ndarray
    deviation: np.ndarray
    tested: np.ndarray
    base: np.ndarray
    start: np.ndarray
    liking: np.ndarray
    plain: np.ndarray  # deviation from the crowd, demographics untold
    level: float

    def without_demographics(self) -> _Trial:
        return replace(self, start=self.base, deviation=self.plain)

    def correlation(self, answers: np.ndarray) -> float:
        return person_metrics(answers, self.liking)[0]

    def predicted(self, n: int, spread: float, noise: float) -> tuple[np.ndarray, np.ndarray]:
        """Likings (m,) from the first n ratings and their standard deviations (m,), as
        :func:`reward_models.pamela.people.fit_people` does but linear.
        """
        x = np.hstack([self.given[:n], np.ones((n, 1))])
        new = np.hstack([self.tested, np.ones((len(self.tested), 1))])
        told = x.T @ x / noise**2
        size = x.shape[1]
        prior = np.full(size, spread**2)
        prior[-1] = self.level**2
        mean = np.linalg.solve(told + np.diag(1 / prior), x.T @ self.deviation[:n] / noise**2)
        open_ = np.ones(size)
        open_[-1] = self.level**2
        covariance = np.linalg.inv(told + np.diag(1 / open_))
        return self.start + new @ mean, np.sqrt(np.einsum("mk,kl,ml->m", new, covariance, new))


def _trials(corpus: Corpus, views: Sequence[View], split: str) -> list[_Trial]:
    table, known = corpus.tables[split], corpus.demographics_of(split)
    rng, found = np.random.default_rng(0), []
    people = list(np.unique(table.person))
    for k, view in enumerate(views):
        if not view.held.any():
            continue
        prior, config = view.prior, view.member.config
        for person in people:
            rows = rng.permutation(np.flatnonzero(table.person == person))
            new = view.held[table.picture[rows]]
            given, tested = rows[~new], rows[new]
            if len(given) < len(tested):  # somebody who rated nothing else
                given, tested = np.concatenate([given, tested[1::2]]), tested[::2]
            if len(tested) < TESTED or not len(given) or not np.ptp(table.liking[tested]):
                continue
            both = np.concatenate([given, tested])
            demographics = config.row(known[str(person)])
            fields = torch.tensor([demographics]).expand(len(both), -1)
            vectors = prior.at(prior.guess(demographics[: len(config.demographics)])).expand(len(both), -1)
            picture = table.picture[both]
            x, q = corpus.pictures[picture], corpus.prompts[table.prompt[both]]
            answer, slope = sensitivity(view.member, x, q, vectors, fields)
            along = (slope @ prior.axes.T).double().numpy()
            base = view.base[picture]
            start = base + answer.double().numpy() - view.head[picture]
            liking, n = table.liking[both], len(given)
            found.append(
                _Trial(
                    str(person),
                    k,
                    along[:n],
                    (liking - start)[:n],
                    along[n:],
                    base[n:],
                    start[n:],
                    liking[n:],
                    (liking - base)[:n],
                    max(prior.level, 1e-3),
                )
            )
    return found


def _noise(trials: Sequence[_Trial], amount: Amount, noise: float) -> float:
    """The standard deviation of a rating with which 95 % of the ratings of new pictures lie within their intervals."""
    apart, spreads = [], []
    for t in (t for t in trials if len(t.deviation) >= amount.ratings):
        own, deviation = t.predicted(amount.ratings, max(amount.strength, 1e-3), noise)
        apart.append(np.abs(t.liking - own))
        spreads.append(deviation)
    far, spread = np.concatenate(apart), np.concatenate(spreads)
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        inside = float(np.mean(far < DEVIATIONS * np.hypot(spread, middle)))
        low, high = (middle, high) if inside < COVERED else (low, middle)
    return max(round(high, 4), 1e-3)


def _noise_of(prior: PersonPrior, n: int, noise: float) -> float:
    found = [a.noise for a in prior.amounts if a.ratings <= n] or [a.noise for a in prior.amounts[:1]]
    return found[-1] if found else noise


def _prompts(corpus: Corpus) -> np.ndarray:
    """A prompt (P,) of every picture, 0 where there is none."""
    found: np.ndarray = np.zeros(len(corpus.pictures), dtype=int)
    for table in corpus.tables.values():
        found[table.picture] = table.prompt
    return found


@torch.inference_mode()
def _head(member: PamelaPredictor, corpus: Corpus, prompts: np.ndarray, batch: int = 8192) -> np.ndarray:
    parts = []
    for rows in torch.arange(len(prompts)).split(batch):
        fields = torch.zeros(len(rows), len(member.config.fields), dtype=torch.long)
        nobody = member.person.weight[:1].expand(len(rows), -1)
        parts.append(member(corpus.pictures[rows], corpus.prompts[prompts[rows.numpy()]], nobody, fields))
    found: np.ndarray = torch.cat(parts).double().numpy()
    return found


def _crowd(corpus: Corpus, x: np.ndarray, means: PictureMeans, at: np.ndarray) -> Crowd:
    return Crowd.fit(x[at], means.mean[at], means.count[at], means.noise, corpus.groups[at])


def _fitted(x: np.ndarray, means: PictureMeans, at: np.ndarray) -> Crowd:
    return Crowd.fit(x, means.mean[at], means.count[at], means.noise)


def _view(
    member: PamelaPredictor,
    prior: PersonPrior,
    held: np.ndarray,
    head: np.ndarray,
    crowd: Crowd | None,
    share: float,
    x: np.ndarray,
    means: PictureMeans,
    effect: float,
) -> View:
    answers = head if crowd is None or not share else head + share * (crowd(x) - head)
    seen = replace(means, count=np.where(held, 0, means.count))
    return View(member, prior, held, head, seen.expected(answers, np.arange(len(x)), effect))
