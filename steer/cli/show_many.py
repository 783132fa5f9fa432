"""``steer show`` of a batch and of a study."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Column, Table

from reward_models.doors import read_object
from reward_models.plural import counted
from steer.cli.console import console, print_line
from steer.errors import UsageError

SHOWN = 20  # rows of a batch


def show_batch(path: Path, as_json: bool) -> None:
    """Print how many rows are done, what each gained, and where the results are."""
    from steer.batch.folder import BatchFolder

    batch = BatchFolder.open(path)
    rows = [batch.outcome(row) for row in batch.rows()]
    if as_json:
        print_line(json.dumps({"folder": str(path), "rows": rows}, ensure_ascii=False))
        return
    done = [row for row in rows if row["state"] == "done"]
    gains = [row["gain"] for row in done if row["gain"] is not None]
    mean = f", mean gain {statistics.fmean(gains):+.2f}" if gains else ""
    console.print(f"batch {path}: {len(done)} of {counted(len(rows), 'row')} done{mean}", markup=False)
    for user, own in _by_user(done).items():
        console.print(f"  {user}: {counted(len(own), 'row')}, mean gain {statistics.fmean(own):+.2f}", markup=False)
    number = Column("liking", justify="right"), Column("gain", justify="right")
    table = Table("state", "for", "prompt", *number, box=None, pad_edge=False)
    for row in rows[:SHOWN]:
        liking, gain = ("" if row[name] is None else row[name] for name in ("liking", "gain"))
        what = row["prompt"] if row["state"] != "failed" else f"{row['prompt']}: {row['reason']}"
        table.add_row(
            row["state"],
            escape(row["user"]),
            escape(what),
            f"{liking:.2f}" if liking != "" else "",
            f"{gain:+.2f}" if gain != "" else "",
        )
    console.print(table)
    if len(rows) > SHOWN:
        console.print(f"and {counted(len(rows) - SHOWN, 'more row')}")
    if (path / "results.csv").exists():
        console.print(f"  table     {path / 'results.csv'}\n  page      {path / 'index.html'}", markup=False)
    if len(done) < len(rows):
        console.print(f"  finish it with: steer resume {path}", markup=False)


def _by_user(done: list[dict[str, Any]]) -> dict[str, list[float]]:
    """The gains of each user; empty for one user, and for more than a screen has room for."""
    found: dict[str, list[float]] = {}
    for row in done:
        if row["gain"] is not None:
            found.setdefault(row["user"], []).append(row["gain"])
    return found if 1 < len(found) <= SHOWN else {}


def show_study(path: Path, as_json: bool) -> None:
    """Print the verdicts of a study that was reported. Raises UsageError for one that was not."""
    from steer.cli.extras import extra
    from steer.cli.study import print_findings
    from steer.study.folder import StudyFolder

    folder = StudyFolder.open(path)
    try:
        table = read_object(path / "findings.json", nan=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"the study in '{path}' is not finished; finish it with: steer resume {path}") from error
    with extra("study", "matplotlib"):
        print_findings(folder, table, as_json)
