"""How well people the predictor never saw are known from a few ratings, by every way of enrolling them.

Which ratings are given is drawn with a seed: files may be sorted, by picture or by kind of picture.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from reward_models.evaluation.metrics import MINIMUM, Each, per_person
from reward_models.pamela.ensemble import Ensemble
from reward_models.pamela.training import NEIGHBOURS, TEMPERATURE, neighbour_weights, profile
from reward_models.ratings.arrays import RatingTable
from reward_models.ratings.corpus import Corpus

CONTEXT = 15  # ratings a new person gives (paper, Fig. 12)
COUNTS = (0, 1, 2, 5, 10, 15, 25, 40, 60, 100)
NAIVE = 10.0  # penalty of a ridge on raw features
GIVEN_NOTHING = ("population head", "demographics alone")


class NewPeople:
    """People of an unseen split, enrolled from the first of their ratings in a drawn order; the others are the test.

    Vectors of people are (U, W), a tensor a member.
    """

    def __init__(self, corpus: Corpus, ensemble: Ensemble, split: str = "test_unseen", minimum: int = 1, seed: int = 0):
        """``minimum``: people with fewer ratings are left out. ``seed``: of the order, each person's own."""
        self.corpus, self.ensemble, self.table = corpus, ensemble, corpus.tables[split]
        self.config, demographics = ensemble.config, corpus.demographics_of(split)
        rows = {str(p): _shuffled(self.table.person, str(p), seed) for p in np.unique(self.table.person)}
        self.rows = {p: r for p, r in rows.items() if len(r) >= minimum}
        self.people = list(self.rows)
        self.known = [demographics[p] for p in self.people]
        self._profiles: dict[bool, np.ndarray] = {}

    def given(self, n: int) -> tuple[RatingTable, np.ndarray]:
        """Everybody's first n ratings, and whose each is (row in ``people``)."""
        return self._part(slice(0, n))

    def later(self, skip: int) -> tuple[RatingTable, np.ndarray]:
        """Everybody's ratings after the first ``skip``, and whose each is."""
        return self._part(slice(skip, None))

    def fitted(self, n: int, demographics: bool = True) -> list[Tensor]:
        """Vectors from the first n ratings by the Bayesian fit."""
        given, owner = self.given(n)
        x, q = self.corpus.pictures[given.picture], self.corpus.prompts[given.prompt]
        known = self.known if demographics else [{}] * len(self.people)
        fitted = self.ensemble.fit_people(x, q, given.liking, owner, known)
        return [torch.stack([f.vector for f in m]) for m in fitted]

    def by_neighbours(
        self, n: int, centred: bool = True, k: int = NEIGHBOURS, temperature: float = TEMPERATURE
    ) -> list[Tensor]:
        """Vectors from the ``k`` people of nearest profiles (paper, Fig. 12)."""
        train, features = self.corpus.tables["train"], self.corpus.pictures.numpy()
        ids = np.unique(train.person)
        if centred not in self._profiles:
            each = [train.where(train.person == p) for p in ids]
            self._profiles[centred] = np.stack([profile(features[t.picture], t.liking, centred) for t in each])
        mix: np.ndarray = np.zeros((len(self.people), len(ids)), dtype=np.float32)
        for u, own in enumerate(self.rows.values()):
            given = self.table.where(own[:n])
            nearest, weight = neighbour_weights(
                profile(features[given.picture], given.liking, centred), self._profiles[centred], k, temperature
            )
            mix[u, nearest] = weight
        rows = [self.config.index("person", p) for p in ids]
        weights = torch.from_numpy(mix)
        return [weights @ m.person.weight[rows] for m in self.ensemble.members]

    def nobody(self) -> list[Tensor]:
        """What stands for a withheld person."""
        return [m.person.weight[:1].expand(len(self.people), -1) for m in self.ensemble.members]

    @torch.inference_mode()
    def predict(self, vectors: Sequence[Tensor], skip: int, demographics: bool = True) -> np.ndarray:
        """Predictions of :meth:`later` with everybody's own vector."""
        test, owner = self.later(skip)
        whose = torch.from_numpy(owner)
        known = self.known if demographics else [{}] * len(self.people)
        fields = torch.tensor([self.config.row(k) for k in known])[whose]
        x, q = self.corpus.pictures[test.picture], self.corpus.prompts[test.prompt]
        each = [m(x, q, v[whose], fields) for m, v in zip(self.ensemble.members, vectors, strict=True)]
        return torch.stack(each).mean(0).numpy() + self.ensemble.shift(x, q)

    def naive(self, n: int, skip: int) -> np.ndarray:
        """Everybody's own ridge on the raw picture features, which knows nothing of other people."""
        from sklearn.linear_model import Ridge

        parts = []
        for rows in self.rows.values():
            given, rest = self.table.where(rows[:n]), self.table.where(rows[skip:])
            x, new = (self.corpus.pictures[t.picture].double().numpy() for t in (given, rest))
            # unit vectors have entries of variance 1/D, so this is the penalty NAIVE on entries of variance 1
            parts.append(Ridge(NAIVE / x.shape[1]).fit(x, given.liking).predict(new))
        return np.concatenate(parts)

    def ways(self, skip: int) -> dict[str, Callable[[int], np.ndarray]]:
        """Every way of enrolling: from the ratings given to predictions of the ratings after ``skip``."""
        return {
            "population head": lambda n: self.predict(self.nobody(), skip, False),  # noqa: ARG005
            "demographics alone": lambda n: self.predict(self.nobody(), skip),  # noqa: ARG005
            "ridge on raw features": lambda n: self.naive(n, skip),
            "neighbours, raw": lambda n: self.predict(self.by_neighbours(n, False), skip),
            "neighbours": lambda n: self.predict(self.by_neighbours(n), skip),
            "fitted, no demographics": lambda n: self.predict(self.fitted(n, False), skip, False),
            "fitted": lambda n: self.predict(self.fitted(n), skip),
        }

    def predictions(self, n: int = CONTEXT) -> dict[str, np.ndarray]:
        """Every way from n ratings, on :meth:`later` (n)."""
        return {name if name in GIVEN_NOTHING else f"{n} ratings: {name}": way(n) for name, way in self.ways(n).items()}

    def curve(self, counts: Sequence[int] = COUNTS, names: Sequence[str] | None = None) -> dict[str, dict[int, Each]]:
        """Way (of ``names``, or every one) to number of ratings given to everybody's metrics on the later ratings.

        All counts are judged on the ratings after the most of them: what all ``people`` have, less ``MINIMUM``.
        """
        most = min((len(r) for r in self.rows.values()), default=0) - MINIMUM
        usable = [c for c in counts if c <= most]
        if not usable:
            return {}
        test, _ = self.later(max(usable))
        result: dict[str, dict[int, Each]] = {}
        for name, way in self.ways(max(usable)).items():
            if names is not None and name not in names:
                continue
            same = name in GIVEN_NOTHING
            least = 0 if same or name.startswith("fitted") else 1
            found: dict[int, Each] = {}
            for n in [c for c in usable if c >= least]:
                found[n] = found[0] if same and n else per_person(way(n), test.liking, test.person)
            result[name] = found
        return result

    def _part(self, part: slice) -> tuple[RatingTable, np.ndarray]:
        rows = [r[part] for r in self.rows.values()]
        owner: np.ndarray = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
        return self.table.where(np.concatenate(rows) if rows else np.zeros(0, int)), owner


def _shuffled(people: np.ndarray, person: str, seed: int) -> np.ndarray:
    """Rows of a person in an order of their own, whoever is beside them."""
    rng = np.random.default_rng([seed, zlib.crc32(person.encode())])
    return rng.permutation(np.flatnonzero(people == person))


def with_enough(
    corpus: Corpus, ensemble: Ensemble, split: str, counts: Sequence[int] = COUNTS, seed: int = 0
) -> NewPeople:
    """The people of a split who have enough ratings for its curve: the most of ``counts`` that leaves at least half of
    them.
    """
    sizes = np.unique(corpus.tables[split].person, return_counts=True)[1]
    fits = [c for c in counts if len(sizes) and (sizes >= c + MINIMUM).mean() >= 0.5]
    return NewPeople(corpus, ensemble, split, max(fits, default=0) + MINIMUM, seed)
