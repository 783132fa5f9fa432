"""A study's plots as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from steer.study.analysis import Findings

WARM, PALE = "#b87d0c", "#77777f"


def plot_all(findings: Findings, table: dict[str, Any], folder: Path) -> list[str]:
    """Write the plots into ``folder``; their names."""
    folder.mkdir(exist_ok=True)
    judge = findings.judges[0]
    named = {
        "liking.png": lambda p: _liking(table, judge, p),
        "pictures.png": lambda p: _against_pictures(findings, p),
        "wins.png": lambda p: _wins(findings.names, table["wins"][judge], judge, p),
        "people.png": lambda p: _people(findings, judge, p),
    }
    for name, plot in named.items():
        plot(folder / name)
    return list(named)


def _liking(table: dict[str, Any], judge: str, target: Path) -> None:
    """Mean liking by condition with its interval, and fidelity beside it."""
    figure, (left, right) = _figure(2)
    names = sorted(table["conditions"], key=lambda n: table["conditions"][n][judge]["liking"][0])
    for axis, key, label in (
        (left, lambda c: c[judge]["liking"], f"liking, as {judge} judges"),
        (right, lambda c: c["fidelity"], "fidelity to the prompt"),
    ):
        for y, name in enumerate(names):
            mean, low, high = key(table["conditions"][name])
            axis.plot([low, high], [y, y], color=WARM if name == "own" else PALE, linewidth=3, solid_capstyle="round")
            axis.plot([mean], [y], "o", color=WARM if name == "own" else PALE)
        axis.set_yticks(range(len(names)), names)
        axis.set_xlabel(label)
        axis.grid(axis="x", alpha=0.25)
    _save(figure, target)


def _against_pictures(findings: Findings, target: Path) -> None:
    """What is held after each picture: the optimised reward and who did not steer."""
    shown = [n for n in findings.names if (c := findings.curves(n)) and len(c)][:4]
    figure, axes = _figure(len(shown), sharey=True)
    for axis, name in zip(np.atleast_1d(axes), shown, strict=True):
        for who, line in findings.curves(name).items():
            x = np.arange(1, len(line) + 1)
            (drawn,) = axis.plot(x, line[:, 0], "--" if who == "optimised" else "-", label=who)
            axis.fill_between(x, line[:, 1], line[:, 2], alpha=0.15, color=drawn.get_color())
        axis.set(xlabel="pictures", title=name)
        axis.grid(alpha=0.25)
    first = np.atleast_1d(axes)[0]
    first.set_ylabel("liking of the picture held")
    first.legend(fontsize=8)
    _save(figure, target)


def _wins(names: list[str], wins: list[list[float]], judge: str, target: Path) -> None:
    """How often row is chosen over column."""
    figure, axis = _figure(1, size=0.55 * len(names) + 3)
    table = np.array(wins, float)
    axis.imshow(table, cmap="RdYlGn", vmin=0.2, vmax=0.8)
    for i in range(len(names)):
        for j in range(len(names)):
            if i != j and not np.isnan(table[i, j]):
                axis.text(j, i, f"{100 * table[i, j]:.0f}", ha="center", va="center", fontsize=8)
    axis.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axis.set_yticks(range(len(names)), names)
    axis.set_title(f"% of choices of the row over the column, {judge}", fontsize=10)
    _save(figure, target)


def _people(findings: Findings, judge: str, target: Path) -> None:
    """For whom: each user's own above the unchanged prompt and above others' pictures."""
    figure, axis = _figure(1)
    base = findings.config.baseline
    pairs = [
        (b, findings.values[judge]["own"] - findings.values[judge][b])
        for b in (base, "other")
        if b in findings.values[judge] and "own" in findings.values[judge]
    ]
    for k, (name, gains) in enumerate(pairs):
        ordered = np.sort(gains[~np.isnan(gains)])
        axis.plot(
            np.arange(1, len(ordered) + 1),
            ordered,
            "o-",
            markersize=3,
            label=f"own above {name}",
            color=(WARM, PALE)[k],
        )
    axis.axhline(0, color="black", linewidth=0.6)
    axis.set(xlabel="users, the least gain first", ylabel=f"gain in liking, as {judge} judges")
    axis.legend(fontsize=8)
    _save(figure, target)


def _figure(n: int, size: float = 4.0, sharey: bool = False) -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    wide = 5.2 if size == 4.0 else size + 1
    return pyplot.subplots(1, n, figsize=(wide * n, size), layout="constrained", sharey=sharey)


def _save(figure: Any, target: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(target, dpi=110)
    pyplot.close(figure)
