"""The paper's table: how well each predictor orders each person's own pictures, with baselines.

Every number is a mean over people of a within-person metric (:mod:`reward_models.metrics`), with a
bootstrap interval over people; the population level compares per-picture means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reward_models.corpus import Corpus
from reward_models.enrol import PersonPrior, fit_person, person_prior
from reward_models.metrics import evaluate, pairwise_accuracy, person_metrics
from reward_models.pamela import PamelaPredictor
from reward_models.training import RatingTable, neighbour_weights, predict, profile

CONTEXT = 15  # ratings a new person gives (paper, Fig. 12)
Vectors = list[Tensor]  # one (W,) a member


@dataclass
class Row:
    """One line of the table; ``metrics`` as of :func:`reward_models.metrics.evaluate`."""

    split: str
    model: str
    metrics: dict[str, float]

    def text(self) -> str:
        """The line as it is printed."""
        m = self.metrics
        return (
            f"{self.split:12s} {self.model:34s} SROCC {m['srocc']:.3f} [{m['srocc_low']:.3f}, {m['srocc_high']:.3f}]  "
            f"PLCC {m['plcc']:.3f}  pairwise {m['pairwise']:.3f}  ({m['n_people']:.0f} people)"
        )


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
    """Ridge regression on standardised features: (R, D), (R,) and (n, D) to (n,)."""
    mean, spread = x.mean(0), x.std(0) + 1e-8
    x, new = (x - mean) / spread, (new - mean) / spread
    weight = np.linalg.solve(x.T @ x + penalty * len(x) / 100 * np.eye(x.shape[1]), x.T @ (y - y.mean()))
    return new @ weight + y.mean()


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


def seen_rows(corpus: Corpus, members: list[PamelaPredictor], split: str = "test_seen") -> list[Row]:
    """The table of people who were trained on."""
    test = corpus.tables[split]
    features = corpus.pictures, corpus.prompts
    predictions = baselines(corpus, test) | {
        "population head": predict(members, *features, test, personal=False, demographics=False),
        "demographics alone": predict(members, *features, test, personal=False),
        "personal": predict(members, *features, test),
        "personal, metadata known": predict(members, *features, test, metadata=True),
    }
    return [Row(split, name, evaluate(p, test.liking, test.person)) for name, p in predictions.items()]


def population_level(predicted: np.ndarray, test: RatingTable) -> dict[str, float]:
    """Per-picture means of predictions against per-picture means of ratings."""
    _, inverse = np.unique(test.picture, return_inverse=True)
    count = np.bincount(inverse)
    p, y = np.bincount(inverse, predicted) / count, np.bincount(inverse, test.liking) / count
    srocc, plcc, pairwise = person_metrics(p, y)
    return {"srocc": srocc, "plcc": plcc, "pairwise": pairwise, "n_pictures": len(count)}


def margin_curve(predicted: np.ndarray, test: RatingTable, margins: Sequence[float]) -> list[float]:
    """Mean pairwise accuracy over people on pairs rated more than ``margin`` (of [0, 1]) apart."""
    rows = [np.flatnonzero(test.person == p) for p in np.unique(test.person)]
    rows = [r for r in rows if len(r) > 1]
    return [float(np.mean([pairwise_accuracy(predicted[r], test.liking[r], m) for r in rows])) for m in margins]


def priors(members: list[PamelaPredictor], train: RatingTable) -> list[PersonPrior]:
    """Where the trained people's vectors lie, a prior a member."""
    config = members[0].config
    sizes = [len(config.vocabularies[f]) for f in config.demographics]
    ids, first = np.unique(train.person, return_index=True)
    demographics = train.fields[first, : len(config.demographics)]
    rows = [config.index("person", p) for p in ids]
    return [person_prior(m.person.weight.detach()[rows], demographics, sizes) for m in members]


