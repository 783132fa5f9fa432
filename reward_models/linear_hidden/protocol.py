"""The paper's evaluation: disjoint supports of 10 and 100 ratings a person, 50 held out, 200 people, seed 42 (arXiv 2604.11374).

A Spearman that is undefined, of a constant prediction or constant ratings, counts as 0: a predictor that says nothing must not look better for it. R2 is
1 - squared error / variance of the held-out ratings. Intervals: 95 % bootstrap over people. Shapes: P pictures, D features, U people.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reward_models.base import RewardError
from reward_models.linear_hidden.fit import attribute_map, general_score
from reward_models.linear_hidden.people import PersonModel
from reward_models.linear_hidden.ridge import Scaler, many_outputs

SEED = 42
SUPPORTS = {10: slice(0, 10), 100: slice(10, 110)}
HELD_OUT = slice(110, 160)
WAYS = ("direct", "residual", "giaa", "reduce")


@dataclass(frozen=True)
class Drawn:
    """``people``: id to the rows of their ratings in the table, 160 each in the order of the supports; ``rest``: the other people's rows."""

    people: dict[str, pd.DataFrame]
    rest: pd.DataFrame


def draw(table: pd.DataFrame, people: int = 200) -> Drawn:
    """Those evaluated: people with at least 160 ratings, drawn and shuffled as the authors do. Raises RewardError where there are none."""
    counts = table.groupby("person", sort=False)["picture"].count()
    able = [str(p) for p in counts.index if counts[p] >= HELD_OUT.stop]
    if not able:
        raise RewardError(f"nobody has {HELD_OUT.stop} ratings; the protocol needs as many")
    chosen = random.Random(SEED).sample(able, min(people, len(able)))
    groups = {str(p): g for p, g in table.groupby("person", sort=False)}
    shuffled = {
        p: groups[p].sample(frac=1, random_state=SEED).drop_duplicates("picture").iloc[: HELD_OUT.stop] for p in chosen
    }
    return Drawn(shuffled, table[~table["person"].astype(str).isin(chosen)])


def spearman(predicted: np.ndarray, rated: np.ndarray) -> float:
    """Rank correlation; 0 where it is undefined."""
    from scipy.stats import rankdata

    a, b = rankdata(predicted), rankdata(rated)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def r2(predicted: np.ndarray, rated: np.ndarray) -> float:
    """Coefficient of determination; NaN for constant ratings."""
    spread = ((rated - rated.mean()) ** 2).sum()
    return float(1 - ((rated - predicted) ** 2).sum() / spread) if spread else float("nan")


class Protocol:
    """One pool of features (P, D) with their rows by picture. ``attributes``: names and values (n, A) of pictures, for ``reduce``."""

    def __init__(
        self, drawn: Drawn, features: np.ndarray, rows: dict[str, int], alphas: str = "paper",
        attributes: tuple[list[str], np.ndarray] | None = None,
    ):  # fmt: skip
        self.drawn, self.features, self.rows, self.alphas = drawn, features, rows, alphas
        whole = Scaler.of(features)
        self.means = pd.concat(drawn.people.values()).groupby("picture")["score"].mean()
        self.general: Callable[[np.ndarray], np.ndarray] | None = None
        if len(drawn.rest):
            affine = general_score(drawn.rest, features, rows, whole)
            self.general = lambda x: affine(x)[:, 0]
            self.means = drawn.rest.groupby("picture")["score"].mean()
        self.reduced: Any = None
        if attributes is not None:
            pictures, values = attributes
            self.reduced = attribute_map(features[[rows[p] for p in pictures]], values, whole)

    def each(self, way: str, support: int) -> dict[str, np.ndarray]:
        """Everybody's Spearman and R2 on their held-out ratings, (U,) each."""
        found = [self._one(own, way, SUPPORTS[support]) for own in self.drawn.people.values()]
        return {"spearman": np.array([spearman(p, y) for p, y in found]), "r2": np.array([r2(p, y) for p, y in found])}

    def _one(self, own: pd.DataFrame, way: str, support: slice) -> tuple[np.ndarray, np.ndarray]:
        x = self.features[[self.rows[p] for p in own["picture"]]]
        y = own["score"].to_numpy(float)
        if (
            way == "giaa"
        ):  # the mean score of the same pictures in place of the person's, as the paper's row of that name
            y_fit = np.array([self.means.get(p, np.nan) for p in own["picture"].iloc[support]])
            there = ~np.isnan(y_fit)
            model = PersonModel(x[support][there], y_fit[there], self._nothing, "direct", self.alphas)
        else:
            general = self.general or self._nothing
            attributes = self.reduced if way == "reduce" else None
            model = PersonModel(x[support], y[support], general, way, self.alphas, attributes)  # type: ignore[arg-type]
        return model.raw(x[HELD_OUT]), y[HELD_OUT]

    @staticmethod
    def _nothing(x: np.ndarray) -> np.ndarray:
        return np.zeros(len(x))

    def ways(self) -> list[str]:
        """Those that this data has what it takes for: residual needs people outside the evaluation, reduce a table of attributes."""
        able = {"direct": True, "residual": self.general is not None, "giaa": True, "reduce": self.reduced is not None}
        return [w for w in WAYS if able[w]]


