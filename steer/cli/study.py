"""``steer study``: run a study, collect votes on it, and report both."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reward_models.plural import counted
from steer.cli.bars import task_bars
from steer.cli.console import console, print_line
from steer.cli.extras import extra
from steer.cli.options import AsJson, Beside, Browser, DryRun, Host, Out, Port, Voter
from steer.errors import UsageError
from steer.web.address import LOOPBACK

if TYPE_CHECKING:
    from steer.study.folder import StudyFolder
    from steer.study.plan import StudyConfig

SHIPPED = "smoke, miniature, guards, linear-hidden, paper"

app = typer.Typer()
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a study.")]


@app.callback(invoke_without_command=True)
def study(
    context: typer.Context,
    config: Annotated[
        str,
        typer.Option("--config", "-c", metavar="NAME|FILE", help=f"A study that ships ({SHIPPED}) or a YAML file."),
    ] = "",
    out: Out = None,
    beside: Beside = 8,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Test whether steering works: compare ways to draw, with judges that took no part in steering.

    steer study --config smoke

    The report goes to outputs/study-NAME unless --out is given. Run the same command again to resume.
    """
    if context.invoked_subcommand:
        return
    if not config:
        raise UsageError(f"which study? Add --config NAME: {SHIPPED}, or a YAML file")
    from steer.study.plan import load_study

    plan = load_study(config)
    if dry_run:
        return _print_plan(plan, as_json)
    with _report_packages():
        from steer.study.folder import StudyFolder
        from steer.study.running import draw_users

        _run(StudyFolder.begin(out or Path("outputs") / f"study-{plan.name}", draw_users(plan)), as_json, beside)


def resume_study(path: Path, as_json: bool) -> None:
    """Do what is missing of an existing study, and report it."""
    from steer.study.folder import StudyFolder

    with _report_packages():
        _run(StudyFolder.open(path), as_json)


def _run(folder: StudyFolder, as_json: bool, beside: int = 8) -> None:
    from steer.cli.progress import no_library_bars
    from steer.study.report import write_study
    from steer.study.running import StudyRun

    no_library_bars()
    with task_bars(as_json) as tell:
        StudyRun(folder, beside, tell).run()
    print_findings(folder, write_study(folder), as_json)


@app.command()
def report(folder: Folder, as_json: AsJson = False) -> None:
    """Write the report of a study again, after judging any pictures that have not been judged."""
    with _report_packages():
        from steer.study.folder import StudyFolder
        from steer.study.report import write_study
        from steer.study.running import StudyRun

        opened = StudyFolder.open(folder)
        with task_bars(as_json) as tell:
            StudyRun(opened, tell=tell).judge()
        print_findings(opened, write_study(opened), as_json)


@app.command()
def page(folder: Folder, user: Voter, host: Host = LOOPBACK, port: Port = 0, browser: Browser = True) -> None:
    """Vote between pictures in the browser without knowing which is which. Every vote is saved at once."""
    from steer.study.folder import StudyFolder
    from steer.study.votes import Ballot
    from steer.users.store import UserStore
    from steer.web import Address, serve_voting

    ballot = Ballot(StudyFolder.open(folder), UserStore(), user)
    serve_voting(ballot, Address(host, port, browser), console)
    console.print(
        f"{counted(ballot.given, 'vote')} by {user}; to see them all: steer study votes {folder}", markup=False
    )


@app.command()
def votes(folder: Folder, as_json: AsJson = False) -> None:
    """Show the votes with their confidence intervals, and how many votes it takes to detect an effect."""
    from steer.study.folder import StudyFolder
    from steer.study.votes import count_votes
    from steer.users.store import UserStore

    counts = count_votes(StudyFolder.open(folder), UserStore())
    if as_json:
        return print_line(json.dumps(counts))
    console.print(f"{counted(counts['votes'], 'vote')} by {counted(counts['people'], 'person', 'people')}")
    for name, pair in counts["pairs"].items():
        low, high = pair["interval"]
        console.print(
            f"  {name}: {100 * pair['share']:.0f} % [{100 * low:.0f}, {100 * high:.0f}] of {pair['votes']}, "
            f"p {pair['p']:.3f}"
        )
    for name, (points, low, high) in counts["elo"].items():
        console.print(f"  Elo {points:.0f} [{low:.0f}, {high:.0f}]  {name}", markup=False)
    needed = ", ".join(f"{n} for {float(share):.0%}" for share, n in counts["needed"].items())
    console.print(f"votes on one pair needed to detect a true preference (80 % power): {needed}", markup=False)


def _print_plan(plan: StudyConfig, as_json: bool) -> None:
    everyone = len(plan.users) if isinstance(plan.users, list) else plan.users.count
    cells = len(plan.prompts) * len(plan.seeds)
    runs = {n: cells * (1 if c.fixed else min(everyone, c.users or everyone)) for n, c in plan.steered().items()}
    pictures, fresh = sum(runs.values()) * plan.budget, sum(runs.values()) * plan.looks + cells * plan.budget
    if as_json:
        return print_line(json.dumps({"users": everyone, "runs": runs, "pictures": pictures, "fresh pictures": fresh}))
    print_line(
        f"{plan.name}: {counted(everyone, 'user')}, {counted(sum(runs.values()), 'run')} of "
        f"{counted(plan.budget, 'picture')}: up to {pictures}, plus up to {fresh} fresh ones; "
        "pictures that runs share are rendered once"
    )


def print_findings(folder: StudyFolder, table: dict[str, Any], as_json: bool) -> None:
    """Print what a study found, in words and in numbers, and where its report is."""
    if as_json:
        return print_line(json.dumps({"folder": str(folder.path), **table}))
    from steer.study.analysis import Findings
    from steer.study.report import orders
    from steer.study.verdict import verdict as sentences

    findings = Findings(folder)
    for sentence in sentences(findings, table):
        console.print(sentence, highlight=False, markup=False)
    for order, judge, verdict, difference, share in orders(findings, table):
        console.print(f"  {order}: {verdict}, {difference}, chosen {share}  ({judge})", highlight=False, markup=False)
    console.print(
        f"  report    {folder.path / 'report.html'}\n  numbers   {folder.path / 'findings.json'}", markup=False
    )


def _report_packages() -> AbstractContextManager[None]:
    return extra("study", "matplotlib")
