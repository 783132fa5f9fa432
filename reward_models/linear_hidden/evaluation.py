"""The paper's evaluation: disjoint supports of 10 and 100 ratings a person, 50 held out, 200 people, seed 42 (arXiv
2604.11374).

Shapes: P pictures, D features, U people.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reward_models.evaluation.pages import render
from reward_models.evaluation.plots import plot_layers, plot_pairs
from reward_models.evaluation.statistics import r2, spearman
from reward_models.evaluation.statistics import rounded as interval
from reward_models.linear_hidden.drawn import HELD_OUT, SEED, SUPPORTS, Drawn, draw
from reward_models.linear_hidden.fit import attribute_map, shared
from reward_models.linear_hidden.layers import inner_choice, pair_grid
from reward_models.linear_hidden.people import PersonModel
from reward_models.taste.prior import TastePrior
from reward_models.taste.ridge import Scaler, many_outputs

FOLDS = 5
WAYS = ("direct", "residual", "hierarchical", "giaa", "reduce")


class Protocol:
    """One pool of features (P, D) with their rows by picture. ``attributes``: pictures and values (n, A) of theirs, for
    ``reduce``.

    ``residual`` and ``hierarchical`` are ours: their general score, and how people differ, come from the people who are
    not evaluated.
    """

    def __init__(
        self,
        drawn: Drawn,
        features: np.ndarray,
        rows: dict[str, int],
        alphas: str = "paper",
        attributes: tuple[list[str], np.ndarray] | None = None,
    ):
        self.drawn, self.features, self.rows, self.alphas = drawn, features, rows, alphas
        whole = Scaler.of(features)
        self.means = pd.concat(drawn.people.values()).groupby("picture")["score"].mean()
        self.general: Callable[[np.ndarray], np.ndarray] | None = None
        self.population: TastePrior | None = None
        if len(drawn.rest):
            self.general, self.population = shared(drawn.rest, features, rows)
            self.means = drawn.rest.groupby("picture")["score"].mean()
        self.named = None if attributes is None else self._read(*attributes, whole)  # (P, A)

    def each(self, way: str, support: int) -> dict[str, np.ndarray]:
        """Everybody's Spearman and R2 on their held-out ratings, (U,) each."""
        found = [self._one(own, way, SUPPORTS[support]) for own in self.drawn.people.values()]
        return {"spearman": np.array([spearman(p, y) for p, y in found]), "r2": np.array([r2(p, y) for p, y in found])}

    def _read(self, pictures: list[str], values: np.ndarray, scaler: Scaler) -> np.ndarray:
        """Attributes (P, A) of every picture, each read by a map that was not made from it (``FOLDS`` of them); those
        without values by all.
        """
        at = np.array([self.rows[p] for p in pictures])
        found = attribute_map(self.features[at], values, scaler)(self.features)
        fold = np.random.default_rng(SEED).integers(0, FOLDS, len(at))
        for k in range(FOLDS):
            found[at[fold == k]] = attribute_map(self.features[at[fold != k]], values[fold != k], scaler)(
                self.features[at[fold == k]]
            )
        return found

    def _one(self, own: pd.DataFrame, way: str, support: slice) -> tuple[np.ndarray, np.ndarray]:
        rows = [self.rows[p] for p in own["picture"]]
        x, y = self.features[rows], own["score"].to_numpy(float)
        given = x[support], y[support]
        general = self.general or self._nothing
        if way in ("residual", "hierarchical"):
            model = PersonModel(*given, general, way, self.alphas, population=self.population)  # type: ignore[arg-type]
        elif way == "reduce":
            assert self.named is not None
            x = self.named[rows]
            model = PersonModel(x[support], y[support], general, "direct", self.alphas)
        elif way == "giaa":  # everybody's mean score of the same pictures in place of the person's
            means = np.array([self.means.get(p, np.nan) for p in own["picture"].iloc[support]])
            there = ~np.isnan(means)
            if there.sum() < 2:
                return np.zeros(len(y[HELD_OUT])), y[HELD_OUT]
            model = PersonModel(x[support][there], means[there], general, "direct", self.alphas)
        else:
            model = PersonModel(*given, general, "direct", self.alphas)
        return model.raw(x[HELD_OUT]), y[HELD_OUT]

    @staticmethod
    def _nothing(x: np.ndarray) -> np.ndarray:
        return np.zeros(len(x))

    def ways(self) -> list[str]:
        """Those that this data has what it takes for: residual and hierarchical need people outside the evaluation,
        reduce a table of attributes.
        """
        able = {
            "direct": True,
            "residual": self.general is not None,
            "giaa": True,
            "hierarchical": self.population is not None,
            "reduce": self.named is not None,
        }
        return [w for w in WAYS if able[w]]


