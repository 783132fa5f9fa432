"""Fig. 12 of the paper: new people by the number of ratings they give, of neighbours, and the temperature, over several
draws of which ratings are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reward_models.evaluation.metrics import METRICS, MINIMUM, evaluate
from reward_models.pamela.ensemble import Ensemble
from reward_models.pamela.newcomers import NewPeople
from reward_models.ratings.corpus import Corpus

DRAWS = 5
COUNTS = (5, 10, 15, 25)
NEIGHBOURS = (1, 5, 20)
TEMPERATURES = (0.02, 0.1, 0.5)


def grid(
    corpus: Corpus,
    ensemble: Ensemble,
    split: str,
    counts: Sequence[int] = COUNTS,
    neighbours: Sequence[int] = NEIGHBOURS,
    temperatures: Sequence[float] = TEMPERATURES,
    draws: int = DRAWS,
) -> list[dict[str, Any]]:
    """A row for every way, number of ratings, of neighbours, and temperature: means over people, then over ``draws``,
    each with the standard deviation over draws in ``_spread``.

    All of a draw are judged on the same ratings: those after the most that are given. Empty where nobody has as many.
    """
    sizes = np.unique(corpus.tables[split].person, return_counts=True)[1]
    usable = [n for n in counts if len(sizes) and (sizes >= n + MINIMUM).mean() >= 0.5]
    if not usable:
        return []
    most = max(usable)
    found: dict[tuple[str, int, int | None, float | None], list[list[float]]] = {}
    for seed in range(draws):
        people = NewPeople(corpus, ensemble, split, most + MINIMUM, seed)
        test, _ = people.later(most)

        def told(key: tuple[str, int, int | None, float | None], predicted: np.ndarray) -> None:
            metrics = evaluate(predicted, test.liking, test.person, 1)  # noqa: B023  (called at once)
            found.setdefault(key, []).append([metrics[m] for m in METRICS])

        told(("nothing given", 0, None, None), people.predict(people.nobody(), most, False))
        for n in usable:
            told(("fitted", n, None, None), people.predict(people.fitted(n), most))
            for k in neighbours:
                for temperature in temperatures if k > 1 else temperatures[:1]:  # one neighbour needs none
                    vectors = people.by_neighbours(n, True, k, temperature)
                    key = ("neighbours", n, k, temperature if k > 1 else None)
                    told(key, people.predict(vectors, most))
    return [_row(key, np.array(each)) for key, each in found.items()]


def _row(key: tuple[str, int, int | None, float | None], each: np.ndarray) -> dict[str, Any]:
    """``each``: the metrics of every draw (draws, 3)."""
    way, n, k, temperature = key
    row: dict[str, Any] = {"way": way, "ratings": n, "neighbours": k, "temperature": temperature, "draws": len(each)}
    for name, values in zip(METRICS, each.T, strict=True):
        row |= {name: round(float(values.mean()), 4), f"{name}_spread": round(float(values.std()), 4)}
    return row
