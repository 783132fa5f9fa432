"""steer data: look a data set of ratings over; write the miniature's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steer.errors import UsageError

app = typer.Typer(help="Data sets of ratings.", no_args_is_help=True)


@app.callback()
def data() -> None:
    """Data sets of ratings."""


@app.command()
def check(
    source: Annotated[str, typer.Argument(help="A folder, a csv of your own ratings, or a hub data set.")],
    kind: Annotated[
        str | None, typer.Option(help="pamela, para or lapis; found from the files where not given.")
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Open every picture.")] = True,
) -> None:
    """Read a data set as training would and say what is in it, what was left out and what to mind."""
    try:
        from reward_models.ratings import DataError, load_ratings
        from reward_models.ratings.check import check as look_over
    except ModuleNotFoundError as error:
        raise UsageError(
            f"this needs the package '{error.name}'; install steer with the extra: steer-t2i[train]"
        ) from error
    if "/" not in source and not Path(source).exists():
        raise UsageError(f"there is no folder or file '{source}'")
    try:
        report = look_over(load_ratings(source, kind), pictures)
    except DataError as error:
        raise UsageError(str(error)) from error
    for line in report.lines:
        print(line)
    for warning in report.warnings:
        print(f"  mind: {warning}")
    if not report.warnings:
        print("  nothing to mind")


@app.command()
def miniature(
    folder: Annotated[Path, typer.Argument(help="Where it is written.")],
    pictures: Annotated[int, typer.Option(help="How many pictures.", min=40)] = 2600,
    painted_only: Annotated[
        bool, typer.Option(help="All painted by code; none by the pipeline (minutes less).")
    ] = False,
) -> None:
    """Write the miniature's data set: pictures rated by simulated people, in the files of the PAMELA release.

    Takes about four minutes on 2 cores; a killed call goes on where it stopped.
    """
    from rich.progress import Progress

    from steer.miniature.dataset import write_dataset
    from steer.renderers import miniature_renderer

    with Progress(transient=True) as bar:
        task = bar.add_task("pictures", total=None)
        render = None if painted_only else miniature_renderer().render
        write_dataset(folder, pictures, render, lambda done, n: bar.update(task, completed=done, total=n))
    print(f"{folder}: {pictures} pictures; steer data check {folder}")