def probe(
    pools: dict[str, np.ndarray], names: Sequence[str], values: np.ndarray, seed: int = SEED
) -> dict[str, dict[str, Any]]:
    """How well each attribute (n, A) can be read from each pool (n, D): Spearman on validation; the pool that is best
    there, on test.

    Pictures are split 60 / 20 / 20. Choosing the layer on the split that is reported would flatter it.
    """
    order = np.random.default_rng(seed).permutation(len(values))
    train, validation, test = np.split(order, [int(0.6 * len(order)), int(0.8 * len(order))])
    found: dict[str, dict[str, Any]] = {}
    maps = {p: (Scaler.of(x[train]), x) for p, x in pools.items()}
    fitted = {p: (scaler, *many_outputs(x[train], values[train], scaler)[:2]) for p, (scaler, x) in maps.items()}
    read = {p: scaler(pools[p]) @ weight.T + bias for p, (scaler, weight, bias) in fitted.items()}  # (n, A) each
    for a, name in enumerate(names):
        by_pool = {p: round(spearman(r[validation, a], values[validation, a]), 4) for p, r in read.items()}
        best = max(by_pool, key=lambda p: by_pool[p])
        on_test = round(spearman(read[best][test, a], values[test, a]), 4)
        found[name] = {"validation": by_pool, "best": best, "test": on_test}
    return found


def evaluate(
    pools: dict[str, np.ndarray],
    rows: dict[str, int],
    table: pd.DataFrame,
    out: Path,
    people: int = 200,
    alphas: str = "paper",
    attributes: tuple[list[str], list[str], np.ndarray] | None = None,
    pairs: int = 0,
) -> dict[str, Any]:
    """Every pool (P, D), way and support; writes ``linear_hidden.json``, ``.md`` and the layer curve. ``attributes``:
    pictures, names, values;
    ``pairs``: also any two pools whose layers are multiples of it.
    """
    table = table[table["picture"].isin(list(rows))]
    drawn = draw(table, people)
    told: dict[str, Any] = {"people": len(drawn.people), "alphas": alphas, "table": {}}
    given = (attributes[0], attributes[2]) if attributes else None
    for pool, features in pools.items():
        protocol = Protocol(drawn, features, rows, alphas, given)
        told["table"][pool] = {
            way: {n: {k: interval(v) for k, v in protocol.each(way, n).items()} for n in SUPPORTS}
            for way in protocol.ways()
        }
    if sum(p.startswith("LT_") for p in pools) > 1:
        told["inner"] = {n: inner_choice(drawn, pools, rows, SUPPORTS[n], alphas) for n in SUPPORTS}
    if pairs:
        told["pairs"] = pair_grid(drawn, pools, rows, SUPPORTS[100], alphas, pairs)
    if attributes:
        pictures, names, values = attributes
        at = [rows[p] for p in pictures]
        told["probing"] = probe({p: x[at] for p, x in pools.items()}, names, values)
    out.mkdir(parents=True, exist_ok=True)
    (out / "linear_hidden.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (out / "linear_hidden.md").write_text(as_markdown(told), encoding="utf-8")
    plot_layers(told["table"], out / "layers.png")
    if pairs:
        plot_pairs(told["pairs"], out / "pairs.png")
    return told


def as_markdown(told: dict[str, Any]) -> str:
    """The tables as text."""
    best = sorted(told.get("pairs", {}).items(), key=lambda kv: -kv[1]["spearman"][0])[:10]
    facts = {k: told[k] for k in ("people", "alphas", "table")}
    inner, probing = told.get("inner"), told.get("probing")
    return render("linear_hidden.md.j2", seed=SEED, pairs=best, inner=inner, probing=probing, **facts)
