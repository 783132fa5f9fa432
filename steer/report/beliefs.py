"""What steer has learned about a person, as text and as a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from steer.errors import UsageError
from steer.users.beliefs import Beliefs, Leaning

INK, PALE, PAPER = "#202024", "#6a6a72", "#faf9f6"
LIKED, DISLIKED, UNSURE, AVERAGE = "#2e7d5a", "#b2463c", "#bebcb6", "#d69614"
MOST, FEW = 8, 3  # leanings listed: that are certain, that are not
WIDTH, ROW, MARGIN, LABEL, HEAD, TICKS, LINE = 860, 26, 32, 190, 92, 28, 22  # pixels


def lines(found: Beliefs) -> list[str]:
    """Text for a terminal: a line each."""
    told = [f"{found.user}: {found.known:.0%} of their taste is known"]
    sure = [x for x in found.leanings if x.sure]
    for title, some in (
        ("likes", [x for x in sure if x.mean > 0]),
        ("dislikes", [x for x in sure[::-1] if x.mean < 0]),
    ):
        told.append(f"{title}:" + ("" if some else " nothing certain yet"))
        told += [_leaning(x) for x in some[:MOST]]
    if found.leanings and not sure:
        told.append("not certain yet, but probably unlike the average person:")
        told += [_leaning(x) for x in sorted(found.leanings, key=lambda x: -abs(x.mean - x.average))[:FEW]]
    return told + _notes(found)


def _leaning(x: Leaning) -> str:
    return f"  {x.phrase:22s} {x.mean:+.2f} [{x.low:+.2f}, {x.high:+.2f}]   average person {x.average:+.2f}"


def draw_beliefs(found: Beliefs) -> Image.Image:
    """A chart 860 pixels wide: one bar per phrase with its 95 % interval, grey if uncertain, and a mark for the average
    person.

    Raises UsageError if matplotlib (extra ``study``) is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("the picture needs matplotlib: pip install 'steer-t2i[study]'") from error
    rows = _rows(found)
    notes = _notes(found)
    height = HEAD + len(rows) * ROW + TICKS + len(notes) * LINE + MARGIN
    figure = Figure((WIDTH / 100, height / 100), dpi=100, facecolor=PAPER)
    canvas = FigureCanvasAgg(figure)

    def write(y: float, text: str, size: float, colour: str) -> None:
        """One line, ``y`` pixels from the top. A prompt may hold dollar signs, which are not mathematics."""
        figure.text(MARGIN / WIDTH, 1 - y / height, text, size=size, color=colour, va="top", parse_math=False)

    write(20, f"What steer has learned about {found.user}", 17, INK)
    write(
        54,
        f"{found.known:.0%} of their taste is known. Bars: liking compared with the others of its kind; "
        "lines: 95% interval; orange: average person",
        9,
        PALE,
    )
    if rows:
        left, width = (MARGIN + LABEL) / WIDTH, (WIDTH - 2 * MARGIN - LABEL) / WIDTH
        bottom = (MARGIN + len(notes) * LINE + TICKS) / height
        _bars(figure.add_axes((left, bottom, width, len(rows) * ROW / height)), rows)
    for i, note in enumerate(notes):
        write(height - MARGIN / 2 - (len(notes) - i) * LINE, note, 9.5, INK)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _rows(found: Beliefs) -> list[str | Leaning]:
    """From top to bottom: each kind, followed by its leanings."""
    rows: list[str | Leaning] = []
    for kind in dict.fromkeys(x.kind for x in found.leanings):
        rows += [kind, *(x for x in found.leanings if x.kind == kind)]
    return rows


def _bars(axis: Any, rows: list[str | Leaning]) -> None:
    """One row of the chart for each of ``rows``; kinds are headings."""
    shown = [(y, x) for y, x in enumerate(rows) if isinstance(x, Leaning)]
    at = np.array([y for y, _ in shown])
    mean, low, high, average = np.array([(x.mean, x.low, x.high, x.average) for _, x in shown]).T
    colours = [(LIKED if x.mean > 0 else DISLIKED) if x.sure else UNSURE for _, x in shown]
    axis.barh(at, mean, height=0.54, color=colours)
    axis.errorbar((low + high) / 2, at, xerr=(high - low) / 2, fmt="none", ecolor=INK, elinewidth=1)
    axis.vlines(average, at - 0.36, at + 0.36, color=AVERAGE, linewidth=2)
    axis.axvline(0, color=PALE, linewidth=1)
    reach = 1.05 * max(0.1, *np.abs([low, high, average, mean]).ravel())
    axis.set(xlim=(-reach, reach), ylim=(len(rows) - 0.5, -0.5), facecolor=PAPER)
    axis.set_yticks(range(len(rows)), [x.phrase if isinstance(x, Leaning) else x for x in rows])
    for label, row in zip(axis.get_yticklabels(), rows, strict=True):
        label.set(color=INK if isinstance(row, Leaning) else PALE, parse_math=False)
        label.set_fontweight("normal" if isinstance(row, Leaning) else "bold")
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", labelsize=9, colors=PALE)
    axis.spines[:].set_visible(False)


def _notes(found: Beliefs) -> list[str]:
    notes = []
    if found.similar:
        notes.append("most similar users: " + ", ".join(f"{p} ({v:.2f})" for p, v in found.similar))
    return notes + [
        f"surprising rating: {s.said:g} for '{s.prompt or s.picture[:12]}', where {s.expected:.1f} was expected"
        for s in found.surprises
    ]
