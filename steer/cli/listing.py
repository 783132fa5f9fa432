"""``steer list``: what is in the output folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from reward_models.plural import counted
from steer.cli.console import console, print_line
from steer.cli.folders import OUTPUTS, Entry, entries, read_json
from steer.cli.options import AsJson
from steer.errors import UsageError


def list_(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to look in.")] = OUTPUTS,
    last: Annotated[int, typer.Option("--last", "-n", metavar="N", help="How many to list.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """List your runs, batches and studies, the newest first.

    'steer show FOLDER' shows one of them, 'steer show' the newest.
    """
    found = entries(folder)
    rows = [_about(entry) for entry in found[:last]]
    if as_json:
        print_line(json.dumps(rows, ensure_ascii=False))
        return
    if not rows:
        console.print(f"no runs in {folder}", markup=False)
        return
    who, what = (max(len(_shortened(row[name])) for row in rows) for name in ("user", "what"))
    console.print(f"{'when':16}  {'for':{who}}  {'what':{what}}  liking   gain", style="bold")
    for row in rows:
        liking = "" if row["liking"] is None else f"{row['liking']:.2f}"
        gain = "" if row["gain"] is None else f"{row['gain']:+.2f}"
        when = row["when"][:16].replace("T", " ")
        line = f"{when:16}  {_shortened(row['user']):{who}}  {_shortened(row['what']):{what}}  {liking:>6}  {gain:>5}"
        console.print(escape(line.rstrip()))
        console.print(f"  [dim]{escape(row['folder'])}[/]")
    if len(found) > len(rows):
        console.print(f"and {counted(len(found) - len(rows), 'older one')}; --last {len(found)} lists all")


def _about(entry: Entry) -> dict[str, Any]:
    """One row, JSON-ready."""
    row = {"kind": entry.kind, "when": entry.when, "folder": str(entry.path), "user": "", "liking": None, "gain": None}
    if entry.kind == "run":
        return row | _about_run(entry.path)
    if entry.kind == "batch":
        from steer.batch.folder import BatchFolder

        batch = BatchFolder(entry.path)
        try:
            states = [batch.state(each) for each in batch.rows()]
        except UsageError:
            return row | {"what": "batch (damaged)"}
        return row | {"what": f"batch, {states.count('done')} of {counted(len(states), 'row')} done"}
    plan = read_json(entry.path / "study.json").get("plan")
    return row | {"what": f"study '{plan.get('name', '') if isinstance(plan, dict) else ''}'"}


def _about_run(path: Path) -> dict[str, Any]:
    """Of a run of any version, finished or not: what of it can be read."""
    result, manifest = read_json(path / "result.json"), read_json(path / "manifest.json")
    request, best = manifest.get("request"), result.get("best")
    told = request if isinstance(request, dict) else {}
    liking = best.get("liking") if isinstance(best, dict) else None
    return {
        "user": str(told.get("user", "")),
        "what": str(told.get("prompt", "")) + ("" if result else " (unfinished)"),
        "liking": _number(liking),
        "gain": _number(result.get("gain")),
    }


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e9 else None


def _shortened(text: str, longest: int = 36) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
