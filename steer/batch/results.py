"""What came of a batch: a table in the order of the rows, a page, a sheet of the best pictures."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from reward_models.plural import counted
from steer.batch.folder import BatchFolder
from steer.report.changes import word_changes
from steer.report.html import render_html
from steer.report.links import back_from_batch
from steer.report.theme import LIGHT
from steer.store.files import write_whole

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
    partial = folder.path / "results.csv.partial"
    with open(partial, "w", encoding="utf-8", newline="") as file, _Parquet(folder.path / "results.parquet") as parquet:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for row in folder.rows():
            told = folder.outcome(row)
            states[told["state"]] += 1
            table.writerow({**told, "prompt": _harmless(told["prompt"]), "text": _harmless(told["text"])})
            parquet.add(told)
            if told["gain"] is not None:
                gains.append(told["gain"])
            if len(first) < ON_THE_PAGE:
                first.append(told)
    partial.replace(folder.path / "results.csv")
    folder.write_text("index.html", page_of(folder, first, states, gains))
    sheet = _sheet(folder, first[:ON_THE_SHEET])
    write_whole(folder.path / "sheet.png", lambda f: sheet.save(f, "PNG"))
    return states


class _Parquet:
    """Writes rows in groups; whole or not there."""

    def __init__(self, path: Path):
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path, self._pa = path, pa
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
        self._partial = path.with_suffix(".parquet.partial")
        self._writer = pq.ParquetWriter(self._partial, self._schema)
        self._rows: list[dict[str, Any]] = []

    def add(self, told: dict[str, Any]) -> None:
        self._rows.append(told)
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
        if kind is None:
            self._partial.replace(self.path)
        else:
            self._partial.unlink(missing_ok=True)


def _harmless(text: str | None) -> str | None:
    """A cell that a spreadsheet would take for a formula is told as text."""
    return f"'{text}" if text and text[0] in "=+-@" else text


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
        with Image.open(folder.path / r["picture"]) as image:
            small = image.convert("RGB")
        small.thumbnail((CELL, CELL))
        sheet.paste(small, (x, y))
        liking = f"{r['liking']:.2f}" + ("" if r["gain"] is None else f" ({r['gain']:+.2f})")
        draw.text((x, y + CELL + 4), f"{liking}  {r['user'][:8]}", LIGHT.rgb("pale"), font)
    return sheet
