"""``steer show RUN``, and the summary printed at the end of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from steer.cli.console import console
from steer.cli.options import AsJson
from steer.errors import UsageError
from steer.report.changes import word_changes
from steer.types import Result

_MARK = {"same": "{}", "added": "[bold green]{}[/]", "removed": "[red strike]{}[/]"}


def show(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    as_json: AsJson = False,
    top: Annotated[int, typer.Option(help="Number of texts to list.")] = 8,
) -> None:
    """Show a run's results: rewards, the best prompt and its changes, the best texts, and the words that helped."""
    print_result_of(run, as_json)
    if not as_json:
        stored = _load(run)
        for warning in stored.get("warnings", []):
            console.print(f"  [yellow]warning[/]   {escape(warning)}")
        _print_texts(stored, top)
        _print_words(stored.get("words", []))


def print_result_of(run: Path, as_json: bool) -> None:
    """Print the stored result of a finished or interrupted run."""
    stored = _load(run)
    if as_json:
        print(json.dumps(stored, ensure_ascii=False))
    else:
        print_summary({**stored, "folder": str(run)})


def print_result(result: Result) -> None:
    """Print the summary of a run that just ended."""
    from steer.report import summary

    print_summary(summary(result))


def print_summary(s: dict[str, Any]) -> None:
    """Print the summary of a run in a few lines."""
    folder = Path(s["folder"])
    console.print()
    if s["original"]:
        console.print(f"  original  {_reward(s['original'])}  {escape(s['prompt'])}")
    if s["best"]:
        pieces = word_changes(s["prompt"], s["best"]["text"])
        marked = " ".join(_MARK[kind].format(escape(words)) for kind, words in pieces)
        console.print(f"  best      {_reward(s['best'])}  {marked}")
    for name, added in s.get("explained", {}).items():
        words = ", ".join(f"{n} {v:+.2f}" for n, v in list(added.items())[:4])
        console.print(f"  why       {name}: {escape(words)}")
    if s["picture"]:
        console.print(f"  picture   {folder / s['picture']}")
    console.print(f"  sheet     {folder / 'contact_sheet.png'}")
    console.print(f"  report    {folder / 'report.html'}")
    if s.get("agreement") is not None:
        console.print(
            f"  tiers     {s['agreement_of']} rank like full pictures: Spearman {s['agreement']:+.2f} "
            f"on {s['agreement_pictures']} pictures"
        )
    if s["failed"]:
        console.print(
            f"  failed    {len(s['failed'])} pictures; reason of the first: {escape(s['failed'][0]['reason'])}"
        )
    console.print(f"  stopped   because {s['why']}, after {s['pictures']} pictures and {s['seconds']:.0f} s")
    if s["stop"] == "INTERRUPTED":
        console.print(f"  everything so far is kept; resume with: [bold]steer resume {folder}[/]")


def _reward(stats: dict[str, Any]) -> str:
    if stats["seeds"] == 1:  # one picture has no spread
        return f"[bold]{stats['reward']:.2f}[/] (1 seed)"
    return f"[bold]{stats['reward']:.2f}[/] ± {stats['spread']:.2f} ({stats['seeds']} seeds)"


def _print_texts(stored: dict[str, Any], top: int) -> None:
    groups: dict[str, list[float]] = {}
    for c in stored["candidates"]:
        if c["objective"] is not None:
            groups.setdefault(c["text"], []).append(c["objective"])
    ranked = sorted(groups.items(), key=lambda item: -sum(item[1]) / len(item[1]))[:top]
    table = Table("reward", "pictures", "text", box=None, pad_edge=False)
    for text, values in ranked:
        table.add_row(f"{sum(values) / len(values):.3f}", str(len(values)), escape(text))
    console.print()
    console.print(table)


def _print_words(words: list[dict[str, Any]]) -> None:
    """Print the words whose 95 % interval of the effect does not contain zero."""
    raised, lowered = [w for w in words if w["low"] > 0], [w for w in words if w["high"] < 0]
    for title, effects in (("raised", raised), ("lowered", lowered)):
        if effects:
            line = ", ".join(f"{w['words']} {w['effect']:+.2f} [{w['low']:+.2f}, {w['high']:+.2f}]" for w in effects)
            console.print(f"  {title:8s} {escape(line)}")


def _load(run: Path) -> dict[str, Any]:
    from steer.store.run_folder import RunFolder

    RunFolder.open(run)
    try:
        stored: dict[str, Any] = json.loads((run / "result.json").read_text())
    except FileNotFoundError as error:
        raise UsageError(
            f"the run in '{run}' stopped before its report was written; 'steer resume {run}' finishes it"
        ) from error
    except ValueError as error:
        raise UsageError(f"'{run / 'result.json'}' is damaged; 'steer resume {run}' rewrites it") from error
    return stored