class NewPeople:
    """People the members never saw, enrolled from their first ratings; the others are the test."""

    def __init__(self, corpus: Corpus, members: list[PamelaPredictor], split: str = "test_unseen"):
        self.corpus, self.members, self.table = corpus, members, corpus.tables[split]
        self.config = members[0].config
        self.prior = priors(members, corpus.tables["train"])
        self.rows = {str(p): np.flatnonzero(self.table.person == p) for p in np.unique(self.table.person)}
        self._profiles: dict[bool, np.ndarray] = {}

    def demographics(self, person: str) -> list[int]:
        """Table rows of what is known of them."""
        return list(self.table.fields[self.rows[person][0], : len(self.config.demographics)])

    def fitted(self, person: str, n: int, demographics: bool = True) -> Vectors:
        """Vectors from the first n ratings by the Bayesian fit."""
        given = self.table.where(self.rows[person][:n])
        shown = self.demographics(person) if demographics else None
        pictures, prompts = self.corpus.pictures[given.picture], self.corpus.prompts[given.prompt]
        liking = torch.from_numpy(given.liking).float()
        return [
            fit_person(m, p, pictures, prompts, liking, shown, self.config.noise).vector
            for m, p in zip(self.members, self.prior, strict=True)
        ]

    def by_neighbours(self, person: str, n: int, centred: bool = True) -> Vectors:
        """Vectors from the people of nearest profiles (paper, Fig. 12)."""
        train, features = self.corpus.tables["train"], self.corpus.pictures.numpy()
        ids = np.unique(train.person)
        if centred not in self._profiles:
            each = [train.where(train.person == p) for p in ids]
            self._profiles[centred] = np.stack([profile(features[t.picture], t.liking, centred) for t in each])
        given = self.table.where(self.rows[person][:n])
        own = profile(features[given.picture], given.liking, centred)
        nearest, weight = neighbour_weights(own, self._profiles[centred])
        rows = [self.config.index("person", ids[j]) for j in nearest]
        mix = torch.from_numpy(weight)[:, None]
        return [(mix * m.person.weight.detach()[rows]).sum(0).float() for m in self.members]

    def nobody(self) -> Vectors:
        """What stands for a withheld person."""
        return [m.person.weight.detach()[0] for m in self.members]

    def later(self, skip: int) -> RatingTable:
        """The ratings after each person's first ``skip``, person by person."""
        return self.table.where(np.concatenate([r[skip:] for r in self.rows.values()]))

    @torch.inference_mode()
    def predict(self, vectors: dict[str, Vectors], skip: int, demographics: bool = True) -> np.ndarray:
        """Predictions of :meth:`later` with a person's own vectors."""
        parts = []
        for person, rows in self.rows.items():
            rest = self.table.where(rows[skip:])
            known = self.demographics(person) if demographics else [0] * len(self.config.demographics)
            fields = torch.tensor([*known, *[0] * len(self.config.metadata)]).expand(len(rest), -1)
            x, q = self.corpus.pictures[rest.picture], self.corpus.prompts[rest.prompt]
            each = [
                m(x, q, v.expand(len(rest), -1), fields)
                for m, v in zip(self.members, vectors[person], strict=True)
            ]  # fmt: skip
            parts.append(torch.stack(each).mean(0).numpy())
        return np.concatenate(parts)

    def table_rows(self, split: str = "test_unseen", context: int = CONTEXT) -> list[Row]:
        """Every way of enrolling, all tested on the ratings after the first ``context``."""
        test, people = self.later(context), list(self.rows)
        nobody = dict.fromkeys(people, self.nobody())
        predictions = baselines(self.corpus, test) | {
            "population head": self.predict(nobody, context, demographics=False),
            "demographics alone": self.predict(nobody, context),
            f"{context} ratings: neighbours, raw": self.predict(
                {p: self.by_neighbours(p, context, False) for p in people}, context
            ),
            f"{context} ratings: neighbours": self.predict(
                {p: self.by_neighbours(p, context) for p in people}, context
            ),
            f"{context} ratings: fitted": self.predict({p: self.fitted(p, context) for p in people}, context),
        }
        return [Row(split, name, evaluate(p, test.liking, test.person)) for name, p in predictions.items()]

    def curve(self, counts: Sequence[int]) -> dict[int, dict[str, float]]:
        """Metrics of the fit against the number of ratings, all on the ratings after the most of them."""
        skip = max(counts)
        test, result = self.later(skip), {}
        for n in counts:
            predicted = self.predict({p: self.fitted(p, n) for p in self.rows}, skip)
            result[n] = evaluate(predicted, test.liking, test.person)
        return result
