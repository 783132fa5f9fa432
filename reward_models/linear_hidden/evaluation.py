"""The paper's evaluation: disjoint supports of 10 and 100 ratings a person, 50 held out, 200 people, seed 42 (arXiv
2604.11374).

Shapes: P pictures, D features, U people.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reward_models.evaluation.pages import render
from reward_models.evaluation.plots import plot_layers, plot_pairs
from reward_models.evaluation.statistics import r2, spearman
from reward_models.evaluation.statistics import rounded as interval
from reward_models.linear_hidden.drawn import HELD_OUT, SEED, SUPPORTS, Drawn, draw
from reward_models.linear_hidden.extras import Extras, hard_pictures, least_typical, on_hard, shuffled_among_people
from reward_models.linear_hidden.fit import attribute_map, shared
from reward_models.linear_hidden.layers import inner_choice, pair_grid
from reward_models.linear_hidden.people import Function, PersonModel
from reward_models.taste.prior import TastePrior
from reward_models.taste.ridge import Scaler, many_outputs

FOLDS = 5
WAYS = (
    "direct",
    "direct, shuffled",
    "residual",
    "hierarchical",
    "giaa",
    "giaa, all",
    "reduce",
    "reduce, AADB",
    "raw text",
    "adjust-bias",
    "text residual",
    "few-shot",
    "general, elsewhere",
    "residual, elsewhere",
    "hierarchical, elsewhere",
)
SAID = {  # what a row is, where its name does not say it; "after the paper's" is not the paper's own
    "direct": "the paper's Linear-Hidden",
    "direct, shuffled": "control: the ratings to learn from exchanged among the people of the same picture",
    "residual": "ours; the general score is of the people who are not evaluated",
    "hierarchical": "ours; learnt from the people who are not evaluated",
    "giaa": "after the paper's: mean scores of the people who are not evaluated",
    "giaa, all": "the paper's: mean scores of the whole data set, also of who is evaluated",
    "reduce": "after the paper's: the map is of the same pictures' attributes, out of fold",
    "reduce, AADB": "the paper's: the map is learnt on AADB",
    "raw text": "the model writes a score",
    "adjust-bias": "less its mean error on the ratings to learn from, which moves R2 alone",
    "text residual": "the authors' code: the written score and a ridge on what it leaves",
    "few-shot": "ten rated pictures in the prompt; of the first people only",
    "general, elsewhere": "the other data set's general score; nothing of the person",
    "residual, elsewhere": "ours, on the other data set's general score",
    "hierarchical, elsewhere": "ours, on how the other data set's people differ",
}


class Protocol:
    """One pool of features (P, D) with their rows by picture. ``attributes``: pictures and values (n, A) of theirs, for
    ``reduce``; ``extras``: what other rows need; ``pool``: its name there.

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
        extras: Extras = Extras(),  # noqa: B008  (frozen)
        pool: str = "",
    ):
        self.drawn, self.features, self.rows, self.alphas, self.extras = drawn, features, rows, alphas, extras
        whole = Scaler.of(features)
        everybody = pd.concat([*drawn.people.values(), drawn.rest])
        self.all_means = everybody.groupby("picture")["score"].mean()
        self.means = pd.concat(drawn.people.values()).groupby("picture")["score"].mean()
        self.general: Function | None = None
        self.population: TastePrior | None = None
        if len(drawn.rest):
            self.general, self.population = shared(drawn.rest, features, rows)
            self.means = drawn.rest.groupby("picture")["score"].mean()
        self.named = None if attributes is None else self._read(*attributes, whole)  # (P, A)
        self.aadb = extras.aadb.get(pool)
        self._made: dict[tuple[str, int], dict[str, np.ndarray]] = {}
        self.there: tuple[Function, TastePrior | None] | None = None
        if (other := extras.elsewhere) is not None:
            self.there = shared(other.table, other.pools[pool], dict(other.rows))
        exchanged = shuffled_among_people(everybody.reset_index(drop=True), SEED).to_numpy(float)
        sizes = np.cumsum([len(own) for own in drawn.people.values()])[:-1]
        each = np.split(exchanged[: sum(map(len, drawn.people.values()))], sizes)
        self.exchanged = dict(zip(drawn.people, each, strict=True))

    def each(self, way: str, support: int) -> dict[str, np.ndarray]:
        """Everybody's Spearman and R2 on their held-out ratings, (U,) each; NaN for who was not asked about."""
        found = self.predicted(way, support)
        truth = {p: own["score"].to_numpy(float)[HELD_OUT] for p, own in self.drawn.people.items()}
        nobody = float("nan")
        return {
            "spearman": np.array([spearman(found[p], y) if p in found else nobody for p, y in truth.items()]),
            "r2": np.array([r2(found[p], y) if p in found else nobody for p, y in truth.items()]),
        }

    def predicted(self, way: str, support: int) -> dict[str, np.ndarray]:
        """Predictions of everybody's held-out ratings, (50,) each; made once. Few-shot shows the ten whatever
        ``support`` is.
        """
        few = way == "few-shot"
        key = way, 10 if few else support
        if key not in self._made:
            people = list(self.drawn.people)[: self.extras.few_shot_people if few else None]
            self._made[key] = {p: self._one(p, way, SUPPORTS[support]) for p in people}
        return self._made[key]

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

    def _one(self, person: str, way: str, support: slice) -> np.ndarray:
        own = self.drawn.people[person]
        rows = [self.rows[p] for p in own["picture"]]
        x, y = self.features[rows], own["score"].to_numpy(float)
        away, way = way.endswith(", elsewhere"), way.removesuffix(", elsewhere")
        if way in ("raw text", "adjust-bias", "text residual", "few-shot"):
            return self._written(own, x, y, way, support)
        general, population = self.general or self._nothing, self.population
        if away:
            assert self.there is not None
            general, population = self.there
        if way == "general":
            return np.asarray(general(x[HELD_OUT]))
        estimator: Any = way if way in ("residual", "hierarchical") else "direct"
        given, seen = y[support], np.ones(len(y[support]), dtype=bool)
        if way.startswith("reduce"):
            named = self.aadb if way == "reduce, AADB" else self.named
            assert named is not None
            x = named[rows]
        elif way.startswith("giaa"):  # everybody's mean score of the same pictures in place of the person's
            means = self.all_means if way == "giaa, all" else self.means
            given = np.array([means.get(p, np.nan) for p in own["picture"].iloc[support]])
            seen = ~np.isnan(given)
            if seen.sum() < 2:
                return np.zeros(len(y[HELD_OUT]))
        elif way == "direct, shuffled":
            given = self.exchanged[person][support]
        model = PersonModel(x[support][seen], given[seen], general, estimator, self.alphas, population=population)
        return np.asarray(model.raw(x[HELD_OUT]))

    def _written(self, own: pd.DataFrame, x: np.ndarray, y: np.ndarray, way: str, support: slice) -> np.ndarray:
        """Rows on what the model writes. A picture without a number has the mean of the person's others."""
        if way == "few-shot":
            assert self.extras.few_shot is not None
            few = own.iloc[SUPPORTS[10]]
            examples = list(zip(few["picture"], few["score"].astype(float), strict=True))
            return _filled(self.extras.few_shot(examples, list(own["picture"].iloc[HELD_OUT])))
        assert self.extras.written is not None
        said = _filled(self.extras.written[[self.rows[p] for p in own["picture"]]])
        left = y[support] - said[support]
        if way == "raw text":
            return said[HELD_OUT]
        if way == "adjust-bias":
            return said[HELD_OUT] + left.mean()
        model = PersonModel(x[support], left, self._nothing, "direct", self.alphas)
        return said[HELD_OUT] + np.asarray(model.raw(x[HELD_OUT]))

    @staticmethod
    def _nothing(x: np.ndarray) -> np.ndarray:
        return np.zeros(len(x))

    def ways(self) -> list[str]:
        """Those that this data has what it takes for: residual and hierarchical need people outside the evaluation,
        reduce a table of attributes or AADB, what is written a model that was asked.
        """
        extras, there = self.extras, self.there
        able = {
            "direct": True,
            "direct, shuffled": True,
            "residual": self.general is not None,
            "giaa": True,
            "giaa, all": True,
            "hierarchical": self.population is not None,
            "reduce": self.named is not None,
            "reduce, AADB": self.aadb is not None,
            **dict.fromkeys(("raw text", "adjust-bias", "text residual"), extras.written is not None),
            "few-shot": extras.few_shot is not None and extras.few_shot_people > 0,
            **dict.fromkeys(("general, elsewhere", "residual, elsewhere"), there is not None),
            "hierarchical, elsewhere": there is not None and there[1] is not None,
        }
        return [w for w in WAYS if able[w]]


