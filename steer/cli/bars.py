"""The progress bar of all commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from steer.cli.console import console

WIDTH = 32  # characters


def progress_bar(*fields: str, quiet: bool = False, transient: bool = False) -> Progress:
    """Description, bar, done of total, ``fields`` ("best {task.fields[best]}"), time left.

    ``quiet``: draw nothing. ``transient``: remove the bar at the end.
    """
    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(WIDTH), MofNCompleteColumn()]
    columns += [TextColumn(field) for field in fields]
    return Progress(*columns, TimeRemainingColumn(), console=console, disable=quiet, transient=transient)


@contextmanager
def task_bars(quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Yield ``tell(task, done, total)``, which draws one bar per task."""
    with progress_bar(quiet=quiet) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(task: str, done: int, total: int) -> None:
            if task not in tasks:
                tasks[task] = bar.add_task(task, total=total)
            bar.update(tasks[task], completed=done)

        yield tell


@contextmanager
def count_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Yield ``tell(done, total)``; the bar is removed at the end. Lines printed to the console appear above it."""
    with progress_bar(transient=True) as bar:
        task = bar.add_task(description, total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell


def feature_bar() -> AbstractContextManager[Callable[[int, int], None]]:
    """:func:`count_bar` while pictures and texts are read into features."""
    return count_bar("features")
