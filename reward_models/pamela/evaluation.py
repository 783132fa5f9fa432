"""The paper's table: how well each predictor orders each person's own pictures, with baselines.

Every number is a mean over people of a within-person metric (:mod:`reward_models.evaluation.metrics`), with a
bootstrap interval over people; the population level compares per-picture means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from reward_models.evaluation.metrics import MINIMUM, Each, pairwise_accuracy, per_person, person_metrics, summary
from reward_models.pamela.ensemble import Ensemble
from reward_models.pamela.newcomers import CONTEXT, NewPeople
from reward_models.pamela.training import predict
from reward_models.ratings.arrays import RatingTable
from reward_models.ratings.corpus import Corpus


@dataclass
class Row:
    """One line of the table; ``each``: SROCC, PLCC and pairwise accuracy of every person."""

    split: str
    model: str
    each: Each = field(repr=False)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """As of :func:`reward_models.evaluation.metrics.summary`."""
        return summary(self.each)

    def text(self) -> str:
        """The line as it is printed."""
        m = self.metrics
        return (
            f"{self.split:12s} {self.model:34s} SROCC {m['srocc']:.3f} [{m['srocc_low']:.3f}, {m['srocc_high']:.3f}]  "
            f"PLCC {m['plcc']:.3f}  pairwise {m['pairwise']:.3f}  ({m['n_people']:.0f} people)"
        )


@dataclass
class Judged:
    """What every model predicts for the ratings (R,) of one split; ``best`` and ``shared`` name two of the models."""

    split: str
    test: RatingTable
    predictions: dict[str, np.ndarray]
    best: str
    shared: str = "population head"

    def rows(self) -> list[Row]:
        """The lines of the table."""
        t = self.test
        return [Row(self.split, n, per_person(p, t.liking, t.person)) for n, p in self.predictions.items()]


def judge(corpus: Corpus, ensemble: Ensemble, split: str, label: str = "") -> Judged | None:
    """Every predictor on one split; of new people, on the ratings that are left after ``CONTEXT`` drawn ones.

    ``label``: what the split is called in tables, where it is not by its name. None where
    nobody in the split has ``MINIMUM`` ratings to be judged on.
    """
    new = NewPeople(corpus, ensemble, split, CONTEXT + 1) if split.endswith("_unseen") else None
    test = new.later(CONTEXT)[0] if new else corpus.tables[split]
    if not len(test) or np.unique(test.person, return_counts=True)[1].max() < MINIMUM:
        return None
    if new:
        return Judged(label or split, test, baselines(corpus, test) | new.predictions(), f"{CONTEXT} ratings: fitted")
    features = corpus.pictures, corpus.prompts
    members = ensemble.members
    shift = ensemble.shift(corpus.pictures[test.picture], corpus.prompts[test.prompt])
    predictions = baselines(corpus, test) | {
        "population head": predict(members, *features, test, personal=False, demographics=False) + shift,
        "demographics alone": predict(members, *features, test, personal=False) + shift,
        "personal": predict(members, *features, test) + shift,
        "personal, metadata known": predict(members, *features, test, metadata=True) + shift,
    }
    return Judged(label or split, test, predictions, "personal")


def cell_means(train: RatingTable, test: RatingTable, columns: Sequence[int]) -> np.ndarray:
    """The mean training score of the pictures that share these fields; the data card's strong baseline."""
    keys = [tuple(row) for row in train.fields[:, columns]]
    sums: dict[tuple[int, ...], list[float]] = {}
    for key, y in zip(keys, train.liking, strict=True):
        sums.setdefault(key, []).append(float(y))
    means = {key: float(np.mean(values)) for key, values in sums.items()}
    overall = float(train.liking.mean())
    return np.asarray([means.get(tuple(row), overall) for row in test.fields[:, columns]])


def ridge(x: np.ndarray, y: np.ndarray, new: np.ndarray, penalty: float = 1.0) -> np.ndarray:
    """Ridge regression on standardised features, penalty R/100 times ``penalty``: (R, D), (R,) and (n, D) to (n,)."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), Ridge(penalty * len(x) / 100)).fit(x.astype(float), y)
    return model.predict(new.astype(float))


def baselines(corpus: Corpus, test: RatingTable) -> dict[str, np.ndarray]:
    """Predictions (R,) that know nothing of the person: group/style means, picture alone, prompt alone."""
    train, d = corpus.tables["train"], len(corpus.demographics)
    result = {}
    cells = [d + corpus.metadata.index(name) for name in ("group", "style") if name in corpus.metadata]
    if cells:
        result["group/style mean"] = cell_means(train, test, cells)
    for name, table, rows in (
        ("picture alone", corpus.pictures, "picture"),
        ("prompt alone", corpus.prompts, "prompt"),
    ):
        used, inverse = np.unique(getattr(train, rows), return_inverse=True)
        if len(used) < 2:
            continue
        means = np.bincount(inverse, train.liking) / np.bincount(inverse)
        result[f"{name} (ridge)"] = ridge(table[used].numpy(), means, table[getattr(test, rows)].numpy())
    return result


def population_level(predicted: np.ndarray, test: RatingTable) -> dict[str, float]:
    """Per-picture means of predictions against per-picture means of ratings."""
    _, inverse = np.unique(test.picture, return_inverse=True)
    count = np.bincount(inverse)
    p, y = np.bincount(inverse, predicted) / count, np.bincount(inverse, test.liking) / count
    srocc, plcc, pairwise = person_metrics(p, y)
    return {"srocc": srocc, "plcc": plcc, "pairwise": pairwise, "n_pictures": len(count)}


@dataclass(frozen=True)
class Margin:
    """Pairwise accuracy on pairs rated more than ``margin`` (of [0, 1]) apart: the mean over the ``people`` who have
    one, NaN where nobody has; ``pairs``: how many there are.
    """

    margin: float
    pairwise: float
    people: int
    pairs: int


def margin_curve(predicted: np.ndarray, test: RatingTable, margins: Sequence[float]) -> list[Margin]:
    """A point a margin, over the people of the table: those with ``MINIMUM`` ratings.

    People without a pair are left out of a point; to count them as half right would pull every predictor to .5.
    """
    rows = [r for p in np.unique(test.person) if len(r := np.flatnonzero(test.person == p)) >= MINIMUM]
    found = []
    for margin in margins:
        each = np.array([pairwise_accuracy(predicted[r], test.liking[r], margin) for r in rows])
        pairs = sum(int((_apart(test.liking[r]) > margin).sum()) for r in rows)
        known = each[~np.isnan(each)]
        found.append(Margin(float(margin), float(known.mean()) if len(known) else float("nan"), len(known), pairs))
    return found


def _apart(liking: np.ndarray) -> np.ndarray:
    """How far apart the ratings of every pair are."""
    i, j = np.triu_indices(len(liking), 1)
    return np.abs(liking[i] - liking[j])
