"""What came of a batch: a table in the order of the rows, a page, a sheet of the best pictures."""

from __future__ import annotations

import csv
import io
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

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
    "reward",
    "gain",
    "text",
    "picture",
    "seconds",
    "reason",
)
ON_THE_PAGE, ON_THE_SHEET = 500, 100  # rows; the table has all of them
CELL, GAP, MARGIN, COLUMN_COUNT = 128, 10, 24, 10
PARQUET_ROWS = 2048  # written at once


def write_results(folder: BatchFolder) -> Counter[str]:
    """``results.csv``, ``results.parquet``, ``index.html``, ``sheet.png``; how many rows are done, failed, begun, waiting.

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
            "reward": number,
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
    total = sum(states.values())
    told = ", ".join(f"{n} {state}" for state, n in states.items())
    out = io.StringIO()
    out.write(
        "<!doctype html><meta charset='utf-8'><title>batch</title><style>body{font:15px system-ui;margin:24px;color:#202024;"
        "background:#faf9f6}table{border-collapse:collapse}td,th{padding:6px 10px;text-align:left;vertical-align:top;border-bottom:1px "
        "solid #e0dfdc}img{height:96px;display:block}.failed{color:#b2463c}.pale{color:#82828a}</style>"
        f"<h1>{escape(folder.path.name)}</h1><p>{total} rows: {escape(told)}; <a href='results.csv'>csv</a>, "
        "<a href='results.parquet'>parquet</a>, <a href='sheet.png'>sheet</a></p><table><tr><th>best<th>prompt<th>user<th>reward<th>what was drawn"
    )
    for r in rows:
        picture = f"<img loading='lazy' alt='' src='{escape(r['picture'])}'>" if r["picture"] else ""
        if r["state"] == "done":
            report = escape(str(Path(r["picture"]).parents[1] / "report.html")) if r["picture"] else ""
            reward = (
                f"{r['original']:.2f} &rarr; <b>{r['reward']:.2f}</b>"
                if r["reward"] is not None and r["original"] is not None
                else ""
            )
            last = f"<a href='{report}'>{escape(r['text'] or '')}</a>"
        else:
            reward, last = "", f"<span class='{r['state']}'>{escape(r['reason'] or r['state'])}</span>"
        out.write(
            f"<tr><td>{picture}<td>{escape(r['prompt'])}<br><span class='pale'>{r['id']}</span><td>{escape(r['user'])}<td>{reward}<td>{last}"
        )
    out.write("</table>")
    if total > len(rows):
        out.write(f"<p class='pale'>the first {len(rows)}; all {total} are in the table</p>")
    return out.getvalue()


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
        draw.text((x, y + CELL + 4), f"{r['reward']:.2f}  {r['user'][:12]}", (130, 130, 138), font)
    return sheet