def interval(values: np.ndarray, times: int = 2000) -> tuple[float, float, float]:
    """Mean and 95 % percentile bootstrap interval over people; NaN people are left out."""
    values = values[~np.isnan(values)]
    drawn = np.random.default_rng(SEED).integers(0, len(values), (times, len(values)))
    low, high = np.percentile(values[drawn].mean(1), [2.5, 97.5])
    return round(float(values.mean()), 4), round(float(low), 4), round(float(high), 4)


def probe(
    pools: dict[str, np.ndarray], names: Sequence[str], values: np.ndarray, seed: int = SEED
) -> dict[str, dict[str, Any]]:
    """How well each attribute (n, A) can be read from each pool (n, D): Spearman on validation; the pool that is best there, on test.

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
    pools: dict[str, np.ndarray], rows: dict[str, int], table: pd.DataFrame, out: Path, people: int = 200, alphas: str = "paper",
    attributes: tuple[list[str], list[str], np.ndarray] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Every pool (P, D), way and support; writes ``linear_hidden.json``, ``.md`` and the layer curve. ``attributes``: pictures, names, values."""
    table = table[table["picture"].isin(list(rows))]
    drawn = draw(table, people)
    told: dict[str, Any] = {"people": len(drawn.people), "alphas": alphas, "table": {}}
    given = (attributes[0], attributes[2]) if attributes else None
    for pool, features in pools.items():
        protocol = Protocol(drawn, features, rows, alphas, given)
        told["table"][pool] = {
            way: {n: {k: interval(v) for k, v in protocol.each(way, n).items()} for n in SUPPORTS} for way in protocol.ways()
        }  # fmt: skip
    if attributes:
        pictures, names, values = attributes
        at = [rows[p] for p in pictures]
        told["probing"] = probe({p: x[at] for p, x in pools.items()}, names, values)
    out.mkdir(parents=True, exist_ok=True)
    (out / "linear_hidden.json").write_text(json.dumps(told, indent=1) + "\n")
    (out / "linear_hidden.md").write_text(as_markdown(told))
    plot_layers(told, out / "layers.png")
    return told


def as_markdown(told: dict[str, Any]) -> str:
    """The tables as text."""
    out = [
        "# Linear-Hidden, the paper's protocol", "",
        f"{told['people']} people; disjoint supports of 10 and 100 ratings, 50 held out, seed {SEED}; penalties '{told['alphas']}'. An undefined Spearman counts as 0. "
        "Mean over people [95 % bootstrap over people].", "", "| features | way | ratings | Spearman | R2 |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for pool, ways in told["table"].items():
        for way, by_support in ways.items():
            for n, row in by_support.items():
                cells = ["{:.3f} [{:.3f}, {:.3f}]".format(*row[k]) for k in ("spearman", "r2")]
                out.append(f"| {pool} | {way} | {n} | {' | '.join(cells)} |")
    if "probing" in told:
        out += ["", "## Attributes", "", "The layer is chosen on validation.", "", "| attribute | best layer | Spearman on test |", "|---|---|---|"]  # fmt: skip
        out += [f"| {n} | {p['best']} | {p['test']:.3f} |" for n, p in told["probing"].items()]
    return "\n".join(out) + "\n"


def plot_layers(told: dict[str, Any], target: Path) -> None:
    """Spearman from 100 ratings by layer, a line a source."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5.6, 4), layout="constrained")
    for source in ("V", "LV", "LT"):
        points = sorted((int(p.split("_")[1]), w["direct"][100]["spearman"]) for p, w in told["table"].items() if p.startswith(f"{source}_"))  # fmt: skip
        if points:
            layers = [layer for layer, _ in points]
            (line,) = axis.plot(layers, [v[0] for _, v in points], "o-", markersize=3, label=source)
            axis.fill_between(layers, [v[1] for _, v in points], [v[2] for _, v in points], alpha=0.15, color=line.get_color())  # fmt: skip
    axis.set(xlabel="layer", ylabel="Spearman on held-out ratings, direct, 100 given")
    axis.legend()
    figure.savefig(target, dpi=110)
    pyplot.close(figure)
