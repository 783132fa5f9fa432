"""What came of a batch: a table in the order of the rows, a page, a sheet of the best pictures."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any, BinaryIO

from PIL import Image, ImageDraw, ImageFont

from reward_models.doors import Unreadable, inside
from reward_models.pictures import read_picture
from reward_models.plural import counted
from reward_models.printable import printable
from steer.batch.folder import BatchFolder
from steer.report.changes import word_changes
from steer.report.html import render_html
from steer.report.links import back_from_batch
from steer.report.theme import LIGHT
from steer.store.files import whole, write_whole

COLUMNS = (
    "id",
    "prompt",
    "user",
    "seed",
    "state",
    "pictures",
    "original",
    "liking",
    "gain",
    "text",
    "picture",
    "original_picture",
    "seconds",
    "reason",
    "warnings",
)
OF_OTHERS = ("prompt", "user", "text", "reason", "warnings")  # columns with words that somebody wrote
ON_THE_PAGE, ON_THE_SHEET = 500, 100  # rows; the table has all of them
CELL, CAPTION, GAP, MARGIN, COLUMN_COUNT = 128, 28, 12, 24, 10  # pixels but for the last
PARQUET_ROWS = 2048  # written at once


def write_results(folder: BatchFolder) -> Counter[str]:
    """``results.csv``, ``results.parquet``, ``index.html``, ``sheet.png``; how many rows are done, failed, begun,
    waiting.

    Rows are read one at a time, so that a hundred thousand need no more memory than one.
    """
    states: Counter[str] = Counter()
    first: list[dict[str, Any]] = []
    gains: list[float] = []
    with (
        whole(folder.path / "results.csv") as file,
        whole(folder.path / "results.parquet") as columns,
        _Parquet(columns) as parquet,
    ):
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        table = csv.DictWriter(text, COLUMNS)
        table.writeheader()
        for row in folder.rows():
            told = folder.outcome(row)
            states[told["state"]] += 1
            table.writerow(told | {name: _harmless(told[name]) for name in OF_OTHERS})
            parquet.add(told)
            if told["gain"] is not None:
                gains.append(told["gain"])
            if len(first) < ON_THE_PAGE:
                first.append(told)
        text.detach()
    folder.write_text("index.html", page_of(folder, first, states, gains))
    sheet = _sheet(folder, first[:ON_THE_SHEET])
    write_whole(folder.path / "sheet.png", lambda f: sheet.save(f, "PNG"))
    return states


class _Parquet:
    """Writes rows in groups."""

    def __init__(self, file: BinaryIO):
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._pa = pa
        text, number = pa.string(), pa.float64()
        kinds = {
            "seed": pa.int64(),
            "pictures": pa.int64(),
            "original": number,
            "liking": number,
            "gain": number,
            "seconds": number,
        }
        self._schema = pa.schema([(name, kinds.get(name, text)) for name in COLUMNS])
        self._writer = pq.ParquetWriter(file, self._schema)
        self._rows: list[dict[str, Any]] = []

    def add(self, told: dict[str, Any]) -> None:
        self._rows.append({k: printable(v) if isinstance(v, str) else v for k, v in told.items()})
        if len(self._rows) >= PARQUET_ROWS:
            self._write()

    def _write(self) -> None:
        if self._rows:
            self._writer.write_table(self._pa.Table.from_pylist(self._rows, self._schema))
            self._rows = []

    def __enter__(self) -> _Parquet:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._write()
        self._writer.close()


def _harmless(text: str | None) -> str | None:
    """A cell that a spreadsheet would take for a formula is told as text; nothing in it moves a cursor."""
    if text is None:
        return None
    shown = printable(text)
    return f"'{shown}" if shown[:1] in ("=", "+", "-", "@", "\t") else shown


def page_of(folder: BatchFolder, rows: list[dict[str, Any]], states: Counter[str], gains: list[float]) -> str:
    """``index.html``: the first rows, each with its original and its best picture; prompts and reasons are escaped."""
    shown = [
        row
        | {
            "report": str(Path(row["picture"]).parents[1] / "report.html") if row["picture"] else "",
            "changes": word_changes(row["prompt"], row["text"] or ""),
        }
        for row in rows
    ]
    return render_html(
        "batch.html.j2",
        name=folder.path.resolve().name,
        rows=shown,
        states=states,
        total=sum(states.values()),
        gain=gain_of_rows(gains),
        back=back_from_batch(folder.path),
    )


def gain_of_rows(gains: list[float]) -> str:
    """The gains in liking of rows, taken together; "" for none.

    >>> gain_of_rows([0.5, 0.25, -0.25])
    'mean gain +0.17 over 3 rows, 2 of them above 0'
    """
    if not gains:
        return ""
    above = "" if len(gains) == 1 else f", {sum(g > 0 for g in gains)} of them above 0"
    return f"mean gain {fmean(gains):+.2f} over {counted(len(gains), 'row')}{above}"


def _sheet(folder: BatchFolder, rows: list[dict[str, Any]]) -> Image.Image:
    """The best pictures of the rows, each with its liking, the gain and the user below."""
    shown = [r for r in rows if r["picture"]]
    columns = max(1, min(COLUMN_COUNT, len(shown)))
    lines = -(-len(shown) // columns)
    size = 2 * MARGIN + columns * (CELL + GAP) - GAP, 2 * MARGIN + max(1, lines) * (CELL + CAPTION)
    sheet = Image.new("RGB", size, LIGHT.rgb("paper"))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for i, r in enumerate(shown):
        x, y = MARGIN + i % columns * (CELL + GAP), MARGIN + i // columns * (CELL + CAPTION)
        try:
            small = read_picture(inside(folder.path, r["picture"]), ("PNG",))
        except (OSError, Unreadable):  # taken away since; the row says what it was
            small = Image.new("RGB", (CELL, CELL), LIGHT.rgb("line"))
        small.thumbnail((CELL, CELL))
        sheet.paste(small, (x, y))
        liking = "-" if r["liking"] is None else f"{r['liking']:.2f}"
        liking += "" if r["gain"] is None else f" ({r['gain']:+.2f})"
        draw.text((x, y + CELL + 4), f"{liking}  {r['user'][:8]}", LIGHT.rgb("pale"), font)
    return sheet
