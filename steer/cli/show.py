"""``steer show RUN``, and the summary printed at the end of a run."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from reward_models.plural import counted
from steer.cli.console import console, print_line, print_text
from steer.cli.folders import kind_of, latest
from steer.cli.options import AsJson, Made
from steer.cli.show_many import show_batch, show_study
from steer.judging.audience import Audience
from steer.report.changes import word_changes
from steer.result import Result

_MARK = {"same": "{}", "added": "[bold green]{}[/]", "removed": "[red strike]{}[/]"}


def show(
    folder: Made = None,
    as_json: AsJson = False,
    top: Annotated[int, typer.Option(metavar="N", help="Texts of a run to list.", min=0)] = 8,
) -> None:
    """Show the results of a run, a batch or a study.

    Of a run: the gain, the best text and what changed in it, the best texts, and the words that helped.
    """
    path = latest() if folder is None else folder
    kind = kind_of(path)
    if kind == "batch":
        show_batch(path, as_json)
    elif kind == "study":
        show_study(path, as_json)
    else:
        if folder is None and not as_json:
            console.print(str(path), markup=False)
        print_result_of(path, as_json)
        if not as_json:
            stored = _load(path)
            for warning in stored.get("warnings", []):
                print_text("[yellow]warning[/]", escape(warning))
            _print_texts(stored, top)
            _print_words(stored.get("words", []))


def print_result_of(run: Path, as_json: bool) -> None:
    """Print the stored result of a finished or interrupted run."""
    stored = _load(run)
    if as_json:
        print_line(json.dumps(stored, ensure_ascii=False))
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
        print_text("original", f"{_liking(s['original'])}  {escape(s['prompt'])}")
    if s["best"]:
        pieces = word_changes(s["prompt"], s["best"]["text"])
        marked = " ".join(_MARK[kind].format(escape(words)) for kind, words in pieces)
        print_text("best", f"{_liking(s['best'])}  {marked}")
    if s["gain"] is not None:
        console.print(f"  gain      [bold]{escape(s['gain_words'])}[/]")
    if s.get("outlook"):
        print_text("outlook", escape(s["outlook"]["words"]))
    for user, liking in _each(s):
        console.print(f"  {escape(user):9s} {liking}")
    for taste in s.get("tastes", []):
        whose = f"{taste['user']}: " if len(s["tastes"]) > 1 else ""
        print_text("taste", escape(f"{whose}{taste['words']}"))
    for name, added in s.get("explained", {}).items():
        words = ", ".join(f"{n} {v:+.2f}" for n, v in list(added.items())[:4])
        print_text("why", escape(f"{name}: {words}"))
    if spoken := [c for c in s.get("critic", []) if c["text"]]:
        print_text("critic", escape(f"{spoken[-1]['text']} (after round {spoken[-1]['round']})"))
    if s["picture"]:
        show_in_terminal(folder / s["picture"])
        console.print(f"  picture   {escape(str(folder / s['picture']))}{_of_picture(s['best'])}")
    console.print(f"  sheet     {folder / 'contact_sheet.png'}", markup=False)
    console.print(f"  report    {folder / 'report.html'}", markup=False)
    if s.get("agreement") is not None:
        console.print(
            f"  tiers     {escape(s['agreement_of'])} rank like full pictures: Spearman {s['agreement']:+.2f} "
            f"on {counted(s['agreement_pictures'], 'picture')}"
        )
    if s["failed"]:
        first = escape(s["failed"][0]["reason"])
        print_text("failed", f"{counted(len(s['failed']), 'picture')}; the reason of the first: {first}")
    print_text(
        "stopped", f"because {escape(s['why'])}, after {counted(s['pictures'], 'picture')} and {s['seconds']:.0f} s"
    )
    if s["stop"] == "INTERRUPTED":
        console.print(f"  everything so far is kept; resume with: [bold]steer resume {escape(str(folder))}[/]")


def show_in_terminal(picture: Path) -> None:
    """Print a picture where the terminal can show one."""
    from reward_models.doors import Unreadable
    from reward_models.pictures import read_picture
    from steer.terminal_graphics import protocol_of, show_picture

    if not protocol_of():
        return
    with suppress(OSError, Unreadable):  # gone since; its path is printed anyway
        show_picture(read_picture(picture, ("PNG",)))


def _liking(stats: dict[str, Any]) -> str:
    """Mean liking of a text's pictures, in [0, 1]."""
    if stats["liking"] is None:
        return "-"
    if stats["seeds"] == 1:  # one picture has no spread
        return f"[bold]{stats['liking']:.2f}[/] (1 seed)"
    return f"[bold]{stats['liking']:.2f}[/] ± {stats['spread'] or 0:.2f} ({stats['seeds']} seeds)"


def _of_picture(best: dict[str, Any]) -> str:
    """How much the chosen picture itself is liked, where that is not the mean of a single one."""
    return "" if best["seeds"] == 1 or best.get("picture_liking") is None else f" (liking {best['picture_liking']:.2f})"


def _each(s: dict[str, Any]) -> list[tuple[str, str]]:
    """Of a run for several people: each one's liking of the original and of the best."""
    before, after = (s[name].get("liked_by", {}) if s[name] else {} for name in ("original", "best"))
    away = Audience.parse(s["user"]).away
    said = {u: f"likes the original {before[u]:.2f}, the best {after[u]:.2f}" for u in after if _both(before, after, u)}
    return [(u, text + (" (steered away from)" if u in away else "")) for u, text in said.items()]


def _both(before: dict[str, float | None], after: dict[str, float | None], user: str) -> bool:
    return before.get(user) is not None and after[user] is not None


def _print_texts(stored: dict[str, Any], top: int) -> None:
    groups: dict[str, list[dict[str, Any]]] = {}
    for c in stored["candidates"]:
        if c["objective"] is not None:
            groups.setdefault(c["text"], []).append(c)

    def mean(text: str, name: str) -> float:
        values = [c[name] for c in groups[text] if c[name] is not None]
        return sum(values) / len(values) if values else math.nan

    table = Table("liking", "fidelity", "pictures", "text", box=None, pad_edge=False)
    for text in sorted(groups, key=lambda t: -mean(t, "objective"))[:top]:
        shown = [f"{mean(text, name):.3f}" for name in ("personal", "fidelity")]
        table.add_row(*shown, str(len(groups[text])), escape(text))
    console.print()
    console.print(table)


def _print_words(words: list[dict[str, Any]]) -> None:
    """Print the words whose 95 % interval of the effect does not contain zero."""
    raised, lowered = [w for w in words if w["low"] > 0], [w for w in words if w["high"] < 0]
    for title, effects in (("raised", raised), ("lowered", lowered)):
        if effects:
            line = ", ".join(f"{w['words']} {w['effect']:+.2f} [{w['low']:+.2f}, {w['high']:+.2f}]" for w in effects)
            print_text(title, escape(line))


def _load(run: Path) -> dict[str, Any]:
    from steer.report.stored import read_result
    from steer.store.manifest import read_manifest

    read_manifest(run)
    return read_result(run)
