"""A study's plots as PNG, each for light and for dark screens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steer.report.theme import DARK, LIGHT, Theme
from steer.study.analysis import Findings

THEMES = {"": LIGHT, "-dark": DARK}  # by what ends the file's name
WIDE, NARROW = 10.4, 7.6  # inches; about 100 pixels of a page each
SECOND = {LIGHT: "#3f6f9c", DARK: "#7fb0dc"}  # of a line beside the accent's


@dataclass(frozen=True)
class Plot:
    """``caption`` says what is seen; ``narrow``: half as wide as a page."""

    name: str
    caption: str
    narrow: bool = False

    @property
    def light(self) -> str:
        """File name, for light screens."""
        return f"{self.name}.png"

    @property
    def dark(self) -> str:
        """File name, for dark screens."""
        return f"{self.name}-dark.png"


def plot_all(findings: Findings, table: dict[str, Any], folder: Path) -> list[Plot]:
    """Write the plots into ``folder``; what they are."""
    folder.mkdir(exist_ok=True)
    judge, base = findings.judges[0], findings.config.baseline
    drawn: dict[Plot, Callable[[Theme], Any]] = {
        Plot(
            "liking",
            f"Mean liking, as {judge} judges, and fidelity to the prompt by condition, with 95 % intervals",
        ): lambda theme: _liking(table, judge, theme),
        Plot(
            "people",
            f"The gain in liking of each person, as {judge} judges: own pictures over '{base}' and over others'",
            narrow=True,
        ): lambda theme: _people(findings, judge, theme),
        Plot(
            "pictures",
            "Liking of the picture held after each picture of a run, by the reward that steered and by each judge",
        ): lambda theme: _against_pictures(findings, theme),
        Plot(
            "wins",
            f"Per cent of choices, as {judge} judges, in which the row's picture is chosen over the column's",
            narrow=True,
        ): lambda theme: _wins(findings.names, table["wins"][judge], theme),
    }
    import matplotlib

    for plot, draw in drawn.items():
        for ending, theme in THEMES.items():
            with matplotlib.rc_context(_style(theme)):
                draw(theme).savefig(folder / f"{plot.name}{ending}.png", dpi=150)
    return list(drawn)


def _liking(table: dict[str, Any], judge: str, theme: Theme) -> Any:
    """Mean liking by condition with its interval, and fidelity beside it."""
    names = sorted(table["conditions"], key=lambda n: table["conditions"][n][judge]["liking"][0])
    figure, (left, right) = _figure(2, height=1.4 + 0.36 * len(names), sharey=True)
    for axis, key, label in (
        (left, lambda c: c[judge]["liking"], f"liking, as {judge} judges"),
        (right, lambda c: c["fidelity"], "fidelity to the prompt"),
    ):
        for y, name in enumerate(names):
            mean, low, high = key(table["conditions"][name])
            colour = theme.frame if name == "own" else theme.pale
            axis.plot([low, high], [y, y], color=colour, linewidth=3, solid_capstyle="round")
            axis.plot([mean], [y], "o", color=colour)
        axis.set_xlabel(label)
        axis.grid(axis="x")
    left.set_yticks(range(len(names)), names)
    return figure


def _against_pictures(findings: Findings, theme: Theme) -> Any:
    """Liking of what is held after each picture: by the reward that steered and by those who did not."""
    shown = [n for n in findings.names if (c := findings.curves(n)) and len(c)][:4]
    figure, axes = _figure(max(1, len(shown)), height=3.6, sharey=True)
    colours = dict(zip(("optimised", *findings.judges), (theme.pale, theme.frame, SECOND[theme]), strict=False))
    for axis, name in zip(np.atleast_1d(axes), shown, strict=False):
        for who, line in findings.curves(name).items():
            x = np.arange(1, len(line) + 1)
            steered = who == "optimised"
            label, style = ("the reward that steered", "--") if steered else (who, "-")
            (drawn,) = axis.plot(x, line[:, 0], style, label=label, color=colours.get(who))
            axis.fill_between(x, line[:, 1], line[:, 2], alpha=0.1, color=drawn.get_color(), linewidth=0)
        axis.set(xlabel="pictures", title=name)
        axis.grid()
    first = np.atleast_1d(axes)[0]
    first.set_ylabel("liking of the picture held")
    if shown:
        first.legend(loc="lower right")
    return figure


def _wins(names: list[str], wins: list[list[float]], theme: Theme) -> Any:
    """How often row is chosen over column."""
    from matplotlib.colors import LinearSegmentedColormap

    figure, axis = _figure(1, height=0.5 * len(names) + 2)
    table = np.array(wins, float)
    colours = LinearSegmentedColormap.from_list("wins", [SECOND[theme], theme.surface, theme.frame])
    axis.imshow(table, cmap=colours, vmin=0.2, vmax=0.8, aspect="auto")
    for i in range(len(names)):
        for j in range(len(names)):
            if i != j and not np.isnan(table[i, j]):
                behind = colours((table[i, j] - 0.2) / 0.6)[:3]
                axis.text(j, i, f"{100 * table[i, j]:.0f}", ha="center", va="center", color=_readable(behind))
    axis.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axis.set_yticks(range(len(names)), names)
    return figure


def _people(findings: Findings, judge: str, theme: Theme) -> Any:
    """For whom: each user's own above the unchanged prompt and above others' pictures."""
    figure, axis = _figure(1, height=3.6)
    pairs = [
        (b, findings.values[judge]["own"] - findings.values[judge][b])
        for b in (findings.config.baseline, "other")
        if b in findings.values[judge] and "own" in findings.values[judge]
    ]
    for (name, gains), colour in zip(pairs, (theme.frame, SECOND[theme]), strict=False):
        ordered = np.sort(gains[~np.isnan(gains)])
        axis.plot(np.arange(1, len(ordered) + 1), ordered, "o-", markersize=4, label=f"own over {name}", color=colour)
    axis.axhline(0, color=theme.pale, linewidth=1)
    axis.set(xlabel="people, the least gain first", ylabel=f"gain in liking, as {judge} judges")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.grid(axis="y")
    if pairs:
        axis.legend()
    return figure


def _readable(behind: tuple[float, float, float]) -> str:
    """Black or white, whichever has more contrast on a colour (WCAG 2.2, relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in behind]
    luminance = float(np.dot((0.2126, 0.7152, 0.0722), linear))
    return "black" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "white"


def _style(theme: Theme) -> dict[str, Any]:
    """Colours of the page, and no frame around a plot."""
    return {
        "figure.facecolor": theme.paper,
        "savefig.facecolor": theme.paper,
        "axes.facecolor": theme.paper,
        "axes.edgecolor": theme.line,
        "axes.labelcolor": theme.pale,
        "axes.titlecolor": theme.ink,
        "axes.titlesize": "medium",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": theme.line,
        "text.color": theme.ink,
        "text.parse_math": False,
        "xtick.color": theme.pale,
        "ytick.color": theme.line,
        "ytick.labelcolor": theme.ink,
        "legend.frameon": False,
        "legend.fontsize": "small",
    }


def _figure(n: int, height: float, sharey: bool = False) -> Any:
    """A figure of ``n`` plots beside each other, ``height`` inches high."""
    from matplotlib.figure import Figure

    figure = Figure((NARROW if n == 1 else WIDE, height), layout="constrained")
    return figure, figure.subplots(1, n, sharey=sharey)
