"""``steer study``: the evidence, in one command."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(help="Does steering work? Compare conditions over users and prompts, by judges that never steered.")
Folder = Annotated[Path, typer.Argument(help="The study's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")]


@app.callback(invoke_without_command=True)
def study(
    context: typer.Context,
    config: Annotated[
        str,
        typer.Option(
            "--config", "-c", help="A shipped study (smoke, miniature, guards, linear-hidden, paper) or a YAML file."
        ),
    ] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Its folder (default: outputs/study-NAME).")] = None,
    beside: Annotated[int, typer.Option(help="Runs under way at once.", min=1, max=256)] = 8,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, render nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a study and write its report; the same command goes on where it stopped.

    steer study --config smoke
    """
    if context.invoked_subcommand:
        return
    if not config:
        raise UsageError("a study needs --config: smoke, miniature, guards, linear-hidden, paper, or a YAML file")
    from steer.study.plan import load_study

    plan = load_study(config)
    if dry_run:
        return _print_plan(plan, as_json)
    with _extra():
        from steer.study.folder import StudyFolder
        from steer.study.report import write_study
        from steer.study.running import StudyRun, draw_users

        folder = StudyFolder.begin(out or Path("outputs") / f"study-{plan.name}", draw_users(plan))
        with _told(as_json) as tell:
            StudyRun(folder, beside, tell).run()
        _show(folder, write_study(folder), as_json)


@app.command()
def report(folder: Folder, as_json: AsJson = False) -> None:
    """Judge what is not judged yet and write the report of a finished study again."""
    with _extra():
        from steer.study.folder import StudyFolder
        from steer.study.report import write_study
        from steer.study.running import StudyRun

        found = StudyFolder.open(folder)
        with _told(as_json) as tell:
            StudyRun(found, tell=tell).judge()
        _show(found, write_study(found), as_json)


@app.command()
def page(
    folder: Folder,
    user: Annotated[str, typer.Option("--user", "-u", help="Who chooses: someone the study steered for.")],
    port: Annotated[int, typer.Option(help="0: any free one.", min=0, max=65535)] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it.")] = True,
) -> None:
    """Choose between pictures in the browser, blind; every answer is kept in the users' store at once."""
    from steer.cli.progress import console
    from steer.study.folder import StudyFolder
    from steer.study.votes import Ballot
    from steer.users.store import UserStore

    ballot = Ballot(StudyFolder.open(folder), UserStore(), user)
    try:
        from steer.web.voting import VotingPage
    except ModuleNotFoundError as error:
        raise UsageError("the page needs the extra 'page': pip install 'steer-t2i[page]'") from error
    VotingPage(ballot).serve(port, browser, console)
    console.print(f"{ballot.given} answers of {user}; steer study votes {folder}")


@app.command()
def votes(folder: Folder, as_json: AsJson = False) -> None:
    """What people chose on the page, how sure that is, and how many choices an effect needs."""
    from steer.cli.progress import console
    from steer.study.folder import StudyFolder
    from steer.study.votes import count_votes
    from steer.users.store import UserStore

    found = count_votes(StudyFolder.open(folder), UserStore())
    if as_json:
        return print(json.dumps(found))
    console.print(f"{found['votes']} choices of {found['people']} people")
    for name, pair in found["pairs"].items():
        low, high = pair["interval"]
        console.print(
            f"  {name}: {100 * pair['share']:.0f} % [{100 * low:.0f}, {100 * high:.0f}] of {pair['votes']}, p {pair['p']:.3f}"
        )
    for name, (points, low, high) in found["elo"].items():
        console.print(f"  Elo {points:.0f} [{low:.0f}, {high:.0f}]  {name}")
    needed = ", ".join(f"{n} for {float(s):.0%}" for s, n in found["needed"].items())
    console.print(f"choices of one pair that a true preference needs (80 % power): {needed}")


def _print_plan(plan: Any, as_json: bool) -> None:
    everyone = len(plan.users) if isinstance(plan.users, list) else plan.users.count
    cells = len(plan.prompts) * len(plan.seeds)
    runs = {n: cells * (1 if c.user else min(everyone, c.users or everyone)) for n, c in plan.steered().items()}
    pictures, fresh = sum(runs.values()) * plan.budget, sum(runs.values()) * plan.looks + cells * plan.budget
    if as_json:
        return print(json.dumps({"users": everyone, "runs": runs, "pictures": pictures, "fresh pictures": fresh}))
    print(
        f"{plan.name}: {everyone} users, {sum(runs.values())} runs of {plan.budget} pictures: up to {pictures}, "
        f"and up to {fresh} fresh ones; pictures that runs share are drawn once"
    )


def _show(folder: Any, table: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print(json.dumps({"folder": str(folder.path), **table}))
    from steer.cli.progress import console
    from steer.study.analysis import Findings
    from steer.study.report import verdicts

    for line in verdicts(Findings(folder), table):
        order, judge, found, difference, share = (c.strip() for c in line.strip("|").split("|"))
        console.print(f"  {order}: {found}, {difference}, chosen {share}  ({judge})", highlight=False, markup=False)
    console.print(f"  report    {folder.path / 'report.html'}\n  numbers   {folder.path / 'findings.json'}")


@contextmanager
def _told(quiet: bool) -> Iterator[Any]:
    """A bar a condition."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from steer.cli.progress import console

    columns = TextColumn("{task.description}"), BarColumn(32), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=quiet) as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=of)
            bar.update(tasks[what], completed=done)

        yield tell


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("matplotlib", "markdown_it"):
            raise
        raise UsageError(
            f"a study's report needs the package '{error.name}'; install steer with the extra: steer-t2i[study]"
        ) from error
