"""What came of a batch: a table in the order of the rows, a page, a sheet of the best pictures."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from reward_models.evaluation.pages import render
from steer.batch.folder import BatchFolder
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
    "seconds",
    "reason",
    "warnings",
)
ON_THE_PAGE, ON_THE_SHEET = 500, 100  # rows; the table has all of them
CELL, GAP, MARGIN, COLUMN_COUNT = 128, 10, 24, 10
PARQUET_ROWS = 2048  # written at once


def write_results(folder: BatchFolder) -> Counter[str]:
    """``results.csv``, ``results.parquet``, ``index.html``, ``sheet.png``; how many rows are done, failed, begun,
    waiting.

    Rows are read one at a time, so that a hundred thousand need no more memory than one.
    """
    states: Counter[str] = Counter()
    first: list[dict[str, Any]] = []
    partial = folder.path / "results.csv.partial"
    with open(partial, "w", newline="") as file, _Parquet(folder.path / "results.parquet") as parquet:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for row in folder.rows():
            told = folder.outcome(row)
            states[told["state"]] += 1
            table.writerow({**told, "prompt": _harmless(told["prompt"]), "text": _harmless(told["text"])})
            parquet.add(told)
            if len(first) < ON_THE_PAGE:
                first.append(told)
    partial.replace(folder.path / "results.csv")
    folder.write_text("index.html", _page(folder, first, states))
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


def _page(folder: BatchFolder, rows: list[dict[str, Any]], states: Counter[str]) -> str:
    """``index.html``: a line for each of the first rows; prompts and reasons are escaped."""
    shown = [r | {"report": str(Path(r["picture"]).parents[1] / "report.html") if r["picture"] else ""} for r in rows]
    return render(
        "batch.html.j2", "steer.report", name=folder.path.name, rows=shown, states=states, total=sum(states.values())
    )


def _sheet(folder: BatchFolder, rows: list[dict[str, Any]]) -> Image.Image:
    shown = [r for r in rows if r["picture"]]
    columns = max(1, min(COLUMN_COUNT, len(shown)))
    lines = -(-len(shown) // columns)
    sheet = Image.new(
        "RGB", (2 * MARGIN + columns * (CELL + GAP), 2 * MARGIN + max(1, lines) * (CELL + 24)), (250, 249, 246)
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for i, r in enumerate(shown):
        x, y = MARGIN + i % columns * (CELL + GAP), MARGIN + i // columns * (CELL + 24)
        with Image.open(folder.path / r["picture"]) as image:
            small = image.convert("RGB")
        small.thumbnail((CELL, CELL))
        sheet.paste(small, (x, y))
        draw.text((x, y + CELL + 4), f"{r['liking']:.2f}  {r['user'][:12]}", (130, 130, 138), font)
    return sheet
