"""Curves of trainings and evaluations as PNG."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def plot_training(log: Path, target: Path) -> None:
    """Loss and validation SROCC by epoch, a line a seed."""
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    figure, axes = _figure(2)
    for axis, key in zip(axes, ("loss", "val_srocc"), strict=True):
        for seed in sorted({row["seed"] for row in rows}):
            own = [row for row in rows if row["seed"] == seed and key in row]
            axis.plot([r["epoch"] for r in own], [r[key] for r in own], label=f"seed {seed:.0f}")
        axis.set(xlabel="epoch", ylabel=key.replace("_", " "))
        axis.legend()
    figure.savefig(target, dpi=110)


def plot_margins(margins: list[float], curves: dict[str, dict[str, list[float | None]]], target: Path) -> None:
    """Pairwise accuracy against how far apart (points on 1-5) the pairs are rated, a line a model; a plot a split."""
    figure, axes = _figure(len(curves))
    for axis, (split, models) in zip(np.atleast_1d(axes), curves.items(), strict=True):
        for name, values in models.items():
            known = [np.nan if v is None else v for v in values]
            axis.plot(margins, known, label=name, linewidth=2.4 if name in ("personal", "15 ratings: fitted") else 1.2)
        axis.set(title=split, xlabel="rated more than this many points apart (1-5)", ylabel="pairwise accuracy")
        axis.legend(fontsize=7)
    figure.savefig(target, dpi=110)


def plot_new_people(curves: dict[str, dict[int, dict[str, float]]], target: Path) -> None:
    """SROCC on later ratings against the number given, with 95 % intervals, a line a way of enrolling."""
    figure, axis = _figure(1)
    for name, curve in curves.items():
        counts, values = list(curve), list(curve.values())
        flat = name in ("population head", "demographics alone")
        (line,) = axis.plot(
            counts,
            [v["srocc"] for v in values],
            label=name,
            marker=None if flat else "o",
            markersize=3,
            linestyle="--" if flat else "-",
            linewidth=2.4 if name == "fitted" else 1.2,
        )
        if name in ("fitted", "population head"):
            low, high = [v["srocc_low"] for v in values], [v["srocc_high"] for v in values]
            axis.fill_between(counts, low, high, alpha=0.15, color=line.get_color())
    axis.set_xscale("symlog", linthresh=5)
    ticks = list(next(iter(curves.values())))
    axis.set_xticks(ticks, [str(t) for t in ticks])
    axis.set(xlabel="ratings given", ylabel="SROCC on later ratings")
    axis.legend(fontsize=8)
    figure.savefig(target, dpi=110)


def _figure(n: int) -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, n, figsize=(5.6 * n, 4), layout="constrained")
    return figure, axes


def plot_layers(table: dict[str, Any], target: Path) -> None:
    """Spearman from 100 ratings by layer, a line a source."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5.6, 4), layout="constrained")
    for source in ("V", "LV", "LT"):
        points = sorted(
            (int(p.split("_")[1]), w["direct"][100]["spearman"]) for p, w in table.items() if p.startswith(f"{source}_")
        )
        if points:
            layers = [layer for layer, _ in points]
            (line,) = axis.plot(layers, [v[0] for _, v in points], "o-", markersize=3, label=source)
            axis.fill_between(
                layers, [v[1] for _, v in points], [v[2] for _, v in points], alpha=0.15, color=line.get_color()
            )
    axis.set(xlabel="layer", ylabel="Spearman on held-out ratings, direct, 100 given")
    axis.legend()
    figure.savefig(target, dpi=110)
    pyplot.close(figure)


def plot_pairs(found: dict[str, dict[str, Any]], target: Path) -> None:
    """Spearman of every pair as a grid; the diagonal is one pool alone."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(n for pair in found for n in pair.split(" + ")))
    grid = np.full((len(names), len(names)), np.nan)
    for pair, row in found.items():
        i, j = (names.index(n) for n in pair.split(" + "))
        grid[i, j] = grid[j, i] = row["spearman"][0]
    side = 2.2 + 0.32 * len(names)
    figure, axis = pyplot.subplots(figsize=(side + 0.8, side), layout="constrained")
    shown = axis.imshow(grid, cmap="viridis")
    axis.set_xticks(range(len(names)), names, rotation=90)
    axis.set_yticks(range(len(names)), names)
    axis.set_title("Spearman, direct, 100 given")
    figure.colorbar(shown, shrink=0.8)
    figure.savefig(target, dpi=110)
    pyplot.close(figure)