def _filled(written: np.ndarray) -> np.ndarray:
    """Scores with the mean of the others for those that are NaN; the middle where all are."""
    known = written[~np.isnan(written)]
    return np.where(np.isnan(written), known.mean() if len(known) else 0.5, written)


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
    extras: Extras = Extras(),  # noqa: B008  (frozen)
) -> dict[str, Any]:
    """Every pool (P, D), way and support; writes ``linear_hidden.json``, ``.md``, ``linear_hidden_people.csv`` and the
    layer curve. ``attributes``: pictures, names, values; ``pairs``: also any two pools whose layers are multiples of
    it; ``extras``: for further ways.
    """
    table = table[table["picture"].isin(list(rows))]
    drawn = draw(table, people)
    told: dict[str, Any] = {"people": len(drawn.people), "alphas": alphas, "table": {}}
    given = (attributes[0], attributes[2]) if attributes else None
    hard, untypical = hard_pictures(table), least_typical(table, list(drawn.people))
    told["subsets"] = {"hard pictures": len(hard), "least typical people": len(untypical)}
    lines: list[tuple[Any, ...]] = []
    for pool, features in pools.items():
        protocol = Protocol(drawn, features, rows, alphas, given, extras, pool)
        told["table"][pool] = {way: {n: {} for n in SUPPORTS} for way in protocol.ways()}
        for n in SUPPORTS:
            base = protocol.each("direct", n)["spearman"]
            for way in protocol.ways():
                each = protocol.each(way, n)
                on = on_hard(protocol.predicted(way, n), drawn, hard) if way != "few-shot" else {}
                own = dict(zip(drawn.people, each["spearman"], strict=True))
                told["table"][pool][way][n] = {
                    **{k: interval(v) for k, v in each.items()},
                    "above direct": interval(each["spearman"] - base),
                    "hard pictures": interval(np.array(list(on.values()))),
                    "least typical people": interval(np.array([own[p] for p in untypical])),
                }
                lines += [(pool, way, n, p, own[p], v) for p, v in zip(drawn.people, each["r2"], strict=True)]
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
    people_table = pd.DataFrame(lines, columns=["pool", "way", "ratings", "person", "spearman", "r2"])
    people_table.dropna(subset=["spearman"]).round(4).to_csv(out / "linear_hidden_people.csv", index=False)
    (out / "linear_hidden.md").write_text(as_markdown(told), encoding="utf-8")
    plot_layers(told["table"], out / "layers.png")
    if pairs:
        plot_pairs(told["pairs"], out / "pairs.png")
    return told


def as_markdown(told: dict[str, Any]) -> str:
    """The tables as text."""
    best = sorted(told.get("pairs", {}).items(), key=lambda kv: -kv[1]["spearman"][0])[:10]
    facts = {k: told[k] for k in ("people", "alphas", "table", "subsets")}
    ways = dict.fromkeys(way for by_way in told["table"].values() for way in by_way)
    inner, probing = told.get("inner"), told.get("probing")
    return render(
        "linear_hidden.md.j2",
        seed=SEED,
        pairs=best,
        inner=inner,
        probing=probing,
        said={w: SAID[w] for w in ways},
        **facts,
    )
