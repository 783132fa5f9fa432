"""The progress bar of all commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from steer.cli.console import console

WIDTH, NARROW = 32, 16  # characters of the bar; the second in terminals below 100 columns


def progress_bar(*fields: str, now: str = "", quiet: bool = False, transient: bool = False) -> Progress:
    """Description, bar, done of total, ``fields`` ("best {task.fields[best]}"), time left, ``now`` (what is done now).

    ``quiet``: draw nothing. ``transient``: remove the bar at the end.
    """
    bar = BarColumn(WIDTH if console.width >= 100 else NARROW)
    columns: list[ProgressColumn] = [TextColumn("{task.description}"), bar, MofNCompleteColumn()]
    columns += [*(TextColumn(field) for field in fields), TimeRemainingColumn()]
    columns += [TextColumn(now, table_column=Column(no_wrap=True, overflow="ellipsis"))] if now else []
    return Progress(*columns, console=console, disable=quiet, transient=transient)


@contextmanager
def task_bars(quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Yield ``tell(task, done, total)``, which draws one bar per task."""
    with progress_bar(quiet=quiet) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(task: str, done: int, total: int) -> None:
            if task not in tasks:
                tasks[task] = bar.add_task(escape(task), total=total)
            bar.update(tasks[task], completed=done)

        yield tell


@contextmanager
def count_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Yield ``tell(done, total)``; the bar is removed at the end. Lines printed to the console appear above it."""
    with progress_bar(transient=True, quiet=not console.is_terminal) as bar:  # elsewhere it leaves an empty line
        task = bar.add_task(description, total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell


def feature_bar() -> AbstractContextManager[Callable[[int, int], None]]:
    """:func:`count_bar` while pictures and texts are read into features."""
    return count_bar("features")
